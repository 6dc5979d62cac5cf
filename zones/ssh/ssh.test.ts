// The SSH link on loopback sockets: who gets in, what they may do, and that no peer can make it hold memory.
import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { createRequire } from 'node:module';
import ssh2, {
  type Algorithms,
  type Client,
  type ConnectConfig,
  type IdentityCallback,
  type ParsedKey,
} from 'ssh2';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Admission } from '../admission.ts';
import { systemClock } from '../clock.ts';
import type { Pair } from '../pair/pair.ts';
import { createSshKey } from '../pair/ssh-key.ts';
import {
  CORE,
  EDGE,
  Recorder,
  pairForTest,
  sshClientOptions,
  sshServerOptions,
  zoneOf,
} from '../test-zone.ts';
import { type CoreSshLink, type SshClientOptions, connectSsh } from './client.ts';
import { HTTP_FORWARD, SSH_ALGORITHMS, SSH_IDENT } from './profile.ts';
import { type EdgeSshLink, SshServer, type SshServerOptions } from './server.ts';
import { nativeBindingLoaded } from './ssh2-internals.ts';

const require = createRequire(import.meta.url);
let pair: Pair;
beforeAll(async () => {
  pair = await pairForTest();
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startServer(change: Partial<SshServerOptions> = {}) {
  const recorder = new Recorder();
  const links: EdgeSshLink[] = [];
  const onLink = (link: EdgeSshLink): void => {
    link.control.on('data', () => undefined);
    links.push(link);
    recorder.record('link');
  };
  const server = new SshServer(sshServerOptions(zoneOf(pair, EDGE), recorder, { onLink, ...change }));
  await server.listen();
  closers.push(() => server.close());
  return { server, recorder, links };
}

const coreOptions = (port: number, change: Partial<SshClientOptions> = {}): SshClientOptions =>
  sshClientOptions(zoneOf(pair, CORE), port, change);

async function linked(change: { server?: Partial<SshServerOptions>; core?: Partial<SshClientOptions> } = {}) {
  const started = await startServer(change.server);
  const arrived = started.recorder.next('link');
  const core: CoreSshLink = await connectSsh(coreOptions(started.server.port, change.core));
  closers.push(() => core.close('test over'));
  await arrived;
  return { ...started, core, edge: started.links[0]! };
}

/** A client of our own making, to do what a core never would. */
function foreign(port: number, change: Partial<ConnectConfig> = {}): Client {
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  closers.push(() => client.destroy());
  client.connect({
    host: '127.0.0.1',
    port,
    username: CORE,
    privateKey: zoneOf(pair, CORE).identity.sshKey,
    ident: SSH_IDENT,
    algorithms: SSH_ALGORITHMS,
    authHandler: ['publickey'],
    ...change,
  });
  return client;
}

/** Unlike `once`, does not mind the errors on the way. */
function gone(client: Client): Promise<void> {
  return new Promise((resolve) => client.once('close', resolve));
}

function rawConnection(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  closers.push(() => socket.destroy());
  return socket;
}

async function echoed(channel: Duplex, bytes: Buffer): Promise<Buffer> {
  channel.write(bytes);
  const got: Buffer[] = [];
  for (let length = 0; length < bytes.length; length = got.reduce((sum, chunk) => sum + chunk.length, 0))
    got.push((await once(channel, 'data'))[0] as Buffer);
  return Buffer.concat(got);
}

describe('who gets in', () => {
  it('a core with the pinned key does', async () => {
    const { edge } = await linked();
    expect(edge.core).toBe(CORE);
    expect(nativeBindingLoaded()).toBe(true);
  });

  it('a core with another key does not, and is told what to look at', async () => {
    const { server, recorder } = await startServer();
    const stranger = createSshKey('stranger');
    await expect(connectSsh(coreOptions(server.port, { key: stranger }))).rejects.toMatchObject({
      code: 'identity',
      message: expect.stringMatching(
        /edge\.example\.com refuses our SSH key SHA256:.*zone file list core\.inside/,
      ),
    });
    expect(recorder.counts.get('ssh-refused key')).toBe(1);
  });

  it('a name the zone does not list does not', async () => {
    const { server, recorder } = await startServer();
    await expect(connectSsh(coreOptions(server.port, { coreName: 'core.other' }))).rejects.toMatchObject({
      code: 'identity',
    });
    expect(recorder.counts.get('ssh-refused name')).toBe(1);
  });

  it('an edge with another host key is not believed', async () => {
    const { server } = await startServer({ hostKey: createSshKey('stranger') });
    await expect(connectSsh(coreOptions(server.port))).rejects.toMatchObject({
      code: 'identity',
      message: expect.stringMatching(
        /^edge's SSH host key is SHA256:.*, the zone pins SHA256:.* for edge\.example\.com$/,
      ),
    });
  });

  it.each(['password', 'none', 'keyboard-interactive'] as const)('nobody does by %s', async (type) => {
    const { server, links } = await startServer();
    const client = foreign(server.port, { authHandler: [type], password: 'x', tryKeyboard: true });
    await gone(client);
    expect(links).toEqual([]);
  });

  it('nobody does who signs with a key other than the one he shows', async () => {
    const { server, recorder, links } = await startServer();
    const shown = ssh2.utils.parseKey(zoneOf(pair, CORE).identity.sshKey);
    const used = ssh2.utils.parseKey(createSshKey('stranger'));
    if (shown instanceof Error || used instanceof Error) throw new Error('keys do not parse');
    const mixed = Object.assign(Object.create(shown) as typeof shown, { sign: used.sign.bind(used) });
    const agent = new (class extends ssh2.BaseAgent<ParsedKey> {
      override getIdentities(done: IdentityCallback<ParsedKey>): void {
        done(undefined, [shown]);
      }
      override sign(
        _key: unknown,
        data: Buffer,
        _options: unknown,
        done?: (error: undefined, signature: Buffer) => void,
      ): void {
        done?.(undefined, mixed.sign(data));
      }
    })();
    await gone(foreign(server.port, { authHandler: ['agent'], agent: agent as never }));
    expect(links).toEqual([]);
    expect(recorder.counts.get('ssh-refused signature')).toBe(1);
  });

  it.each([
    ['kex', { kex: ['diffie-hellman-group14-sha256'] }],
    ['cipher', { cipher: ['aes128-ctr'] }],
    ['cipher', { cipher: ['chacha20-poly1305@openssh.com'] }],
  ] as const)('nobody does with another %s (%o)', async (_name, algorithms) => {
    const { server, links } = await startServer();
    await gone(
      foreign(server.port, { algorithms: { ...SSH_ALGORITHMS, ...algorithms } as unknown as Algorithms }),
    );
    expect(links).toEqual([]);
  });

  it('nobody does without strict key exchange, whichever side lacks it (T-140)', async () => {
    const { KexInit } = require('ssh2/lib/protocol/kex.js') as { KexInit: new (lists: object) => object };
    const side = { cipher: SSH_ALGORITHMS.cipher, mac: SSH_ALGORITHMS.hmac, compress: ['none'], lang: [] };
    const lax = new KexInit({ kex: SSH_ALGORITHMS.kex, serverHostKey: ['ssh-ed25519'], cs: side, sc: side });
    const { server, recorder, links } = await startServer();
    const client = foreign(server.port);
    (client as unknown as { _protocol: { _offer: object } })._protocol._offer = lax;
    await gone(client);
    expect(links).toEqual([]);
    expect(recorder.counts.get('ssh-refused strict-kex')).toBe(1);

    const old = new ssh2.Server({ hostKeys: [zoneOf(pair, EDGE).identity.sshKey], ident: SSH_IDENT });
    old.on('connection', (connection) => {
      connection.on('error', () => undefined);
      (connection as unknown as { _protocol: { _offer: object } })._protocol._offer = lax;
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    closers.push(() => old.close());
    const { port } = old.address() as { port: number };
    await expect(connectSsh(coreOptions(port))).rejects.toMatchObject({
      code: 'identity',
      message: expect.stringContaining('strict key exchange'),
    });
  });

  it('core does not stay with an edge that runs other software', async () => {
    const { identity } = zoneOf(pair, EDGE);
    const other = new ssh2.Server({
      hostKeys: [identity.sshKey],
      ident: 'OpenSSH_9.9',
      algorithms: SSH_ALGORITHMS,
    });
    other.on('connection', (connection) => connection.on('error', () => undefined));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    closers.push(() => other.close());
    const { port } = other.address() as { port: number };
    await expect(connectSsh(coreOptions(port))).rejects.toMatchObject({
      message: expect.stringContaining('OpenSSH_9.9'),
    });
  });
});

describe('strangers', () => {
  it.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(40)), /left|stranger|no-ssh/],
    ['a greeting and then garbage', Buffer.from(`SSH-2.0-x\r\n${'\xff'.repeat(400)}`, 'latin1'), /left/],
    ['a greeting without end', Buffer.alloc(20_000, 'SSH-2.0-'), /stranger-bytes|left/],
  ])('are dropped and counted: %s', async (_name, bytes, reason) => {
    const { server, recorder, links } = await startServer();
    const counted = recorder.next('count ssh-refused');
    const socket = rawConnection(server.port);
    socket.write(bytes);
    await once(socket, 'close');
    await counted;
    expect([...recorder.counts.keys()].join()).toMatch(reason);
    expect(links).toEqual([]);
  });

  it('may not linger', async () => {
    const { server, recorder } = await startServer({ loginGraceMs: 30 });
    await once(rawConnection(server.port), 'close');
    expect(recorder.counts.get('ssh-refused grace')).toBe(1);
  });

  it('may not linger after the login either, without a control channel', async () => {
    const { server, recorder } = await startServer({ loginGraceMs: 200 });
    await gone(foreign(server.port));
    expect(recorder.counts.get('ssh-refused grace')).toBe(1);
  });

  it('do not keep cores out: their places are few and are given back', async () => {
    const admission = new Admission(
      {
        maxPending: 2,
        maxPendingPerAddress: 2,
        perAddressPerSecond: 1000,
        perAddressBurst: 1000,
        maxAddresses: 9,
      },
      systemClock,
    );
    const { server, recorder } = await startServer({ admission, loginGraceMs: 3000 });
    const strangers = [rawConnection(server.port), rawConnection(server.port)];
    await Promise.all(strangers.map((socket) => once(socket, 'data')));
    await once(rawConnection(server.port), 'close');
    expect(recorder.counts.get('ssh-refused pending')).toBe(1);
    const left = recorder.next('count ssh-refused left');
    strangers[0]?.destroy();
    await left;
    closers.push(await connectSsh(coreOptions(server.port)).then((link) => () => link.close('test over')));
    expect(admission.pending).toBe(1); // the other stranger: a core that logged in is none
  });
});

describe('what a core may do', () => {
  const attempts: [string, (client: Client, done: (error?: Error) => void) => void][] = [
    ['a shell', (client, done) => client.shell(done)],
    ['a command', (client, done) => client.exec('id', done)],
    ['sftp', (client, done) => client.sftp(done)],
    ['another subsystem', (client, done) => client.subsys('other', done)],
    ['a connection from edge', (client, done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, done)],
    ['a local socket of edge', (client, done) => client.openssh_forwardOutStreamLocal('/run/x', done)],
    ['a listener on edge', (client, done) => client.forwardIn('0.0.0.0', 8080, done)],
    [
      'a listening socket on edge',
      (client, done) => client.openssh_forwardInStreamLocal('/run/x', (error) => done(error ?? undefined)),
    ],
    ['an agent', (client, done) => client.exec('id', { agentForward: true, agent: '/none' } as never, done)],
    ['x11', (client, done) => client.shell(false, { x11: true }, done)],
  ];
  it.each(attempts)('not: %s', async (_name, attempt) => {
    const { server } = await startServer();
    const client = foreign(server.port);
    await once(client, 'ready');
    const error = await new Promise<Error | undefined>((resolve) => attempt(client, resolve));
    expect(error).toBeInstanceOf(Error);
  });

  it('only once: the control channel and the forwarding', async () => {
    const { server, links } = await startServer();
    const client = foreign(server.port);
    await once(client, 'ready');
    const forward = () =>
      new Promise<Error | undefined>((resolve) =>
        client.forwardIn(HTTP_FORWARD.address, HTTP_FORWARD.port, resolve),
      );
    const control = () =>
      new Promise<Error | undefined>((resolve) => client.subsys('control@viaduct', resolve));
    expect(await forward()).toBeUndefined();
    expect(await forward()).toBeInstanceOf(Error);
    expect(await control()).toBeUndefined();
    expect(await control()).toBeInstanceOf(Error);
    expect(links).toHaveLength(1);
  });
});

describe('HTTP channels', () => {
  it('a thousand at once, each with its own bytes', async () => {
    const { edge, recorder } = await linked({ server: { answerTimeoutMs: 10_000 } });
    const channels = await Promise.all(Array.from({ length: 1000 }, () => edge.openHttp()));
    const texts = channels.map((_, at) => Buffer.from(`request ${at} `.repeat(20)));
    const replies = await Promise.all(channels.map((channel, at) => echoed(channel, texts[at]!)));
    expect(Buffer.concat(replies).equals(Buffer.concat(texts))).toBe(true);
    const closed = channels.map((channel) => once(channel, 'close'));
    for (const channel of channels) channel.destroy();
    await Promise.all(closed);
    expect(await echoed(await edge.openHttp(), Buffer.from('again'))).toEqual(Buffer.from('again'));
    expect(recorder.counts.size).toBe(0);
  });

  it('no more than the cap; a closed one makes room', async () => {
    const cap = {
      maxChannels: 2,
      maxReceivedBytes: 4 << 20,
      maxReceivedBytesInAll: 64 << 20,
      socketPauseBytes: 1 << 20,
    };
    const { edge, recorder } = await linked({ server: { channels: cap } });
    const first = await edge.openHttp();
    await edge.openHttp();
    await expect(edge.openHttp()).rejects.toMatchObject({ code: 'busy' });
    expect(recorder.counts.get('channel-refused cap')).toBe(1);
    const closed = once(first, 'close');
    first.destroy();
    await closed;
    expect((await edge.openHttp()).destroyed).toBe(false);
  });

  it('core refuses more than its own cap', async () => {
    const cap = {
      maxChannels: 1,
      maxReceivedBytes: 4 << 20,
      maxReceivedBytesInAll: 64 << 20,
      socketPauseBytes: 1 << 20,
    };
    const { edge } = await linked({ core: { channels: cap } });
    await edge.openHttp();
    await expect(edge.openHttp()).rejects.toMatchObject({ code: 'refused' });
  });

  it('the end at one side is the end at the other: no stale channel', async () => {
    const atCore: Duplex[] = [];
    const { edge } = await linked({
      core: { onHttp: (channel) => void atCore.push(channel.resume()) },
    });
    const channel = await edge.openHttp();
    channel.resume();
    const closed = once(channel, 'close');
    atCore[0]?.end('bye');
    await closed;
    expect(channel.destroyed).toBe(true);
  });

  it('a reader that stalls costs at most the window, and stops the writer', async () => {
    const stalled: Duplex[] = [];
    const { edge } = await linked({ core: { onHttp: (channel) => void stalled.push(channel) } });
    const channel = await edge.openHttp();
    const piece = Buffer.alloc(64 * 1024);
    let written = 0;
    while (channel.write(piece) && written < 64 << 20) written += piece.length;
    expect(written).toBeLessThan(8 << 20);
    expect(stalled[0]?.readableLength).toBeLessThanOrEqual(4 << 20);
    expect(await echoed(await otherEcho(edge), Buffer.from('x'))).toEqual(Buffer.from('x'));
    async function otherEcho(link: EdgeSshLink): Promise<Duplex> {
      const next = await link.openHttp();
      const server = stalled[1]!;
      server.on('data', (chunk: Buffer) => server.write(chunk));
      return next;
    }
  });

  it('a peer that ignores the window loses the channel, not our memory', async () => {
    const { edge, recorder } = await linked({
      core: {
        onHttp: (channel) => {
          // what a peer without windows would do: pretend edge allows a gigabyte
          (channel as unknown as { outgoing: { window: number } }).outgoing.window = 1 << 30;
          const flood = (): void => {
            while (!channel.destroyed && channel.write(Buffer.alloc(31_000)));
            if (!channel.destroyed) channel.once('drain', flood);
          };
          flood();
        },
      },
    });
    const destroyed = recorder.next('count channel-destroyed window');
    const channel = await edge.openHttp();
    await destroyed;
    expect(channel.destroyed).toBe(true);
    expect(channel.readableLength).toBeLessThan((4 << 20) + 64 * 1024);
  });

  it('many stalled readers together stay within the budget of the link', async () => {
    const budget = {
      maxChannels: 50,
      maxReceivedBytes: 4 << 20,
      maxReceivedBytesInAll: 4 << 20,
      socketPauseBytes: 1 << 20,
    };
    const { edge, recorder } = await linked({
      server: { channels: budget },
      core: { onHttp: (channel) => void channel.write(Buffer.alloc(1500 * 1024)) },
    });
    const destroyed = recorder.next('count channel-destroyed budget');
    const channels = await Promise.all(Array.from({ length: 5 }, () => edge.openHttp()));
    await destroyed;
    expect(channels.filter((channel) => channel.destroyed).length).toBeGreaterThan(0);
    expect(
      channels.reduce((sum, channel) => sum + (channel.destroyed ? 0 : channel.readableLength), 0),
    ).toBeLessThanOrEqual(4 << 20);
  });

  it('survive the death of the connection: errors and closes, no crash', async () => {
    const { edge, core } = await linked();
    const channels = await Promise.all(Array.from({ length: 20 }, () => edge.openHttp()));
    for (const channel of channels) channel.write(Buffer.alloc(100_000));
    const closed = channels.map((channel) => new Promise((done) => channel.resume().once('close', done)));
    core.close('pulled');
    await edge.closed;
    for (const channel of channels) {
      channel.write('more');
      channel.end();
      channel.destroy();
    }
    await Promise.all(closed);
    await expect(edge.openHttp()).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('rekeying', () => {
  it('under load loses nothing', async () => {
    const { edge, recorder } = await linked({ server: { rekeyBytes: 1, rekeyIntervalMs: 40 } });
    const channels = await Promise.all(Array.from({ length: 10 }, () => edge.openHttp()));
    const work = { running: true };
    const echoes = channels.map(async (channel, at) => {
      for (let round = 0; work.running; round += 1) {
        const bytes = Buffer.alloc(20_000, `${at}.${round}.`);
        if (!(await echoed(channel, bytes)).equals(bytes)) throw new Error('bytes were lost');
      }
    });
    for (let rekeys = 0; rekeys < 5; rekeys += 1) await recorder.next('count ssh-rekey');
    work.running = false;
    await Promise.all(echoes);
  });
});

describe('intrusion protection', () => {
  const watched = async (admits = true) => {
    const noted: string[] = [];
    const strangers = {
      admits: () => admits,
      misbehaved: (kind: string, address: string) => void noted.push(`${kind} ${address}`),
    };
    return { noted, ...(await startServer({ strangers })) };
  };

  it.each([
    ['another protocol', 'GET / HTTP/1.1\r\n\r\n'],
    ['lines before the identification', '\r\nSSH-2.0-x\r\n'],
    ['an old version', 'SSH-1.5-x\r\n'],
    ['no packet after it', `SSH-2.0-x\r\n${'\xff'.repeat(64)}`],
  ])('hears of what is no SSH: %s', async (_name, first) => {
    const { server, noted } = await watched();
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(first, 'latin1');
    await once(socket, 'close');
    expect(noted).toEqual(['protocol 127.0.0.1']);
  });

  it('hears of a name that no core has, and not of a core that was paired anew', async () => {
    const { server, noted } = await watched();
    for (const username of ['root', CORE]) {
      const client = new ssh2.Client();
      const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
      client.on('error', () => undefined);
      client.connect({
        host: '127.0.0.1',
        port: server.port,
        username,
        privateKey: createSshKey('stranger'),
        algorithms: SSH_ALGORITHMS,
        ident: SSH_IDENT,
      });
      await ended;
    }
    expect(noted).toEqual(['auth 127.0.0.1']);
  });

  it('shuts the door before a byte is read', async () => {
    const { server, recorder } = await watched(false);
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'close');
    expect(socket.bytesRead).toBe(0);
    expect(recorder.counts.get('ssh-refused banned')).toBe(1);
  });
});
