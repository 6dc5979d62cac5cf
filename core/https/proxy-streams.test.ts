import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { randomCookieKey } from '../../auth/index.ts';
import { clusterDefaults } from '../unified-cm/test-uds.ts';
import { alice, answerAsUnifiedCm, domainLane, openCore, type TestCore } from './test-core.ts';

let at: TestCore;
let cookie = '';
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const head = 'Host: edge1.example.com:8443\r\n';

beforeAll(async () => {
  at = await openCore();
  const answer = await at.get(`/${domainLane}/get_edge_config`, alice);
  cookie = `Cookie: ${/X-Auth=[\w-]+/.exec(answer)?.[0]}\r\n`;
});
afterAll(() => at.close());
beforeEach(() => {
  at.ucm.requests.length = 0;
  at.counted.length = 0;
  at.logged.length = 0;
});
afterEach(() => {
  at.ucm.answer = answerAsUnifiedCm;
});

describe('a server inside that misbehaves', () => {
  const target = (): string => `/${at.lane()}/cucm-uds/user/alice/x`;
  test('cuts the answer off: so does the channel', async () => {
    at.ucm.answer = (request, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half', () => request.socket.destroy());
    };
    const answer = await at.get(target(), cookie);
    expect(bodyOf(answer).length).toBeLessThan(100);
    expect(at.logged).toEqual([expect.objectContaining({ event: 'Request Failed' })]);
  });
  test('answers two ways at once: 502', async () => {
    at.ucm.answer = (request) => {
      request.socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      );
    };
    expect(statusOf(await at.get(target(), cookie))).toBe(502);
  });
  test('closes without an answer: 502', async () => {
    at.ucm.answer = (request) => void request.socket.destroy();
    expect(statusOf(await at.get(target(), cookie))).toBe(502);
  });
});

describe('whoever goes away takes the other side along', () => {
  test('the client in the middle of an answer', async () => {
    const closed = Promise.withResolvers<void>();
    at.ucm.answer = (_request, response) => {
      response.on('close', () => closed.resolve());
      response.writeHead(200, { 'Content-Length': 1_000_000 });
      response.write('begin');
    };
    const channel = at.channel();
    channel.write(`GET /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}\r\n`);
    await once(channel, 'data');
    channel.destroy();
    await closed.promise;
    expect(at.logged).toEqual([expect.objectContaining({ event: 'Request Failed', status: 200 })]);
  });
  test('the client in the middle of its own body', async () => {
    const seen = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    at.ucm.answer = (request) => {
      request.on('error', () => undefined);
      request.on('close', () => closed.resolve());
      request.once('data', () => seen.resolve());
    };
    const channel = at.channel();
    channel.write(
      `PUT /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Content-Length: 1000\r\n\r\nabc`,
    );
    await seen.promise;
    channel.destroy();
    await closed.promise;
    expect(at.core.unifiedCm.nodes()[0]?.reach.state).toBe('up');
  });
});

test('a slow reader slows the server, in flat memory', async () => {
  const total = 64 * 1024 * 1024;
  let sent = 0;
  const full = Promise.withResolvers<void>();
  at.ucm.answer = (_request, response) => {
    response.writeHead(200, { 'Content-Length': total });
    const piece = Buffer.alloc(65_536);
    const more = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!response.write(piece)) {
          full.resolve();
          return void response.once('drain', more);
        }
      }
      response.end();
    };
    more();
  };
  const channel = at.channel();
  channel.pause();
  channel.write(
    `GET /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Connection: close\r\n\r\n`,
  );
  await full.promise;
  // Nothing is read: what the server could write fits into the buffers of sockets and ours, whatever the total.
  for (let i = 0, before = -1; before !== sent || i < 20; i++) {
    before = sent;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeLessThan(total / 2);
  let received = 0;
  channel.on('data', (piece: Buffer) => (received += piece.length));
  channel.resume();
  await once(channel, 'end');
  expect(received).toBeGreaterThanOrEqual(total);
});

test('a slow server slows the client, in flat memory', async () => {
  const arrived = Promise.withResolvers<IncomingMessage>();
  at.ucm.answer = (request) => arrived.resolve(request.pause());
  const channel = at.channel();
  const total = 64 * 1024 * 1024;
  channel.write(
    `PUT /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Content-Length: ${total}\r\n\r\n`,
  );
  const upstream = await arrived.promise;
  const piece = Buffer.alloc(65_536);
  let sent = 0;
  // A turn of the event loop without room in the channel, twenty times in a row, is a channel that has stopped.
  for (let stuck = 0; stuck < 20 && sent < total;) {
    if (channel.writableNeedDrain) stuck += 1;
    else {
      stuck = 0;
      sent += piece.length;
      channel.write(piece);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sent).toBeLessThan(total / 2);
  const ended = new Promise<void>((resolve) => upstream.on('close', () => resolve()));
  upstream.on('error', () => undefined).resume();
  channel.destroy();
  await ended;
});

describe('a refused request with a body', () => {
  const refused = (length: number, more = ''): string =>
    `PUT /${at.lane()}/cucm-uds/user/bob/x HTTP/1.1\r\n${head}${cookie}${more}Content-Length: ${length}\r\n\r\n`;
  test('leaves the channel usable when the body is small', async () => {
    const next = `GET /${at.lane()}/cucm-uds/version HTTP/1.1\r\n${head}${cookie}Connection: close\r\n\r\n`;
    const answers = await at.exchange(`${refused(5)}hello${next}`);
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 403', 'HTTP/1.1 200']);
  });
  test.each([
    ['large', () => refused(100_000)],
    ['waiting for permission', () => refused(5, 'Expect: 100-continue\r\n')],
    ['promised and then held back', () => `${refused(50_000)}hello`],
  ])('ends the channel when the body is %s, without asking for it', async (_name, text) => {
    const answers = await at.exchange(text());
    expect(answers.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 403']);
  });
});

describe('a kept connection that the server has closed meanwhile', () => {
  const sockets = new Set<Socket>();
  const closeAll = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  /** Answers, and closes the connection as the next request arrives on it. */
  const answerOnce = (request: IncomingMessage, response: ServerResponse): void => {
    if (sockets.has(request.socket)) return closeAll();
    sockets.add(request.socket);
    response.end('fresh');
  };
  test.each([
    ['GET', 200],
    ['DELETE', 502],
  ])('%s gets %i', async (method, status) => {
    at.ucm.answer = answerOnce;
    const request = (word: string): string =>
      `${word} /${at.lane()}/cucm-uds/user/alice/x HTTP/1.1\r\n${head}${cookie}Connection: close\r\n\r\n`;
    await at.exchange(request('GET'));
    expect(statusOf(await at.exchange(request(method)))).toBe(status);
    closeAll();
  });
});

describe('discovery decides what exists', () => {
  test('before it has come through, an unknown node is 503 and not 403', async () => {
    const cookieKeys = [randomCookieKey()] as const;
    const good = await openCore({ cookieKeys });
    const login = await good.get(`/${domainLane}/get_edge_config`, alice);
    const session = `Cookie: ${/X-Auth=[\w-]+/.exec(login)?.[0]}\r\n`;
    const resolve = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    const blind = await openCore({ cookieKeys, resolve, clusters: [clusterDefaults] });
    const unknown = await blind.get(
      `/${blind.lane({ host: 'ucm2.example.com', port: 8443 })}/cucm-uds/version`,
      session,
    );
    expect(unknown).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(unknown).toContain('Retry-After: 5\r\n');
    const publisher = await blind.get(`/${blind.lane({ port: 8443 })}/cucm-uds/version`, session);
    expect(publisher).toMatch(/^HTTP\/1\.1 502 connect failed\r\n/);
    await Promise.all([good.close(), blind.close()]);
  });
  test('what a name resolves to later changes nothing (T-110)', async () => {
    let address = '127.0.0.1';
    const core = await openCore({ resolve: async () => [address] });
    const login = await core.get(`/${domainLane}/get_edge_config`, alice);
    const session = `Cookie: ${/X-Auth=[\w-]+/.exec(login)?.[0]}\r\n`;
    address = '127.99.0.1';
    expect(statusOf(await core.get(`/${core.lane()}/cucm-uds/version`, session))).toBe(200);
    expect(statusOf(await core.get(`/${core.lane({ host: '127.99.0.1' })}/cucm-uds/version`, session))).toBe(
      403,
    );
    await core.close();
  });
  test('a node that has gone: 502 with the phrase clients know, and the log says why', async () => {
    const core = await openCore();
    const login = await core.get(`/${domainLane}/get_edge_config`, alice);
    const session = `Cookie: ${/X-Auth=[\w-]+/.exec(login)?.[0]}\r\n`;
    await core.ucm.close();
    const answer = await core.get(`/${core.lane()}/cucm-uds/version`, session);
    expect(answer).toMatch(/^HTTP\/1\.1 502 connect failed\r\n/);
    expect(core.logged.at(-1)).toMatchObject({ event: 'Request Failed' });
    expect(JSON.stringify(core.logged)).toContain('refuses connections');
    expect(core.core.unifiedCm.nodes()[0]?.reach.state).toBe('down');
    await core.close();
  });
});

test('drain ends idle channels', async () => {
  const core = await openCore();
  const idle = core.channel();
  const ended = once(idle, 'end');
  idle.resume();
  core.core.drain();
  await ended;
  expect(core.core.stats().channels).toBe(0);
  await core.close();
});

test('a fault of ours costs one request, is logged and counted', async () => {
  const core = await openCore({
    edgeOf: () => {
      throw new Error('no such edge');
    },
  });
  expect(await core.get(`/${domainLane}/get_edge_sso`)).toBe('');
  expect(core.counted).toContain('internal-fault');
  expect(core.logged).toContainEqual(expect.objectContaining({ event: 'Internal Fault' }));
  expect(statusOf(await core.get(`/${domainLane}/get_edge_config`))).toBe(401);
  await core.close();
});
