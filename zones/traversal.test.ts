// Both halves of a zone on loopback sockets: they find each other, refuse everyone else in words, and come back.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { TraversalServer } from './peer.ts';
import { renewIdentity } from './pair/renew.ts';
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

  it('of two edges and two cores is a full mesh', async () => {
    const names = { edges: ['edge1', 'edge2'], cores: ['core1', 'core2'] };
    const pair = await pairForTest({
      edges: names.edges.map((name, at) => ({ name, address: `127.0.0.${at + 1}` })),
      cores: names.cores.map((name) => ({ name })),
    });
    const ports = { ssh: 0, sip: 0 };
    const [atEdges, atCores] = [new Recorder(), new Recorder()];
    const servers: TraversalServer[] = [];
    for (const [at, name] of names.edges.entries()) {
      const change = { host: `127.0.0.${at + 1}`, sshPort: ports.ssh, sipPort: ports.sip };
      const server = createTraversalServer(serverOptions(zoneOf(pair, name), atEdges, change));
      await server.listen();
      Object.assign(ports, server.addresses());
      servers.push(server);
    }
    const clients = names.cores.map((name) =>
      createTraversalClient(clientOptions(zoneOf(pair, name), ports, atCores)),
    );
    closers.push(
      () => Promise.all(servers.map((server) => server.close('test over'))).then(() => undefined),
      () => Promise.all(clients.map((client) => client.close('test over'))).then(() => undefined),
    );
    const settled = untilSeen(atEdges, [
      'up core1',
      'up core1',
      'up core2',
      'up core2',
      'sip core1',
      'sip core1',
      'sip core2',
      'sip core2',
    ]);
    const dialled = untilSeen(atCores, [
      'up edge1',
      'up edge1',
      'up edge2',
      'up edge2',
      'sip edge1',
      'sip edge1',
      'sip edge2',
      'sip edge2',
    ]);
    for (const client of clients) client.start();
    await Promise.all([settled, dialled]);
    for (const server of servers)
      expect(
        server
          .cores()
          .map((core) => core.identity.name)
          .toSorted(),
      ).toEqual(['core1', 'core2']);
    for (const client of clients)
      expect(
        client
          .edges()
          .map((edge) => edge.identity.name)
          .toSorted(),
      ).toEqual(['edge1', 'edge2']);
  });

  it('takes a renewed certificate without dropping a link, and refuses more than that', async () => {
    const { pair, server, client, atEdge, atCore } = await startPair();
    const renewed = async (name: string) => {
      const zone = zoneOf(pair, name);
      const request = {
        authorityPem: pair.authorityPem,
        zoneAuthority: zone.authority,
        name,
        now: Date.now(),
        days: 2,
      };
      return { ...zone, identity: await renewIdentity({ ...request, identity: zone.identity }) };
    };
    const [edgeZone, coreZone] = [await renewed(EDGE), await renewed(CORE)];
    const ports = { ...coreZone.ports, ...server.addresses() };
    server.renew(edgeZone);
    client.renew({ ...coreZone, ports });
    expect(atEdge.sockets[0]?.destroyed).toBe(false);
    const again = atCore.next('sip ');
    atEdge.sockets[0]?.destroy();
    await again;
    const shown = (socket: TLSSocket | undefined) => socket?.getPeerCertificate().fingerprint256;
    expect(shown(atCore.sockets[1])).toBe(new X509Certificate(edgeZone.identity.certificate).fingerprint256);
    expect(shown(atEdge.sockets[1])).toBe(new X509Certificate(coreZone.identity.certificate).fingerprint256);
    expect(() => server.renew({ ...edgeZone, id: 2 })).toThrow('restart for the rest');
  });
});

/** Resolves when each of these events has been seen as often as it stands in the list. */
function untilSeen(recorder: Recorder, events: readonly string[]): Promise<void> {
  return Promise.all(
    [...new Set(events)].map(async (event) => {
      const times = events.filter((each) => each === event).length;
      for (let seen = 0; seen < times; seen += 1) await recorder.next(event);
    }),
  ).then(() => undefined);
}
