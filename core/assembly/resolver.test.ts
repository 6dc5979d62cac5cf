import dnsPacket from 'dns-packet';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createResolve } from './resolver.ts';

const ANSWERS: Record<string, string> = {
  'A ucm.example.com': '192.0.2.7',
  'AAAA ucm.example.com': '2001:db8::7',
};
let server: Socket;
let address = '';

beforeAll(async () => {
  server = createSocket('udp4', (bytes, from) => {
    const query = dnsPacket.decode(bytes);
    const question = query.questions?.[0];
    const type = question?.type as 'A' | 'AAAA';
    const name = question?.name ?? '';
    const data = ANSWERS[`${type} ${name}`];
    const answers = data === undefined ? [] : [{ type: type as 'A', name, ttl: 1, data }];
    const flags = data === undefined ? 3 : 0;
    server.send(
      dnsPacket.encode({
        type: 'response',
        id: query.id ?? 0,
        flags,
        questions: query.questions ?? [],
        answers,
      }),
      from.port,
      from.address,
    );
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  address = `127.0.0.1:${server.address().port}`;
});
afterAll(() => server.close());

it('asks the servers it was given, IPv4 first', async () =>
  expect(await createResolve([address])('ucm.example.com')).toEqual(['192.0.2.7', '2001:db8::7']));
it('rejects with the resolver’s word when there is nothing', async () =>
  expect(createResolve([address])('nowhere.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' }));
it('takes an address for what it is', async () =>
  expect(await createResolve([address])('192.0.2.9')).toEqual(['192.0.2.9']));
it('asks the system when no server is named', async () =>
  expect(await createResolve([])('127.0.0.1')).toEqual(['127.0.0.1']));
