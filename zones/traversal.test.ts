// Both halves of a zone on loopback sockets: they find each other, refuse everyone else in words, and come back.
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { CORE, EDGE, Recorder, clientOptions, pairForTest, serverOptions, zoneOf } from './test-zone.ts';
import { createTraversalClient } from './traversal-client.ts';
import { createTraversalServer } from './traversal-server.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startPair(
  change: {
    server?: Parameters<typeof serverOptions>[2];
    client?: Parameters<typeof clientOptions>[3];
  } = {},
) {
  const pair = await pairForTest();
  const atEdge = new Recorder();
  const atCore = new Recorder();
  const server = createTraversalServer(serverOptions(zoneOf(pair, EDGE), atEdge, change.server));
  await server.listen();
  const client = createTraversalClient(
    clientOptions(zoneOf(pair, CORE), server.addresses(), atCore, change.client),
  );
  closers.push(
    () => server.close('test over'),
    () => client.close('test over'),
  );
  const up = Promise.all([
    atEdge.next(`up ${CORE}`),
    atEdge.next(`sip ${CORE}`),
    atCore.next('up '),
    atCore.next('sip '),
  ]);
  client.start();
  await up;
  return { pair, server, client, atEdge, atCore };
}

async function echo(channel: Duplex, text: string): Promise<string> {
  channel.write(text);
  let got = '';
  while (got.length < text.length) got += String((await once(channel, 'data'))[0]);
  return got;
}

describe('a zone', () => {
  it('comes up on both planes and carries channels, requests and SIP', async () => {
    const { server, client, atEdge, atCore } = await startPair({
      client: { controlHandlers: { 'media.open': (body) => ({ got: body }) } },
    });
    expect(server.status()[0]?.planes).toMatchObject({
      https: { state: 'up' },
      sip: { state: 'up' },
      media: { state: 'down' },
    });
    const [core] = server.cores();
    expect(await core?.control.request('media.open', { a: 1 })).toEqual({ got: { a: 1 } });
    await expect(core?.control.request('no.such', {})).rejects.toMatchObject({ code: 'unknown-type' });
    const channel = await core?.openHttp();
    expect(channel && (await echo(channel, 'GET / HTTP/1.1'))).toBe('GET / HTTP/1.1');
    channel?.destroy();
    const arrived = once(atCore.sockets[0]!, 'data');
    atEdge.sockets[0]?.write('\r\n\r\n');
    expect(String((await arrived)[0])).toBe('\r\n\r\n');
    expect(atCore.sockets[0]?.getProtocol()).toBe('TLSv1.3');
    expect(client.edges()[0]?.identity).toEqual({ name: EDGE, zone: 'inside', zoneId: 1 });
  });
});
