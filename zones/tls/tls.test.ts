// The SIP link on loopback sockets: only the pinned peer gets through, and every refusal says why, at both ends.
import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { type TLSSocket, connect, createServer, type ConnectionOptions } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Admission, type AdmissionOptions } from '../admission.ts';
import { systemClock } from '../clock.ts';
import { createAuthority, issueIdentity } from '../pair/certificate.ts';
import type { Pair } from '../pair/pair.ts';
import { CORE, EDGE, Recorder, pairForTest, silentLog, zoneOf } from '../test-zone.ts';
import type { TraversalZone } from '../zone-file.ts';
import { type TlsLinkClientOptions, connectTlsLink } from './client.ts';
import { tlsContext } from './profile.ts';
import { TlsLinkServer } from './server.ts';

const DAY_MS = 86_400_000;
const YEAR = { from: Date.now(), days: 365 };
let pair: Pair;
let edge: TraversalZone;
let core: TraversalZone;
beforeAll(async () => {
  pair = await pairForTest();
  edge = zoneOf(pair, EDGE);
  core = zoneOf(pair, CORE);
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const WIDE: AdmissionOptions = {
  maxPending: 32,
  maxPendingPerAddress: 32,
  perAddressPerSecond: 1000,
  perAddressBurst: 1000,
  maxAddresses: 8,
};

async function startServer(
  change: { zone?: TraversalZone; admission?: Admission; handshakeTimeoutMs?: number } = {},
) {
  const recorder = new Recorder();
  const words: string[] = [];
  const links: TLSSocket[] = [];
  const admission = new Admission(WIDE, systemClock);
  const server = new TlsLinkServer({
    plane: 'sip',
    host: '127.0.0.1',
    port: 0,
    zone: edge,
    handshakeTimeoutMs: 3000,
    admission,
    log: { ...silentLog, warn: (fields) => words.push(String((fields as { words?: unknown }).words)) },
    count: recorder.count,
    onLink: (socket, name) => {
      links.push(socket);
      recorder.record(`link ${name}`);
    },
    admits: () => true,
    onRefused: (name) => recorder.record(`refused ${name}`),
    onGone: (name) => recorder.record(`gone ${name}`),
    ...change,
  });
  await server.listen();
  closers.push(() => server.close());
  return { server, recorder, words, links, admission };
}

function options(port: number, change: Partial<TlsLinkClientOptions> = {}): TlsLinkClientOptions {
  const { signal } = new AbortController();
  const dial = {
    host: '127.0.0.1',
    port,
    localAddress: undefined,
    sourcePorts: undefined,
    timeoutMs: 1000,
    signal,
    random: Math.random,
  };
  return {
    plane: 'sip',
    dial,
    edgeName: EDGE,
    zone: core,
    handshakeTimeoutMs: 3000,
    clock: systemClock,
    ...change,
  };
}

async function dialled(port: number, change: Partial<TlsLinkClientOptions> = {}): Promise<TLSSocket> {
  const socket = await connectTlsLink(options(port, change));
  socket.on('error', () => undefined);
  closers.push(() => socket.destroy());
  return socket;
}

/** A core's zone whose own certificate is another one. */
async function coreWith(
  name: string,
  validity = YEAR,
  authority = pair.authorityPem,
  purposes?: readonly string[],
): Promise<TraversalZone> {
  const [certificate = '', key = ''] = authority.split(/(?=-----BEGIN PRIVATE KEY)/);
  const issued = await issueIdentity({ certificate, key }, name, validity, purposes);
  return { ...core, identity: { ...core.identity, certificate: issued.certificate, tlsKey: issued.key } };
}

describe('the SIP link', () => {
  it('joins pinned peers by TLS 1.3 with the post-quantum group, and hands over a quiet stream', async () => {
    const { server, links, recorder } = await startServer();
    const linked = recorder.next('link');
    const socket = await dialled(server.port);
    await linked;
    expect([socket.getProtocol(), socket.authorized, socket.isSessionReused()]).toEqual([
      'TLSv1.3',
      true,
      false,
    ]);
    links[0]?.write('\r\n');
    expect(String((await once(socket, 'data'))[0])).toBe('\r\n');
    socket.write('REGISTER');
    expect(String((await once(links[0]!, 'data'))[0])).toBe('REGISTER');
  });

  it('negotiates the classic group with a peer that has no other, and nothing older', async () => {
    const { server, recorder } = await startServer();
    const offer = async (change: ConnectionOptions): Promise<string> => {
      const socket = connect({
        ...tlsContext(core),
        host: '127.0.0.1',
        port: server.port,
        rejectUnauthorized: false,
        ...change,
      });
      const outcome = await new Promise<string>((resolve) => {
        socket.on('error', () => resolve('refused'));
        socket.once('data', (line: Buffer) => resolve(line.toString().trim()));
      });
      socket.destroy();
      return outcome;
    };
    expect(await offer({ ecdhCurve: 'X25519MLKEM768' })).toBe('VIADUCT/1 ok');
    expect(await offer({ ecdhCurve: 'X25519' })).toBe('VIADUCT/1 ok');
    expect(await offer({ ecdhCurve: 'P-521' })).toBe('refused');
    expect(await offer({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })).toBe('refused');
    expect(recorder.counts.get('sip-link-refused handshake')).toBe(2);
  });

  it('keeps one connection per core: the newest', async () => {
    const { server, recorder, links } = await startServer();
    const first = await dialled(server.port);
    const closed = once(first, 'close');
    const second = await dialled(server.port);
    await closed;
    expect(recorder.seen).not.toContain(`gone ${CORE}`);
    const gone = recorder.next('gone');
    second.destroy();
    await gone;
    expect(links).toHaveLength(2);
  });
});

describe('edge refuses a core', () => {
  const cases: [string, () => Promise<TraversalZone>, RegExp, RegExp][] = [
    [
      'of another name',
      () => coreWith('core.other'),
      /^certificate name wrong: wanted core\.inside, peer has core\.other$/,
      /edge refuses the link: its zone file does not list the name/,
    ],
    [
      'of the name of the edge itself',
      () => coreWith(EDGE),
      /^certificate name wrong: wanted core\.inside, peer has edge\.example\.com$/,
      /does not list the name/,
    ],
    [
      'of another authority',
      async () => {
        const rogue = await createAuthority('Viaduct zone inside', YEAR);
        return coreWith(CORE, YEAR, rogue.certificate + rogue.key);
      },
      /^peer's certificate is not signed by this pair's authority$/,
      /not signed by its pair's authority/,
    ],
    [
      'whose certificate has expired',
      () => coreWith(CORE, { from: Date.now() - 10 * DAY_MS, days: 3 }),
      /^peer's certificate expired on \d{4}-\d\d-\d\d/,
      /our certificate has expired/,
    ],
    [
      'whose certificate is not valid yet',
      () => coreWith(CORE, { from: Date.now() + DAY_MS, days: 3 }),
      /^peer's certificate is not valid before .* \(clock differs\?\)$/,
      /not valid yet by its clock/,
    ],
    [
      'whose certificate is for TLS servers only (T-143)',
      () => coreWith(CORE, YEAR, pair.authorityPem, ['1.3.6.1.5.5.7.3.1']),
      /^peer's certificate may not be used for both TLS server and client \(extended key usage\)/,
      /may not be used as TLS client/,
    ],
  ];
  it.each(cases)('%s', async (_name, zone, atEdge, atCore) => {
    const { server, words, recorder, links } = await startServer();
    await expect(dialled(server.port, { zone: await zone() })).rejects.toMatchObject({
      code: 'identity',
      message: expect.stringMatching(atCore),
    });
    expect(words).toEqual([expect.stringMatching(atEdge)]);
    expect([...recorder.counts.keys()]).toEqual([expect.stringMatching(/^sip-link-refused /)]);
    expect(links).toEqual([]);
  });

  it('without a certificate', async () => {
    const { server, words } = await startServer();
    const socket = connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
    socket.on('error', () => undefined);
    expect(String((await once(socket, 'data'))[0])).toBe('VIADUCT/1 refused certificate\n');
    socket.destroy();
    expect(words).toEqual(['peer showed no certificate']);
  });

  it('that speaks no TLS', async () => {
    const { server, recorder } = await startServer();
    const socket = connectTcp(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end('OPTIONS sip:edge SIP/2.0\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    expect(recorder.counts.get('sip-link-refused handshake')).toBe(1);
  });

  it('that stalls its handshake, and counts it against its place until then (T-142)', async () => {
    const admission = new Admission({ ...WIDE, maxPendingPerAddress: 1 }, systemClock);
    const { server, recorder } = await startServer({ admission, handshakeTimeoutMs: 50 });
    const stalling = connectTcp(server.port, '127.0.0.1');
    stalling.on('error', () => undefined);
    stalling.resume();
    await once(stalling, 'connect');
    const second = connectTcp(server.port, '127.0.0.1');
    second.on('error', () => undefined);
    second.resume();
    await once(second, 'close');
    expect(recorder.counts.get('sip-link-refused pending-address')).toBe(1);
    await once(stalling, 'close');
    const linked = recorder.next('link');
    await dialled(server.port);
    await linked;
    expect(admission.pending).toBe(0);
  });
});

describe('core refuses an edge', () => {
  it('of another name', async () => {
    const { server } = await startServer();
    await expect(dialled(server.port, { edgeName: 'edge2.example.com' })).rejects.toMatchObject({
      code: 'identity',
      message: 'certificate name wrong: wanted edge2.example.com, peer has edge.example.com',
    });
  });

  it('that is a core of the same zone', async () => {
    const { server } = await startServer({ zone: core });
    await expect(dialled(server.port)).rejects.toMatchObject({
      message: expect.stringContaining('peer has core.inside'),
    });
  });

  it('of another authority', async () => {
    const { server } = await startServer({ zone: zoneOf(await pairForTest(), EDGE) });
    await expect(dialled(server.port)).rejects.toMatchObject({
      message: "peer's certificate is not signed by this pair's authority",
    });
  });

  const impostors: [string, (line: string) => void | string, RegExp][] = [
    ['that says something else', () => 'SIP/2.0 200 OK\r\n', /does not speak our link protocol/],
    ['that says nothing but much', () => 'x'.repeat(100), /does not speak our link protocol/],
    ['that hangs up', () => undefined, /closed the link before/],
  ];
  it.each(impostors)('%s', async (_name, say, words) => {
    const server = createServer(
      { ...tlsContext(edge), requestCert: true, rejectUnauthorized: false },
      (socket) => {
        socket.on('error', () => undefined);
        const line = say('');
        if (line === undefined) socket.destroy();
        else socket.write(line);
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    await expect(dialled((server.address() as AddressInfo).port)).rejects.toThrow(words);
  });

  it.each([
    ['that speaks no TLS', 'SSH-2.0-OpenSSH_9.9\r\n', /does not speak TLS/],
    ['that says nothing', '', /no TLS handshake within 0\.05 s/],
  ])('%s', async (_name, greeting, words) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
      socket.write(greeting);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    await expect(dialled(port, { handshakeTimeoutMs: 50 })).rejects.toThrow(words);
  });
});
