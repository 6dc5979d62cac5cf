import { beforeEach, describe, expect, test } from 'vitest';
import { createDecisions, type Decisions } from '../../admin/index.ts';
import { builtInRules, compileAllowList, createKeyRing, createTokens } from '../../auth/index.ts';
import { createTestIssuer, issueToken } from '../../auth/oauth/test-issuer.ts';
import { openDoors } from '../../auth/test-doors.ts';
import { deny } from '../../auth/verdict.ts';
import type { CoreConfig } from '../../config/index.ts';
import { explain, explainToken, type ExplainWorld } from './explain.ts';
import type { Step } from './explain-url.ts';

const issuer = createTestIssuer();
const id = '89f561ec-fe76-46cb-a70a-cf9e21a0c730';
const count = (): void => undefined;
const silent = { debug: count, info: count, warn: count, error: count };
const ports = { web: 8443, files: 6970, filesTls: 6972, headset: 6971, unity: [443] };

let doors: ReturnType<typeof openDoors>;
let decisions: Decisions;
let edgeSays: () => unknown;
let world: ExplainWorld;
let standing: ExplainWorld['https']['standing'];

beforeEach(() => {
  doors = openDoors();
  decisions = createDecisions(16_384, () => 0);
  edgeSays = () => ({ decisions: [] });
  standing = async () => ({ limited: undefined, revoked: false });
  const now = doors.clock.wall;
  const tokens = createTokens({
    ring: createKeyRing({
      clusters: [{ cluster: 'ucm1', deployment: 'default', fetch: async () => issuer.document }],
      overlapMs: 0,
      refetchMs: 1000,
      now,
      log: silent,
      count,
    }),
    revocations: doors.revocations,
    scopes: { https: [], sip: ['calls'], xmpp: [] },
    lifetimeMs: 3_600_000,
    skewMs: 60_000,
    maxTokens: 10,
    now,
    count,
  });
  const node = {
    name: 'ucm1',
    aliases: ['ucm1'],
    kinds: ['unified-cm'],
    cluster: 'ucm1',
    deployment: 'default',
  } as const;
  const list = compileAllowList(builtInRules('ucm1', 'default', ports), [node]);
  const config = {
    domains: [{ name: 'example.com', deployment: 'default' }],
    access: { authentication: 'ucm-ldap', authorizeByUserCredential: true, sipTokenExtraTimeToLive: 0 },
  } as unknown as CoreConfig;
  const control = {
    peer: { name: 'edge1', zone: 'z', zoneId: 1 },
    notify: count,
    request: async () => edgeSays(),
  };
  world = {
    config,
    https: {
      tokens,
      standing: (deployment, user) => standing(deployment, user),
      listTokens: async () => [{ id: 't', user: 'alice', deviceId: 'CSFALICE' }] as never,
      unifiedCm: {
        allowList: () => list,
        findUser: async (_deployment: string, user: string) =>
          user === 'alice'
            ? { kind: 'ok', account: { user, homeCluster: 'ucm1' } }
            : { kind: 'unknown-user' },
      } as unknown as ExplainWorld['https']['unifiedCm'],
    },
    registrations: (whose) => (whose === 'CSFALICE' ? [{ aor: '1001' }] : []),
    bans: doors.bans,
    decisions,
    edges: () => [{ identity: control.peer, control }],
  };
});

const ask = async (question: Record<string, string>) =>
  (await explain(world, new URLSearchParams(question))) as { steps: Step[]; edge?: object[] };
const words = ({ steps }: { steps: readonly Step[] }): string =>
  steps.map(([good, text]) => `${good ? 'yes' : 'no'} ${text}`).join('\n');

describe('a request that was', () => {
  const line = {
    trackingId: id,
    event: 'Request Rejected',
    method: 'GET',
    request: 'https://x/',
    reason: 'rate',
    detail: 'used up',
    status: 429,
  };

  test('has both halves and what to change', async () => {
    decisions.tee(silent).info(line, 'x');
    edgeSays = () => ({ decisions: [{ method: 'GET', client: '192.0.2.1', status: 429 }] });
    const told = words(await ask({ trackingId: id }));
    expect(told).toContain('edge edge1: GET from 192.0.2.1 was answered 429');
    expect(told).toMatch(
      /no core: GET https:\/\/x\/: Request Rejected \(rate\): used up.*rate-control\.logins/,
    );
  });

  test.each<[string, () => unknown, RegExp]>([
    ['edge knows nothing', () => ({ decisions: [] }), /nobody remembers it/],
    ['edge alone knows', () => ({ decisions: [{ status: 400, reason: 'syntax' }] }), /core has not seen it/],
    ['edge cannot be asked', () => Promise.reject(new Error('closed')), /nobody remembers it/],
    ['edge lies about its form', () => ({ decisions: [{ status: { deep: 1 } }] }), /nobody remembers it/],
    [
      'edge floods',
      () => ({ decisions: Array.from({ length: 99 }, () => ({ status: 1 })) }),
      /nobody remembers it/,
    ],
    ['edge writes a book', () => ({ decisions: [{ reason: 'x'.repeat(9_999) }] }), /nobody remembers it/],
  ])('%s', async (_name, says, wanted) => {
    edgeSays = says;
    expect(words(await ask({ trackingId: id }))).toMatch(wanted);
  });

  test('is named by a tracking id and nothing else', async () => {
    expect(words(await ask({ trackingId: '../../etc' }))).toContain('is a UUID');
    expect(await explain(world, new URLSearchParams())).toBeUndefined();
  });
});

describe('what would be decided now', () => {
  test('about a URL, with who asks and from where', async () => {
    const url = 'https://ucm1:8443/cucm-uds/version';
    expect((await ask({ url, user: 'alice', address: '192.0.2.1' })).steps.every(([good]) => good)).toBe(
      true,
    );
    expect(words(await ask({ url: 'https://ucm1:8443/axl/' }))).toContain('the nearest rule');
    expect(words(await ask({ url: 'no url' }))).toContain('no URL');
  });

  test('about a user who is out, limited, unknown, or of no domain', async () => {
    for (let i = 0; i < 5; i += 1)
      doors.guard.failed(deny(401, 'bad-credentials', ''), 'default', 'Alice', '192.0.2.1');
    expect(words(await ask({ user: 'alice' }))).toContain(
      'viaduct bans unblock user:default:alice@192.0.2.1',
    );
    standing = async () => ({
      limited: deny(429, 'rate', '8 sign-ins in 300 s are used up', 12),
      revoked: true,
    });
    expect(words(await ask({ user: 'alice' }))).toMatch(
      /no 8 sign-ins .* again in 12 s[\s\S]*sessions and tokens were ended/,
    );
    expect(words(await ask({ user: 'mallory' }))).toContain('no call control says unknown-user');
    expect(words(await ask({ user: 'alice', domain: 'other.test' }))).toContain("none of core's domains");
  });

  test('about a user while the store is down', async () => {
    standing = () => Promise.reject(new Error('connection refused'));
    expect(words(await ask({ user: 'alice' }))).toMatch(/no the store fails .*connection refused/);
  });

  test('about a device', async () => {
    expect(await ask({ device: 'CSFALICE' })).toMatchObject({
      registrations: [{ aor: '1001' }],
      tokens: [{ id: 't' }],
    });
    expect(words(await ask({ device: 'CSFBOB' }))).toContain('no registration names it');
  });
});

test('a token: whose it is and which doors it opens, and never the token itself', async () => {
  await world.https.tokens?.refreshKeys();
  const token = await issueToken(issuer, Math.floor(doors.clock.wall() / 1000));
  const told = await explainToken(world, token);
  expect(told).toMatchObject({ account: { user: 'alice', cluster: 'ucm1', deployment: 'default' } });
  expect(words(told as { steps: Step[] })).toMatch(
    /yes https: opens for alice[\s\S]*no sip: its access policy.*access policy/,
  );
  expect(JSON.stringify(told)).not.toContain(token.slice(0, 40));
  const forged = await explainToken(world, `${token.slice(0, -8)}AAAAAAAA`);
  expect(words(forged as { steps: Step[] })).toMatch(/^no https: its signature/);
  const off = await explainToken({ ...world, https: { ...world.https, tokens: undefined } }, token);
  expect(words(off as { steps: Step[] })).toContain('tokens with refresh are off');
});
