// Core's door for the servers inside, on real sockets: who may pose as the server of our domains (T-086), and what goes back when
// no edge is there.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestCertificates, type TestLeaf } from '../../../xmpp/s2s/test-certificates.ts';
import { systemClock } from '../../../zones/index.ts';
import { CoreFederation } from './core-federation.ts';

const HOST = '127.0.0.1';
const LIMITS = { maxElementLength: 4096, maxDepth: 8, maxAttributes: 16, maxElements: 64 };
const open = (from: string, to = 'partner.test'): string =>
  `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0' id='theirs' from='${from}' to='${to}'>`;
const features = (inner: string): string => `${open('x')}<stream:features>${inner}</stream:features>`;
const DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'/>";
const EXTERNAL = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";
const chat = (from: string): string =>
  `<message from='${from}' to='bob@partner.test' id='m1'><body>hello</body></message>`;

let certificates: TestCertificates;
const closers: (() => void | Promise<void>)[] = [];

beforeAll(() => {
  certificates = new TestCertificates();
});
afterAll(() => certificates.remove());
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

type Script = readonly (readonly [RegExp, string])[];

/** The server of our domain: STARTTLS, then to what it hears, once each, the answer. */
async function node(leaf: TestLeaf, script: Script): Promise<{ port: number; heard: () => string }> {
  let heard = '';
  const sockets = new Set<Socket>();
  const server = createServer((raw) => {
    sockets.add(raw);
    raw.on('error', () => undefined);
    raw.once('data', () => {
      raw.write(features("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
      raw.once('data', () => {
        raw.pause();
        raw.write("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        const secureContext = createSecureContext({ cert: leaf.chain, key: leaf.key });
        const socket = new TLSSocket(raw, { isServer: true, secureContext });
        const left = [...script];
        let said = '';
        socket.on('error', () => undefined);
        socket.on('data', (chunk: Buffer) => {
          said += chunk.toString();
          heard += chunk.toString();
          while (left[0]?.[0].test(said) === true) socket.write(left.shift()?.[1] ?? '');
        });
      });
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: portOf(server.address()), heard: () => heard };
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function core(
  nodePort: number,
): Promise<{ port: number; counted: readonly string[]; federation: CoreFederation }> {
  const counted: string[] = [];
  let ids = 0;
  const federation = new CoreFederation({
    policy: {
      domains: ['example.com'],
      mode: 'allow-list',
      partners: [{ name: 'partner.test', subdomains: false, dialback: 'off' }],
      denied: [],
    },
    domains: [
      { name: 'example.com', nodes: [{ name: 'imp.inside.test', address: HOST, trust: certificates.good }] },
    ],
    host: HOST,
    port: 0,
    nodePort,
    certificate: certificates.issue(['core.inside.test']),
    limits: {
      clear: { ...LIMITS, maxElementLength: 1024 },
      signIn: LIMITS,
      session: LIMITS,
      handshakeTimeoutMs: 4_000,
      signInTimeoutMs: 4_000,
      idleTimeoutMs: 4_000,
      writeTimeoutMs: 4_000,
      closeTimeoutMs: 50,
    },
    maxConnections: 3,
    maxPairsPerConnection: 4,
    maxQuestionsPerConnection: 4,
    edgeLimits: LIMITS,
    maxFrameBytes: 100_000,
    maxStreams: 4,
    dialTimeoutMs: 4_000,
    avoidNodeMs: 1_000,
    maxRoads: 10,
    maxWaitingBytes: 10_000,
    retryFirstMs: 1_000,
    retryMostMs: 1_000,
    idleTimeoutMs: 60_000,
    edges: () => [],
    resolve: () => Promise.resolve([]),
    newId: () => `id-${(ids += 1)}`,
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined },
    count: (event, reason) => counted.push(reason === undefined ? event : `${event} ${reason}`),
  });
  const port = await federation.listen();
  closers.push(() => federation.close('end of test'));
  return { port, counted, federation };
}

/** A host inside that dials core. */
class Dialler {
  heard = '';
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  constructor(port: number, leaf?: TestLeaf) {
    this.#socket = connectTls({
      host: HOST,
      port,
      rejectUnauthorized: false,
      ...(leaf === undefined ? {} : { cert: leaf.chain, key: leaf.key }),
    });
    this.#socket.on('error', () => undefined);
    this.#closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString();
    });
    closers.push(() => void this.#socket.destroy());
  }

  say(text: string): this {
    this.#socket.write(text);
    return this;
  }

  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.heard)) await once(this.#socket, 'data');
  }

  async gone(): Promise<string | undefined> {
    await this.#closed;
    return /<stream:error><([a-z-]+)/.exec(this.heard)?.[1];
  }
}

const answer = (type: string): Script => [
  [/<stream:stream/, features(DIALBACK)],
  [/<\/db:verify>/, `<db:verify from='example.com' to='partner.test' id='id-3' type='${type}'/>`],
];
const CLAIM = "<db:result from='example.com' to='partner.test'>their-key</db:result>";

describe('who poses as the server of our domain', () => {
  it.each([
    ['no certificate', undefined],
    ['a certificate of another authority', { authority: 'other' as const, purpose: 'clientAuth' }],
    ['a certificate that it signed itself', { authority: 'itself' as const }],
  ])('with %s is not believed (T-086)', async (_name, wishes) => {
    const { port } = await core(1);
    const impostor = new Dialler(port, wishes && certificates.issue(['example.com'], wishes));
    impostor.say(open('example.com'));
    await impostor.until(/<\/stream:features>/);
    expect(impostor.heard).not.toContain('EXTERNAL');
    impostor.say(EXTERNAL).say(chat('alice@example.com'));
    expect(await impostor.gone()).toBe('not-authorized');
  });

  it('with a key is asked back at the configured node, whose word counts', async () => {
    for (const type of ['valid', 'invalid']) {
      const inside = await node(certificates.issue(['imp.inside.test']), answer(type));
      const { port, counted } = await core(inside.port);
      const dialler = new Dialler(port).say(open('example.com') + CLAIM);
      await dialler.until(new RegExp(`<db:result from="partner.test" to="example.com" type="${type}"`));
      expect(inside.heard()).toContain(
        '<db:verify from="partner.test" to="example.com" id="id-3">their-key<',
      );
      expect(counted.includes('inside-proven dialback')).toBe(type === 'valid');
    }
  });

  it.each([
    ['another name', ['other.inside.test'], {}],
    ['another authority', ['imp.inside.test'], { authority: 'other' as const }],
  ])('is not believed when the node shows %s', async (_name, names, wishes) => {
    const inside = await node(certificates.issue(names, wishes), answer('valid'));
    const { port } = await core(inside.port);
    const dialler = new Dialler(port).say(open('example.com') + CLAIM);
    await dialler.until(/<db:result[^>]*type="error"/);
    dialler.say(chat('alice@example.com'));
    expect(await dialler.gone()).toBe('not-authorized');
    expect(inside.heard()).toBe('');
  });

  it.each([
    ['of a partner', open('partner.test'), 'policy-violation'],
    ['of nobody', open('other.test'), 'policy-violation'],
    ['that speaks to a stranger', open('example.com', 'stranger.test'), 'host-unknown'],
    ['that speaks to ourselves', open('example.com', 'example.com'), 'host-unknown'],
  ])('%s is turned away', async (_name, text, condition) => {
    const { port } = await core(1);
    expect(
      await new Dialler(port, certificates.issue(['example.com'], { purpose: 'clientAuth' }))
        .say(text)
        .gone(),
    ).toBe(condition);
  });
});

describe('our server', () => {
  it('signs in with its certificate; what no edge can take comes back to it as an error', async () => {
    const inside = await node(certificates.issue(['example.com']), [
      [/<stream:stream/, features(DIALBACK)],
      [/<\/db:result>/, "<db:result from='example.com' to='partner.test' type='valid'/>"],
    ]);
    const { port, federation } = await core(inside.port);
    const dialler = new Dialler(port, certificates.issue(['example.com'], { purpose: 'clientAuth' }));
    dialler.say(open('example.com'));
    await dialler.until(/EXTERNAL/);
    dialler.say(EXTERNAL);
    await dialler.until(/<success/);
    dialler.say(open('example.com') + chat('alice@example.com'));
    await expect
      .poll(inside.heard)
      .toMatch(
        /<message type="error" from="bob@partner.test" to="alice@example.com" id="m1">.*remote-server-timeout/,
      );
    expect(federation.status().roads).toEqual([
      { from: 'example.com', to: 'partner.test', state: 'resting' },
      { from: 'partner.test', to: 'example.com', state: 'ready' },
    ]);
  });

  it('has no more connections than there is room for', async () => {
    const { port, counted } = await core(1);
    const dialled = Array.from({ length: 3 }, () => new Dialler(port).say(open('example.com')));
    for (const one of dialled) await one.until(/features/);
    await new Dialler(port).gone();
    expect(counted).toEqual(['connection-refused connections']);
  });
});
