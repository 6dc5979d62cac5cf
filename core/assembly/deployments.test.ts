// Deployments (partitions): as many as wanted, a domain and a node in exactly one, and what belongs to one opens nothing in
// another, at every door.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  compileAllowList,
  createKeyRing,
  createSignInGuard,
  createTokens,
  type Tokens,
} from '../../auth/index.ts';
import { createTestIssuer, issueToken } from '../../auth/oauth/test-issuer.ts';
import { openDoors } from '../../auth/test-doors.ts';
import { ConfigError, loadCore } from '../../config/index.ts';
import { parseMessage, type SipRequest } from '../../sip/index.ts';
import { createPair } from '../../zones/index.ts';
import { SignInPolicy } from '../xmpp/sign-in-policy.ts';
import type { SipNode } from '../sip/node-directory.ts';
import { judgeToken } from '../sip/register-token.ts';
import { deploymentsOf, ownRules } from './allow-list.ts';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-deployments-'));
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: 'edge.example.com', address: '10.0.1.10' }],
    cores: [{ name: 'core.inside' }],
    days: 30,
    now: Date.now(),
  });
  writeFileSync(path.join(folder, 'zone.yaml'), pair.files[1]?.yaml ?? '', { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Partition {
  readonly domain: string;
  readonly deployment?: string;
  readonly publisher: string;
  readonly nodes?: readonly string[];
}
const partition = (index: number): Partition => ({
  domain: `d${index}.example.com`,
  deployment: `part ${index}`,
  publisher: `ucm${index}.example.com`,
});

function load(partitions: readonly Partition[], more: object = {}) {
  const file = path.join(folder, 'core.yaml');
  const config = {
    core: { name: 'core.inside' },
    zones: ['zone.yaml'],
    domains: partitions.map(({ domain, deployment }) => ({ name: domain, deployment })),
    'unified-cm': partitions.map(({ publisher, deployment, nodes = [] }) => ({
      publisher,
      deployment,
      'static-nodes': nodes.map((name) => ({ name, kind: 'unity' })),
    })),
    sip: { address: '10.0.2.10' },
    ...more,
  };
  writeFileSync(file, JSON.stringify(config));
  try {
    return loadCore(file);
  } catch (error) {
    if (error instanceof ConfigError) return error.diagnostics.map(({ message }) => message).join('\n');
    throw error;
  }
}

describe('a core file', () => {
  test('may have a dozen and more', () => {
    const config = load(Array.from({ length: 14 }, (_v, index) => partition(index)));
    if (typeof config === 'string') throw new Error(config);
    expect(deploymentsOf(config)).toHaveLength(14);
  });

  test('has one that cannot be removed: what names none is in it', () => {
    const config = load([{ domain: 'example.com', publisher: 'ucm.example.com' }]);
    if (typeof config === 'string') throw new Error(config);
    expect(config.domains[0]?.deployment).toBe('default');
    expect(deploymentsOf(config)).toEqual(['default']);
  });

  const two = [partition(1), partition(2)] as const;
  test.each([
    [
      'a domain in two',
      [two[0], { ...two[1], domain: two[0].domain }],
      /a domain is in exactly one deployment/,
    ],
    [
      'a cluster in two',
      [two[0], { ...two[1], publisher: two[0].publisher }],
      /ucm1\.example\.com: named twice/,
    ],
    [
      'a node in two',
      [
        { ...two[0], nodes: ['cuc'] },
        { ...two[1], nodes: ['CUC'] },
      ],
      /cuc: named twice/,
    ],
    [
      'a publisher as a node of another',
      [two[0], { ...two[1], nodes: [two[0].publisher] }],
      /ucm1\.example\.com: named twice/,
    ],
    ['one of its own is no mistake', [two[0]], undefined],
  ])('%s', (_name, partitions, wanted) => {
    const loaded = load(partitions);
    if (wanted === undefined) expect(typeof loaded).toBe('object');
    else expect(loaded).toMatch(wanted);
  });

  test('a rule for a deployment that is not there is refused', () => {
    const rules = [{ url: 'https://x/', deployment: 'elsewhere' }];
    const config = load(two, { 'http-allow-list': { rules } });
    if (typeof config === 'string') throw new Error(config);
    expect(() => ownRules(config)).toThrow('"elsewhere" is no deployment');
  });
});

describe('what belongs to one opens nothing in another', () => {
  const issuers = { one: createTestIssuer(), two: createTestIssuer() };
  const doors = openDoors();
  const now = doors.clock.wall;
  const count = (): void => undefined;
  const fetch = (name: 'one' | 'two') => () => Promise.resolve(issuers[name].document);
  const tokens: Tokens = createTokens({
    ring: createKeyRing({
      clusters: (['one', 'two'] as const).map((name) => ({
        cluster: name,
        deployment: name,
        fetch: fetch(name),
      })),
      overlapMs: 0,
      refetchMs: 1000,
      now,
      log: { info: count, warn: count },
      count,
    }),
    revocations: doors.revocations,
    scopes: { https: [], sip: [], xmpp: [] },
    lifetimeMs: 3_600_000,
    skewMs: 60_000,
    maxTokens: 10,
    now,
    count,
  });
  const tokenOf = (name: 'one' | 'two') => issueToken(issuers[name], Math.floor(now() / 1000));

  test('a token at the web lane', async () => {
    await tokens.refreshKeys();
    const token = await tokenOf('one');
    expect(await tokens.check('one', token, 'https')).toMatchObject({ outcome: 'token' });
    expect(await tokens.check('two', token, 'https')).toMatchObject({ reason: 'token-deployment' });
  });

  test('a token at SIP: the node bound for must be of its deployment', async () => {
    const token = await tokenOf('one');
    const lines = [
      'Via: SIP/2.0/TLS h;branch=z9hG4bK1',
      'From: <sip:1@c>;tag=a',
      'To: <sip:1@c>',
      'Call-ID: c',
    ];
    const shown = `Proxy-Authorization: Bearer token="${token}"`;
    const text = [
      'REGISTER sip:c SIP/2.0',
      ...lines,
      'CSeq: 1 REGISTER',
      shown,
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n');
    const register = (): SipRequest => parseMessage(Buffer.from(text)) as SipRequest;
    const node = (deployment: string): SipNode => ({ deployment }) as SipNode;
    const judge = (shownToken: string) => tokens.check(undefined, shownToken, 'sip');
    expect(await judgeToken(register(), [node('one')], judge)).toBeUndefined();
    expect(await judgeToken(register(), [node('two')], judge)).toMatchObject({ status: 403 });
    expect(await judgeToken(register(), [node('one'), node('two')], judge)).toMatchObject({ status: 403 });
  });

  test('a token at messaging: the domain asked for says the deployment', async () => {
    const policy = new SignInPolicy({
      tokens: (deployment, token) => tokens.check(deployment, token, 'xmpp'),
      guard: doors.guard,
      deploymentOf: (domain) => domain.split('.')[0] ?? '',
      count,
    });
    const token = await tokenOf('one');
    expect(await policy.judge(token, 'one.example.com')).toEqual({ user: 'alice' });
    expect(await policy.judge(token, 'two.example.com')).not.toHaveProperty('user');
  });

  test('a session', async () => {
    const { value } = doors.sessions.mint('one', 'alice');
    expect(await doors.sessions.check('one', value)).toMatchObject({ user: 'alice' });
    expect(await doors.sessions.check('two', value)).toMatchObject({ reason: 'cookie-invalid' });
  });

  test('a confirmed password', async () => {
    const credentials = { user: 'alice', password: 'wonderland' };
    doors.cache.set(doors.cache.key('one', credentials), { user: 'alice', homeCluster: 'one' });
    expect(doors.cache.get(doors.cache.key('two', credentials))).toBeUndefined();
  });

  test('rules and nodes', () => {
    const node = (deployment: string, name: string) =>
      ({ name, aliases: [name], kinds: ['web'], cluster: deployment, deployment }) as const;
    const rule = {
      type: 'x',
      protocol: 'https',
      host: { name: 'web' },
      port: 443,
      path: '/',
      match: 'prefix',
      methods: ['GET'],
    } as const;
    const list = compileAllowList(
      [{ ...rule, deployment: 'one' }],
      [node('one', 'web'), node('two', 'web'), node('two', 'other')],
    );
    const ask = (deployment: string, host: string) =>
      list.decide({ deployment, protocol: 'https', host, port: 443, path: '/', method: 'GET' }).outcome;
    expect([ask('one', 'web'), ask('two', 'web'), ask('one', 'other')]).toEqual([
      'listed',
      'unlisted',
      'unlisted',
    ]);
  });

  test('nor does a guess in one shut anybody out of another', () => {
    const guard = createSignInGuard(doors.bans, now);
    const wrong = { outcome: 'deny', code: 401, reason: 'bad-credentials', text: '' } as const;
    for (let i = 0; i < 5; i += 1) guard.failed(wrong, 'one', 'alice', '192.0.2.1');
    expect(guard.check('one', 'alice', '192.0.2.1')).toMatchObject({ reason: 'banned' });
    expect(guard.check('two', 'alice', '192.0.2.1')).toBeUndefined();
  });
});
