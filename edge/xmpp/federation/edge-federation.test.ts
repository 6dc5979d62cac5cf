// The federation door on real sockets: what partners and impostors may do, in both directions (T-081, T-085, T-086). The stream to core
// is a plain pair of streams, read by hand.
import { createServer as createTcpServer, connect as connectTcp, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  TLSSocket,
} from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type ControlChannel,
  FrameReader,
  LinkError,
  printFrame,
  systemClock,
} from '../../../zones/index.ts';
import { EdgeFederation } from './edge-federation.ts';
import type { EdgeFederationOptions } from './federation-options.ts';
import { TestCertificates, type TestLeaf } from '../../../xmpp/s2s/test-certificates.ts';

const HOST = '127.0.0.1';
const CORE = 'core.example.com';
const LIMITS = { maxElementLength: 4096, maxDepth: 8, maxAttributes: 16, maxElements: 64 };
const open = (from: string, to = 'example.com'): string =>
  `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0' id='theirs' from='${from}' to='${to}'>`;
const STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
const EXTERNAL = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";
const chat = (from: string, body = 'hello'): string =>
  `<message from='${from}' to='alice@example.com'><body>${body}</body></message>`;

let certificates: TestCertificates;
let ours: TestLeaf;
let good: TestLeaf;
const closers: (() => void | Promise<void>)[] = [];

beforeAll(() => {
  certificates = new TestCertificates();
  ours = certificates.issue(['example.com']);
  good = certificates.issue(['partner.test']);
});
afterAll(() => certificates.remove());
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Core's end of one stream: frames that came, as `type payload`. */
class CoreEnd {
  readonly frames: string[] = [];
  readonly path: string;
  readonly stream: Duplex;
  /** Edge's end, to be cut. */
  readonly cable: Duplex;
  readonly #reader = new FrameReader(1_000_000);

  constructor(path: string, stream: Duplex, cable: Duplex) {
    this.path = path;
    this.cable = cable;
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => {
      for (const { type, payload } of this.#reader.read(chunk))
        this.frames.push(`${type} ${payload.toString()}`);
    });
  }

  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.frames.find((frame) => pattern.test(frame));
      if (found !== undefined) return found;
      await once(this.stream, 'data');
    }
  }
}

interface World {
  readonly federation: EdgeFederation;
  readonly port: number;
  readonly streams: CoreEnd[];
  readonly counted: string[];
  /** What core asks of edge. */
  readonly say: (type: string, body: unknown) => unknown;
  /** Resolves when this has been counted. */
  readonly told: (event: string) => Promise<void>;
}

const POLICY = {
  domains: ['example.com'],
  mode: 'allow-list',
  partners: [
    { name: 'partner.test', subdomains: false, dialback: 'off' },
    { name: 'dialback.test', subdomains: false, dialback: 'both' },
    { name: 'keys.test', subdomains: false, dialback: 'to-partner' },
  ],
  denied: [],
};

async function door(
  changes: Partial<EdgeFederationOptions> = {},
  policy: object | 'none' = POLICY,
): Promise<World> {
  const streams: CoreEnd[] = [];
  const counted: string[] = [];
  const waiting: [string, () => void][] = [];
  const federation = new EdgeFederation({
    host: HOST,
    port: 0,
    name: 'edge.example.com',
    certificate: ours,
    authorities: certificates.good,
    dialbackSecret: 'secret',
    admits: () => true,
    onRefused: () => undefined,
    maxConnections: 20,
    maxConnectionsPerAddress: 10,
    maxHandshakes: 10,
    maxBytesPerSecond: 1_000_000,
    burstBytes: 1_000_000,
    maxPairsPerConnection: 4,
    maxQuestionsPerConnection: 4,
    maxOutgoing: 2,
    maxQuestions: 2,
    maxFrameBytes: 1_000_000,
    limits: {
      clear: { ...LIMITS, maxElementLength: 1024 },
      signIn: LIMITS,
      session: LIMITS,
      handshakeTimeoutMs: 5_000,
      signInTimeoutMs: 5_000,
      idleTimeoutMs: 5_000,
      writeTimeoutMs: 5_000,
      closeTimeoutMs: 50,
    },
    dns: { services: () => Promise.resolve([]), addresses: () => Promise.resolve([]) },
    isAllowedTarget: () => true,
    openLink: (_core, path) => {
      const [edge, core] = duplexPair();
      streams.push(new CoreEnd(path, core, edge));
      return edge;
    },
    clock: systemClock,
    newId: () => `id-${streams.length}-${counted.length}`,
    random: () => 0,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined },
    count: (event, reason) => {
      counted.push(reason === undefined ? event : `${event} ${reason}`);
      for (const [wanted, run] of waiting) if (counted.includes(wanted)) run();
    },
    ...changes,
  });
  const port = await federation.listen();
  closers.push(() => federation.close('end of test'));
  const from = { peer: { name: CORE, zone: 'z', zoneId: 1 } } as ControlChannel;
  const say = (type: string, body: unknown): unknown => federation.controlHandlers[type]?.(body, from);
  if (policy !== 'none') say('federation.policy', policy);
  const told = (event: string): Promise<void> =>
    new Promise((resolve) => {
      if (counted.includes(event)) resolve();
      else waiting.push([event, resolve]);
    });
  return { federation, port, streams, counted, say, told };
}

/** A server that dials us: what it hears, until it is told to wait for something. */
class Dialler {
  heard = '';
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString();
    });
    socket.on('error', () => undefined);
    closers.push(() => void socket.destroy());
  }

  say(text: string): this {
    this.#socket.write(text);
    return this;
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.heard)) await once(this.#socket, 'data');
  }

  /** Without a word. */
  die(): void {
    this.#socket.destroy();
  }

  async gone(): Promise<string> {
    await this.#closed;
    return this.heard;
  }
}

/** TLS from the first byte. */
async function dialler(port: number, certificate?: TestLeaf): Promise<Dialler> {
  const socket = connectTls({
    host: HOST,
    port,
    rejectUnauthorized: false,
    ALPNProtocols: ['xmpp-server'],
    ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
  });
  await once(socket, 'secureConnect');
  return new Dialler(socket);
}

const conditionIn = (text: string): string | undefined => /<stream:error><([a-z-]+)/.exec(text)?.[1];

describe('a partner with a certificate', () => {
  it.each([
    ['for servers only, as public authorities sign them', {}],
    ['for servers and clients', { purpose: 'serverAuth,clientAuth' }],
    ['for clients only', { purpose: 'clientAuth' }],
    ['below an intermediate', { authority: 'intermediate' as const }],
  ])('%s signs in, and its stanzas reach core', async (_name, wishes) => {
    const world = await door();
    const partner = await dialler(world.port, certificates.issue(['partner.test'], wishes));
    partner.say(open('partner.test'));
    await partner.until(/EXTERNAL/);
    partner.say(EXTERNAL);
    await partner.until(/<success/);
    partner.say(open('partner.test') + chat('bob@partner.test'));
    const stream = world.streams[0]!;
    expect(stream.path).toBe('/from-partner');
    await stream.until(/^elements /);
    expect(stream.frames[0]).toMatch(/^open .* to="example.com" from="partner.test"/);
    expect(stream.frames[1]).toContain('<body>hello</body>');
    expect(world.federation.status().fromPartners).toEqual(['partner.test example.com']);
    partner.say('</stream:stream>');
    await stream.until(/^close /);
    await partner.gone();
  });

  it.each([
    ['of another name', ['other.test'], {}],
    ['of its parent', ['test'], {}],
    ['of another authority', ['partner.test'], { authority: 'other' as const }],
    ['that it signed itself', ['partner.test'], { authority: 'itself' as const }],
    ['signed by a server', ['partner.test'], { authority: 'leaf' as const }],
    ['for another purpose', ['partner.test'], { purpose: 'codeSigning' }],
    ['from yesterday', ['partner.test'], { days: '-1' }],
    ['from yesterday, for clients', ['partner.test'], { days: '-1', purpose: 'clientAuth' }],
    [
      'for clients, of another authority',
      ['partner.test'],
      { authority: 'other' as const, purpose: 'clientAuth' },
    ],
  ])('%s is not believed (T-086)', async (_name, names, wishes) => {
    const world = await door();
    const impostor = await dialler(world.port, certificates.issue(names, wishes));
    impostor.say(open('partner.test'));
    await impostor.until(/<\/stream:features>/);
    expect(impostor.heard).not.toContain('EXTERNAL');
    impostor.say(EXTERNAL);
    await impostor.until(/<not-authorized/);
    impostor.say(chat('bob@partner.test'));
    expect(conditionIn(await impostor.gone())).toBe('not-authorized');
    expect(world.streams).toEqual([]);
  });
});

describe('an impostor', () => {
  it.each([
    [
      'without a certificate',
      undefined,
      [open('partner.test'), EXTERNAL, chat('bob@partner.test')],
      'not-authorized',
    ],
    ['that is no partner', 'good', [open('stranger.test')], 'policy-violation'],
    ['that wants another domain', 'good', [open('partner.test', 'third.test')], 'host-unknown'],
    ['that is us', 'good', [open('example.com')], 'policy-violation'],
  ])('%s', async (_name, certificate, says, condition) => {
    const world = await door();
    const impostor = await dialler(world.port, certificate === undefined ? undefined : good);
    for (const text of says) impostor.say(text);
    expect(conditionIn(await impostor.gone())).toBe(condition);
    expect(world.streams).toEqual([]);
  });

  it.each([
    ['speaks in our name', chat('alice@example.com'), 'invalid-from'],
    ['speaks for another partner', chat('bob@dialback.test'), 'invalid-from'],
    [
      'sends a stanza without end',
      `<message from='a@partner.test' to='b@example.com'>${'x'.repeat(5000)}`,
      'policy-violation',
    ],
    ['nests without end', '<a>'.repeat(20), 'policy-violation'],
    ['declares a document type', '<!DOCTYPE x>', 'not-well-formed'],
    ['sends a comment', '<!-- x -->', 'restricted-xml'],
  ])('%s after it has proven its domain (T-086)', async (_name, text, condition) => {
    const world = await door();
    const partner = await dialler(world.port, good);
    partner.say(open('partner.test'));
    await partner.until(/EXTERNAL/);
    partner.say(EXTERNAL);
    await partner.until(/<success/);
    partner.say(open('partner.test') + text);
    expect(conditionIn(await partner.gone())).toBe(condition);
    expect(world.streams[0]?.frames.filter((frame) => frame.startsWith('elements'))).toEqual([]);
  });

  it.each([
    ['speaks without TLS (T-085)', [open('partner.test'), chat('bob@partner.test')], 'policy-violation'],
    [
      'claims by dialback without TLS (T-085)',
      [open('dialback.test'), "<db:result from='dialback.test' to='example.com'>k</db:result>"],
      'policy-violation',
    ],
    ['sends a header without end (T-080)', [open('x'.repeat(2000))], 'policy-violation'],
    ['speaks HTTP', ['GET / HTTP/1.1\r\n\r\n'], 'not-well-formed'],
    ['is a client', [open('partner.test').replace('jabber:server', 'jabber:client')], 'invalid-namespace'],
  ])('%s', async (_name, says, condition) => {
    const world = await door();
    const socket = new Dialler(connectTcp({ host: HOST, port: world.port }));
    for (const text of says) socket.say(text);
    expect(conditionIn(await socket.gone())).toBe(condition);
  });

  it('that sends stanzas behind starttls in the clear is cut off without a word', async () => {
    const world = await door();
    const socket = new Dialler(connectTcp({ host: HOST, port: world.port }));
    socket.say(open('partner.test') + STARTTLS + chat('bob@partner.test'));
    await socket.gone();
    expect(world.streams).toEqual([]);
  });

  it('that shows a forged key, or asks too often, is told so and cut off', async () => {
    const world = await door();
    const asker = await dialler(world.port);
    asker.say(open('keys.test'));
    for (let n = 0; n < 5; n += 1)
      asker.say(`<db:verify from='keys.test' to='example.com' id='x'>${'0'.repeat(64)}</db:verify>`);
    const heard = await asker.gone();
    expect(heard.match(/type="invalid"/g)).toHaveLength(4);
    expect(conditionIn(heard)).toBe('policy-violation');
    expect(world.counted).toContain('key-forged');
  });
});

describe('a partner that is in', () => {
  async function signedIn(world: World): Promise<Dialler> {
    const partner = await dialler(world.port, good);
    partner.say(open('partner.test'));
    await partner.until(/EXTERNAL/);
    partner.say(EXTERNAL);
    await partner.until(/<success/);
    return partner.say(open('partner.test'));
  }

  it('is left unread while core does not read, and nothing is lost or out of order', async () => {
    const world = await door();
    const partner = await signedIn(world);
    const stream = world.streams[0]!;
    stream.stream.pause();
    const total = 2_000;
    for (let n = 0; n < total; n += 1) partner.say(chat('bob@partner.test', `${n} ${'x'.repeat(2_000)}`));
    await expect.poll(() => stream.cable.writableNeedDrain).toBe(true);
    const held = stream.cable.writableLength;
    expect(held).toBeLessThan(500_000);
    stream.stream.resume();
    await stream.until(new RegExp(`<body>${total - 1} `));
    const numbers = [...stream.frames.join('').matchAll(/<body>(\d+) /g)].map(([, n]) => Number(n));
    expect(numbers).toEqual(Array.from({ length: total }, (_, n) => n));
  });

  it('is left unread above its rate, for as long as it is ahead', async () => {
    const waits: number[] = [];
    const after = (ms: number, run: () => void): (() => void) => {
      waits.push(ms);
      return systemClock.after(ms, run);
    };
    const world = await door({
      maxBytesPerSecond: 1_000_000,
      burstBytes: 1_000,
      clock: { ...systemClock, after },
    });
    const partner = await signedIn(world);
    for (let n = 0; n < 200; n += 1) partner.say(chat('bob@partner.test', `${n} ${'x'.repeat(1_000)}`));
    await world.streams[0]?.until(/<body>199 /);
    const deadlines = [5_000, 50];
    expect(waits.filter((ms) => !deadlines.includes(ms)).length).toBeGreaterThan(0);
  });

  it('that dies in the middle of a stanza has sent nothing of it', async () => {
    const world = await door();
    const partner = await signedIn(world);
    partner.say(chat('bob@partner.test', 'whole') + chat('bob@partner.test', 'half').slice(0, -10));
    const stream = world.streams[0]!;
    await stream.until(/whole/);
    partner.die();
    await stream.until(/^close /);
    expect(stream.frames.join('')).not.toContain('half');
  });
});

describe('the door', () => {
  it('turns away who is banned, and who opens too many connections', async () => {
    const banned = await door({ admits: () => false });
    await new Dialler(connectTcp({ host: HOST, port: banned.port })).gone();
    expect(banned.counted).toEqual(['connection-refused banned']);
    const small = await door({ maxConnectionsPerAddress: 2 });
    const first = [await dialler(small.port), await dialler(small.port)];
    await new Dialler(connectTcp({ host: HOST, port: small.port })).gone();
    expect(small.counted).toEqual(['connection-refused connections-per-address']);
    expect(first).toHaveLength(2);
  });

  it.each([
    ['says nothing', 'handshakeTimeoutMs', 'handshake-timeout', false],
    ['proves nothing', 'signInTimeoutMs', 'sign-in-timeout', true],
  ] as const)('gives up on who %s', async (_name, limit, counted, isSecured) => {
    const world = await door();
    const impatient = await door({
      limits: {
        clear: LIMITS,
        signIn: LIMITS,
        session: LIMITS,
        handshakeTimeoutMs: 5_000,
        signInTimeoutMs: 5_000,
        idleTimeoutMs: 5_000,
        writeTimeoutMs: 5_000,
        closeTimeoutMs: 50,
        [limit]: 300,
      },
    });
    const silent = isSecured
      ? await dialler(impatient.port)
      : new Dialler(connectTcp({ host: HOST, port: impatient.port }));
    await silent.gone();
    expect(impatient.counted).toContain(counted);
    expect(world.counted).toEqual([]);
  });

  it('keeps nothing of 200 strangers (T-081)', async () => {
    const world = await door({ maxConnectionsPerAddress: 20 });
    for (let round = 0; round < 20; round += 1) {
      const strangers = Array.from(
        { length: 10 },
        () => new Dialler(connectTcp({ host: HOST, port: world.port })),
      );
      for (const stranger of strangers) stranger.say(`${open('partner.test')}<a/>`);
      await Promise.all(strangers.map((stranger) => stranger.gone()));
    }
    await expect
      .poll(() => world.federation.status())
      .toEqual({ connections: 0, fromPartners: [], toPartners: [], questions: 0, notInCertificate: [] });
    expect(world.streams).toEqual([]);
  });

  it('says come again while no core is there, and when its link breaks', async () => {
    const alone = await door({}, 'none');
    const early = await dialler(alone.port, good);
    early.say(open('partner.test'));
    expect(conditionIn(await early.gone())).toBe('remote-connection-failed');
    const world = await door();
    const partner = await dialler(world.port, good);
    partner.say(open('partner.test'));
    await partner.until(/EXTERNAL/);
    partner.say(EXTERNAL);
    await partner.until(/<success/);
    world.streams[0]?.cable.destroy();
    expect(conditionIn(await partner.gone())).toBe('remote-connection-failed');
    const unlinked = await door({
      openLink: () => {
        throw new LinkError('closed', 'gone');
      },
    });
    const late = await dialler(unlinked.port, good);
    late.say(open('partner.test'));
    await late.until(/EXTERNAL/);
    late.say(EXTERNAL);
    expect(conditionIn(await late.gone())).toBe('remote-connection-failed');
  });

  it('says which domains of ours its certificate does not name', async () => {
    const warned: object[] = [];
    const log = {
      info: () => undefined,
      warn: (fields: object) => warned.push(fields),
      error: () => undefined,
      debug: () => undefined,
    };
    const world = await door({ log }, { ...POLICY, domains: ['example.com', 'chat.example.com'] });
    expect(world.federation.status().notInCertificate).toEqual(['chat.example.com']);
    expect(warned).toEqual([{ domains: ['chat.example.com'] }]);
  });

  it('forgets the policy of a core that is gone', async () => {
    const world = await door();
    world.federation.peerDown(CORE);
    const partner = await dialler(world.port, good);
    partner.say(open('partner.test'));
    expect(conditionIn(await partner.gone())).toBe('remote-connection-failed');
  });
});

describe('towards a partner', () => {
  const ID = 'a'.repeat(22);

  /** A partner's server that speaks by script: after TLS, to each text that fits, the answer. */
  async function partnerServer(
    leaf: TestLeaf | undefined,
    answers: readonly (readonly [RegExp, string])[],
  ): Promise<{ port: number; heard: () => string }> {
    let heard = '';
    const answer = (socket: Socket): void => {
      const left = [...answers];
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString();
        while (left[0]?.[0].test(heard) === true) socket.write(left.shift()?.[1] ?? '');
      });
    };
    const sockets = new Set<Socket>();
    const server: Server = createTcpServer((raw) => {
      sockets.add(raw);
      raw.on('error', () => undefined);
      if (leaf === undefined) return answer(raw);
      raw.once('data', () => {
        raw.pause();
        raw.write(`${open('partner.test')}<stream:features>${STARTTLS}</stream:features>`);
        raw.once('data', () => {
          raw.pause();
          raw.write("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
          const secureContext = createSecureContext({ cert: leaf.chain, key: leaf.key });
          answer(
            new TLSSocket(raw, {
              isServer: true,
              secureContext,
              requestCert: true,
              rejectUnauthorized: false,
            }),
          );
        });
        raw.resume();
      });
    });
    server.listen(0, HOST);
    await once(server, 'listening');
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const bound = server.address();
    return { port: typeof bound === 'object' && bound !== null ? bound.port : 0, heard: () => heard };
  }

  async function dialled(
    to: string,
    leaf: TestLeaf | undefined,
    answers: readonly (readonly [RegExp, string])[],
    changes: Partial<EdgeFederationOptions> = {},
  ) {
    const server = await partnerServer(leaf, answers);
    const world = await door({
      dns: {
        services: (name) =>
          Promise.resolve(
            name.startsWith('_xmpp-server')
              ? [{ host: 'chat', port: server.port, priority: 0, weight: 0 }]
              : [],
          ),
        addresses: () => Promise.resolve([HOST]),
      },
      ...changes,
    });
    world.say('federation.dial', { id: ID, from: 'example.com', to });
    return { world, server, stream: world.streams[0]! };
  }

  const features = (inner: string): string => `${open('x')}<stream:features>${inner}</stream:features>`;
  const MECHANISM =
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
  const DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'/>";

  it('signs in with our certificate, and carries what core writes', async () => {
    const { world, server, stream } = await dialled('partner.test', good, [
      [/<stream:stream/, features(MECHANISM)],
      [/<auth/, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"],
      [/<auth[^]*<stream:stream/, features('')],
      [/<message/, '</stream:stream>'],
    ]);
    expect(stream.path).toBe(`/to-partner/${ID}`);
    await stream.until(/^open /);
    expect(world.federation.status().toPartners).toEqual(['example.com partner.test']);
    stream.stream.write(printFrame('write', "<message from='a@example.com' to='b@partner.test'/>"));
    await stream.until(/^close closed/);
    expect(server.heard()).toContain("<message from='a@example.com' to='b@partner.test'/>");
    expect(world.federation.status().toPartners).toEqual([]);
  });

  it('speaks TLS from the first byte where DNS says so (XEP-0368)', async () => {
    let heard = '';
    const server = createTlsServer(
      { cert: good.chain, key: good.key, ALPNProtocols: ['xmpp-server'] },
      (socket) => {
        socket.on('error', () => undefined);
        socket.on('data', (chunk: Buffer) => {
          heard += `${String(socket.alpnProtocol)} ${chunk.toString()}`;
        });
      },
    );
    server.listen(0, HOST);
    await once(server, 'listening');
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const world = await door({
      dns: {
        services: (name) =>
          Promise.resolve(
            name.startsWith('_xmpps-server') ? [{ host: 'chat', port, priority: 0, weight: 0 }] : [],
          ),
        addresses: () => Promise.resolve([HOST]),
      },
    });
    closers.push(() => void server.close());
    world.say('federation.dial', { id: ID, from: 'example.com', to: 'partner.test' });
    await expect.poll(() => heard).toMatch(/^xmpp-server .*to="partner.test" from="example.com"/);
  });

  it('shows a key where the operator allows it, which our door then knows', async () => {
    const leaf = certificates.issue(['keys.test']);
    const { world, server, stream } = await dialled('keys.test', leaf, [
      [/<stream:stream/, features(DIALBACK)],
      [/<\/db:result>/, "<db:result from='keys.test' to='example.com' type='valid'/>"],
    ]);
    await stream.until(/^open /);
    const key = /<db:result[^>]*>([0-9a-f]{64})</.exec(server.heard())?.[1] ?? '';
    const asker = await dialler(world.port);
    asker.say(
      `${open('keys.test')}<db:verify from='keys.test' to='example.com' id='theirs'>${key}</db:verify>`,
    );
    await asker.until(/type="valid"/);
  });

  it.each<[string, string, () => TestLeaf | undefined, readonly (readonly [RegExp, string])[], string]>([
    ['offers no TLS', 'partner.test', () => undefined, [[/<stream:stream/, features(DIALBACK)]], 'no-tls'],
    ['shows another name', 'partner.test', () => certificates.issue(['other.test']), [], 'certificate'],
    [
      'shows another authority',
      'partner.test',
      () => certificates.issue(['partner.test'], { authority: 'other' }),
      [],
      'certificate',
    ],
    [
      'shows a bad certificate where only our key may be shown',
      'keys.test',
      () => certificates.issue(['keys.test'], { authority: 'other' }),
      [],
      'certificate',
    ],
    [
      'wants a key where none may be shown',
      'partner.test',
      () => good,
      [[/<stream:stream/, features(DIALBACK)]],
      'not-believed',
    ],
    [
      'knows no such domain',
      'partner.test',
      () => good,
      [
        [
          /<stream:stream/,
          `${open('x')}<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
        ],
      ],
      'refused',
    ],
    ['speaks nonsense', 'partner.test', () => good, [[/<stream:stream/, 'nonsense']], 'protocol'],
  ])('that %s: core is told, nothing is sent (T-085, T-086)', async (_name, to, leaf, answers, reason) => {
    const { server, stream } = await dialled(to, leaf(), answers);
    expect(await stream.until(/^close /)).toBe(`close ${reason}`);
    expect(server.heard()).not.toContain('<message');
    if (reason === 'certificate') expect(server.heard()).toBe('');
  });

  it('that DNS puts inside is not dialled (T-086)', async () => {
    const { world, server, stream } = await dialled('partner.test', good, [], {
      isAllowedTarget: () => false,
    });
    expect(await stream.until(/^close /)).toBe('close refused');
    expect(world.counted).toContain('target-refused');
    expect(server.heard()).toBe('');
  });

  it('is dialled for a pair of the policy only, and no more often than there is room', async () => {
    const world = await door({
      dns: { services: () => new Promise(() => undefined), addresses: () => Promise.resolve([]) },
    });
    const dial = (from: string, to: string): unknown => world.say('federation.dial', { id: ID, from, to });
    expect(() => dial('example.com', 'stranger.test')).toThrow('do not federate');
    expect(() => dial('third.test', 'partner.test')).toThrow('do not federate');
    expect(() =>
      world.say('federation.dial', { id: '../x', from: 'example.com', to: 'partner.test' }),
    ).toThrow();
    dial('example.com', 'partner.test');
    dial('example.com', 'keys.test');
    expect(() => dial('example.com', 'dialback.test')).toThrow('too many');
  });

  it('who claims a domain by dialback is asked back at its server, over TLS', async () => {
    const answer = "<db:verify from='dialback.test' to='example.com' id='ID' type='valid'/>";
    for (const type of ['valid', 'invalid']) {
      const leaf = certificates.issue(['anything.test'], { authority: 'itself' });
      const world = await dialled(
        'dialback.test',
        leaf,
        [
          [/<stream:stream/, features(DIALBACK)],
          [
            /<\/db:verify>/,
            answer.replace('ID', 'id-1-0').replace('valid"', `${type}"`).replace("'valid'", `'${type}'`),
          ],
        ],
        { newId: () => 'id-1-0' },
      );
      const claimant = await dialler(world.world.port);
      claimant.say(
        `${open('dialback.test')}<db:result from='dialback.test' to='example.com'>the-key</db:result>`,
      );
      await claimant.until(new RegExp(`<db:result from="example.com" to="dialback.test" type="${type}"`));
      expect(world.server.heard()).toContain(
        '<db:verify from="example.com" to="dialback.test" id="id-1-0">the-key<',
      );
      claimant.say(chat('bob@dialback.test'));
      if (type === 'invalid') expect(conditionIn(await claimant.gone())).toBe('not-authorized');
      else await world.world.streams.at(-1)?.until(/^elements .*hello/);
    }
  });
});
