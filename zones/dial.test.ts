// Dialling: the source ports a firewall wants, and the reason of a failure in words.
import { once } from 'node:events';
import { type AddressInfo, type Server, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type DialOptions, dial, dialWords } from './dial.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const options = (port: number, change: Partial<DialOptions> = {}): DialOptions => ({
  host: '127.0.0.1',
  port,
  localAddress: undefined,
  sourcePorts: undefined,
  timeoutMs: 1000,
  signal: new AbortController().signal,
  random: Math.random,
  ...change,
});

describe('dial', () => {
  it('leaves from the range it was given, past ports that are taken', async () => {
    const port = await listen();
    const rolls = [0, 0, 0, 0.5];
    const sourcePorts = { from: 21_872, to: 21_873 };
    const random = () => rolls.shift() ?? 0;
    const first = await dial(options(port, { sourcePorts, random }));
    const second = await dial(options(port, { sourcePorts, random }));
    expect([first.localPort, second.localPort]).toEqual([21_872, 21_873]);
    first.destroy();
    second.destroy();
  });

  it('gives up when every port of the range is taken', async () => {
    const port = await listen();
    const sourcePorts = { from: 21_875, to: 21_875 };
    const first = await dial(options(port, { sourcePorts }));
    await expect(dial(options(port, { sourcePorts }))).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/source port/),
    });
    first.destroy();
  });

  it('ends at once when aborted, before and during', async () => {
    const port = await listen();
    const aborted = AbortSignal.abort();
    await expect(dial(options(port, { signal: aborted }))).rejects.toMatchObject({ code: 'closed' });
    const abort = new AbortController();
    const dialling = dial(options(port, { signal: abort.signal }));
    abort.abort();
    await expect(dialling).rejects.toMatchObject({ code: 'closed' });
  });

  it('says that nothing listens', async () => {
    await expect(dial(options(1))).rejects.toMatchObject({
      code: 'unreachable',
      message: '127.0.0.1 port 1: nothing listens there (connection refused)',
    });
  });

  it.each([
    ['ENOTFOUND', 'DNS has no such name'],
    ['EAI_AGAIN', 'no DNS server answers'],
    ['EHOSTUNREACH', 'no route'],
    ['ETIMEDOUT', 'a firewall drops the packets'],
    ['EWHATEVER', 'the text of the system'],
  ])('has words for %s', (code, words) => {
    expect(dialWords(Object.assign(new Error('the text of the system'), { code }), 'edge', 7001)).toContain(
      words,
    );
  });
});
