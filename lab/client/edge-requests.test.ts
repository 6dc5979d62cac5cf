import { once } from 'node:events';
import { type IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLabAuthority } from '../authority/authority.ts';
import { CookieJar } from './cookie-jar.ts';
import { EdgeRequests } from './edge-requests.ts';

let server: Server;
let requests: EdgeRequests;
const seen: IncomingMessage[] = [];

beforeEach(async () => {
  const authority = await createLabAuthority('Public', Date.now());
  const { chain, key } = await authority.issue(['edge.example.com']);
  server = createServer({ cert: chain, key }, (request, response) => {
    seen.push(request);
    if (request.url?.endsWith('/silent') === true) return;
    const body = request.url?.endsWith('/long') === true ? Buffer.alloc(1_100_000) : 'ok';
    response.setHeader('Set-Cookie', 'X-Auth=abc; Domain=.example.com; Path=/; Secure; HttpOnly');
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  requests = new EdgeRequests({
    host: 'edge.example.com',
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    domain: 'example.com',
    authority: authority.certificate,
    localAddress: '127.0.0.1',
    jar: new CookieJar(),
    now: () => Date.now(),
    timeoutMs: 200,
  });
});
afterEach(() => {
  requests.close();
  server.closeAllConnections();
  server.close();
  seen.length = 0;
});

test('paths, credentials and cookie are as clients send them', async () => {
  const first = await requests.toEdge('get_edge_config', { user: 'alice', password: 'wönderland' });
  expect([first.status, first.cookies, first.body.toString()]).toEqual([200, ['stored'], 'ok']);
  await requests.throughLane({ protocol: 'http', host: '10.15.0.33', port: 6970 }, 'SPDefault.cnf.xml');
  expect(seen.map((request) => request.url)).toEqual([
    '/ZXhhbXBsZS5jb20/get_edge_config',
    `/${Buffer.from('example.com/http/10.15.0.33/6970').toString('base64url')}/SPDefault.cnf.xml`,
  ]);
  expect(seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from('alice:wönderland').toString('base64')}`);
  expect(seen[0]?.headers.cookie).toBeUndefined();
  expect(seen[1]?.headers.cookie).toBe('X-Auth=abc');
  expect(seen[1]?.headers.authorization).toBeUndefined();
});

test.each([
  ['no answer', 'silent', /no answer within/],
  ['an answer without end', 'long', /too long/],
])('%s is given up', async (_, path, message) => {
  await expect(requests.toEdge(path)).rejects.toThrow(message);
});
