// `npm run bench -- auth`: decisions of access control at core, in one thread. Tokens beside `jose` on the same tokens in
// the same run, alternating; the allow list with 10 to 10,000 rules; what bans and counters cost in memory.
import { createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto';
import { compactDecrypt, compactVerify } from 'jose';
import {
  type BanList,
  compileAllowList,
  createBanList,
  createKeyRing,
  createSharedCounters,
  createTokens,
  keepBans,
  nodesOfRules,
  readOwnRule,
  type Tokens,
} from '../../auth/index.ts';
import { createTestIssuer, issueToken } from '../../auth/oauth/test-issuer.ts';
import { createMemoryStore, type Store, systemClock } from '../../zones/index.ts';

const rounds = 5;
const newTokens = 2_000;
const repeats = 300_000;
const listDecisions = 300_000;
const issuer = createTestIssuer();

function openTokens(): Tokens {
  const silent = { info: () => undefined, warn: () => undefined };
  const count = (): void => undefined;
  const ring = createKeyRing({
    clusters: [{ cluster: 'c1', deployment: 'd', fetch: () => Promise.resolve(issuer.document) }],
    overlapMs: 0,
    refetchMs: 1000,
    now: Date.now,
    log: silent,
    count,
  });
  return createTokens({
    ring,
    revocations: { isRevoked: () => false, revoke: () => Promise.resolve() },
    scopes: { https: ['UnifiedCommunications:readwrite'], sip: [], xmpp: [] },
    lifetimeMs: 3_600_000,
    skewMs: 60_000,
    maxTokens: 50_000,
    now: Date.now,
    count,
  });
}

/** Of CPU time, all threads: what one core would do if it did nothing else. */
const cpuMicroseconds = (begin: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(begin);
  return user + system;
};

const perSecond = (count: number, work: () => void): number => {
  const begin = process.cpuUsage();
  work();
  return (count * 1e6) / cpuMicroseconds(begin);
};

const perSecondLater = async (count: number, work: () => Promise<void>): Promise<number> => {
  const begin = process.cpuUsage();
  await work();
  return (count * 1e6) / cpuMicroseconds(begin);
};

function admit(tokens: Tokens, token: string): void {
  const result = tokens.check('d', token, 'https');
  if (result instanceof Promise || result.outcome !== 'token') throw new Error('a good token was refused');
}

async function judgeWithJose(made: readonly string[]): Promise<void> {
  const { keys } = JSON.parse(issuer.document) as { keys: JsonWebKey[] };
  const signing = createPublicKey({ format: 'jwk', key: keys[0] ?? {} });
  const secret = createSecretKey(Buffer.from(keys[1]?.['k'] ?? '', 'base64url'));
  for (const token of made) {
    const outer = await compactVerify(token, signing, { algorithms: ['RS256'] });
    const { private: inner } = JSON.parse(Buffer.from(outer.payload).toString()) as { private: string };
    const opened = await compactDecrypt(inner, secret);
    JSON.parse(Buffer.from(opened.plaintext).toString());
  }
}

async function measureTokens(table: Row[]): Promise<Record<string, number>> {
  const now = Math.floor(Date.now() / 1000);
  const made = await Promise.all(Array.from({ length: newTokens }, () => issueToken(issuer, now)));
  const first: number[] = [];
  const again: number[] = [];
  const jose: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const tokens = openTokens();
    await tokens.refreshKeys();
    first.push(perSecond(newTokens, () => made.forEach((token) => admit(tokens, token))));
    // As a request brings it: a string of its own each time, so that no hash of it is remembered.
    const [wire = Buffer.alloc(0)] = made.map((token) => Buffer.from(token, 'latin1'));
    again.push(
      perSecond(repeats, () => {
        for (let i = 0; i < repeats; i += 1) admit(tokens, wire.toString('latin1'));
      }),
    );
    jose.push(await perSecondLater(newTokens, () => judgeWithJose(made)));
  }
  table.push(['new tokens/s', first], ['the same tokens/s with jose', jose], ['a repeated token/s', again]);
  return {
    'new tokens vs jose': median(first) / median(jose),
    'repeated vs new': median(again) / median(first),
  };
}

function measureList(table: Row[]): Record<string, number> {
  const nanoseconds: number[] = [];
  for (const size of [10, 1000, 10_000]) {
    const rules = Array.from({ length: size }, (_, index) =>
      readOwnRule(
        {
          url: `https://web${index % 50}/part${index}/x/`,
          deployment: 'd',
          methods: 'GET',
          match: 'prefix',
          description: '',
        },
        { deployments: ['d'], methods: ['GET'], match: 'exact' },
      ),
    );
    const list = compileAllowList(rules, nodesOfRules(rules, ['d']));
    const requests = Array.from({ length: 100 }, (_, index) => ({
      deployment: 'd',
      protocol: 'https' as const,
      host: `web${(index * 7) % Math.min(size, 50)}`,
      port: 443,
      path: `/part${(index * 7) % size}/x/y/${index}`,
      method: 'GET',
    }));
    const results: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const rate = perSecond(listDecisions, () => {
        for (let i = 0; i < listDecisions; i += 1) list.decide(requests[i % 100]!);
      });
      results.push(1e9 / rate);
    }
    nanoseconds.push(median(results));
    table.push([`allow list of ${size} rules, ns/decision`, results]);
  }
  return { 'list 10000 vs 10 rules': (nanoseconds[2] ?? 0) / (nanoseconds[0] ?? 1) };
}

/** A ban list as core has it: kept and counted in the store, which writes a journal. */
async function openBans(): Promise<{ bans: BanList; store: Store }> {
  const count = (): void => undefined;
  const onFailure = (error: unknown): never => {
    throw error;
  };
  const store = createMemoryStore({
    journal: { file: ':memory:', flushMs: 100, maxBatch: 500, retryMs: 5_000 },
    sweepMs: 1_000,
    clock: systemClock,
    count,
    onHealth: count,
  });
  const space = (name: string) =>
    store.namespace(name, { maxEntries: 100_000, maxEntryLength: 2_048, whenFull: 'evict', durable: true });
  const bounds = { maxBans: 100_000, maxCounters: 100_000, maxHistory: 1_000, now: Date.now, count };
  const bans = createBanList({
    ...bounds,
    categories: new Map([['sign-in', { triggerLevel: 2, windowMs: 600_000, blockMs: 600_000 }]]),
    exempt: [],
    counters: createSharedCounters(space('ban-counters'), { ...bounds, onFailure }),
    onBan: count,
  });
  await keepBans(bans, { store: space('bans'), now: Date.now, count, onFailure });
  return { bans, store };
}

async function measureBans(table: Row[]): Promise<Record<string, number>> {
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  const { bans, store } = await openBans();
  for (let i = 0; i < 100_000; i += 1) {
    const key = {
      kind: 'user',
      deployment: 'default',
      user: `somebody${i}@example.com`,
      address: '192.0.2.1',
    } as const;
    bans.note('sign-in', key);
    bans.note('sign-in', key);
    bans.note('sign-in', { kind: 'address', address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` });
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // What waits for the journal is no resident of memory.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  if (bans.list().length !== 100_000) throw new Error('not everybody is shut out');
  globalThis.gc?.();
  const megabytes = (process.memoryUsage().heapUsed - before) / 1024 / 1024;
  const rate: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    rate.push(
      perSecond(repeats, () => {
        for (let i = 0; i < repeats; i += 1)
          bans.find({ kind: 'address', address: `10.0.${(i >> 8) & 255}.${i & 255}` });
      }),
    );
  }
  await store.close();
  table.push(['100,000 bans and counters, MiB', [megabytes]], ['is an address banned? answers/s', rate]);
  return {};
}

type Row = [name: string, values: readonly number[]];

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Runs all of it. */
export async function run(): Promise<void> {
  const table: Row[] = [];
  const ratios = { ...(await measureTokens(table)), ...measureList(table), ...(await measureBans(table)) };
  const show = (value: number): string => Math.round(value).toLocaleString('en').padStart(12);
  console.log(`${''.padEnd(40)}${['median', 'min', 'max'].map((word) => word.padStart(12)).join('')}`);
  for (const [name, values] of table)
    console.log(
      `${name.padEnd(40)}${show(median(values))}${show(Math.min(...values))}${show(Math.max(...values))}`,
    );
  const rounded = Object.fromEntries(
    Object.entries(ratios).map(([name, value]) => [name, Number(value.toFixed(2))]),
  );
  console.log(JSON.stringify({ bench: 'auth', ratios: rounded }));
}
