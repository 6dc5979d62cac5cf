import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../zones/store/memory-store.ts';
import type { StoreSpace } from '../../zones/store/store.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import type { CsvFault } from './csv-table.ts';
import type { AllowRule } from './rule.ts';
import { createRuleBook, type RuleBook, type RuleStore } from './rule-book.ts';

const heading = 'Url,Deployment,HttpMethods,MatchType,Description';
const defaults = { deployments: ['one', 'two'], methods: ['OPTIONS', 'GET', 'HEAD'] };
let store: StoreSpace;
let held: (readonly AllowRule[])[];
let faults: CsvFault[];
let book: RuleBook;

const csv = (...lines: string[]): string => [heading, ...lines, ''].join('\n');
const openOn = async (on: RuleStore, change: Partial<typeof defaults> = {}): Promise<RuleBook> => {
  const opened = createRuleBook({
    store: on,
    defaults: { ...defaults, ...change },
    onChange: (rules) => void held.push(rules),
    onFaults: (found) => void faults.push(...found),
  });
  await opened.open();
  return opened;
};

beforeEach(async () => {
  const count = (): void => undefined;
  store = createMemoryStore({
    journal: undefined,
    sweepMs: 1000,
    clock: new ManualClock(),
    count,
    onHealth: count,
  }).namespace('allow-list', {
    maxEntries: 1,
    maxEntryLength: 8 * 1024 * 1024,
    whenFull: 'refuse',
    durable: true,
  });
  held = [];
  faults = [];
  book = await openOn(store);
});

const photos = 'https://photos/faces/,one,GET,prefix,"faces, all of them"';
const files = 'http://files:8080/a,two,,exact,';

describe('a change', () => {
  test('holds, is told, and can be read back as it was written', async () => {
    expect(await book.replace(csv(photos, files))).toEqual({ kind: 'done', rules: 2 });
    expect(held.at(-1)).toEqual(book.rules());
    expect(book.print()).toBe(
      [
        heading,
        'https://photos:443/faces/,one,GET,prefix,"faces, all of them"',
        'http://files:8080/a,two,"OPTIONS,GET,HEAD",exact,',
        '',
      ].join('\r\n'),
    );
    const again = await openOn(store);
    expect(again.rules()).toEqual(book.rules());
  });

  test('with one broken line changes nothing and names the line', async () => {
    await book.replace(csv(photos));
    const before = book.rules();
    const result = await book.replace(csv(files, 'https://x/a?q=1,one,,,', 'https://y/,nowhere,,,'));
    expect(result).toMatchObject({ kind: 'faults', faults: [{ line: 3 }, { line: 4 }] });
    expect(await book.add(csv('nonsense,one,,,'))).toMatchObject({ kind: 'faults' });
    expect(book.rules()).toBe(before);
  });

  test('adds beside, and in place of the same URL', async () => {
    await book.replace(csv(photos));
    await book.add(csv(files));
    await book.add(csv('https://photos/faces/,one,POST,prefix,'));
    expect(book.rules().map(({ path, methods }) => `${path} ${methods.join()}`)).toEqual([
      '/a OPTIONS,GET,HEAD',
      '/faces/ POST',
    ]);
  });

  test('takes out by URL, in one deployment or all', async () => {
    await book.replace(csv(photos, photos.replace(',one,', ',two,')));
    expect(await book.remove('https://photos:443/faces/', 'two')).toEqual({ kind: 'done', rules: 1 });
    expect(await book.remove('https://photos:443/faces/', 'two')).toEqual({ kind: 'not-found' });
    expect(await book.remove('https://photos:443/faces/', undefined)).toEqual({ kind: 'done', rules: 0 });
  });

  test('waits for the one before it', async () => {
    await Promise.all([
      book.add(csv(photos)),
      book.add(csv(files)),
      book.remove('http://files:8080/a', undefined),
    ]);
    expect(book.rules()).toHaveLength(1);
  });

  test('reaches the other cores', async () => {
    const other = await openOn(store);
    await book.replace(csv(photos));
    expect(other.rules()).toEqual(book.rules());
  });

  test('beyond 10,000 rules is refused', async () => {
    await book.replace(csv(...Array.from({ length: 9_999 }, (_v, i) => `https://h/${i},one,,,`)));
    expect(await book.add(csv(photos, files))).toMatchObject({ kind: 'faults' });
    expect(book.rules()).toHaveLength(9_999);
  });
});

describe('a store that is down', () => {
  const down = (): Promise<never> => Promise.reject(new Error('connection refused'));

  test('leaves what held and says why', async () => {
    const failing = { get: (key: string) => store.get(key), set: down, watch: () => () => undefined };
    await book.replace(csv(photos));
    const other = await openOn(failing);
    expect(await other.replace(csv(files))).toMatchObject({ kind: 'store-failed', cause: /refused/ });
    expect(other.rules()).toEqual(book.rules());
  });

  test('at start opens nothing and says so', async () => {
    const other = await openOn({ get: down, set: down, watch: () => () => undefined });
    expect(other.rules()).toEqual([]);
    expect(faults[0]?.text).toContain('connection refused');
  });
});

test('rules of a deployment that is gone open nothing, none of them, and are named', async () => {
  await book.replace(csv(photos, files));
  const other = await openOn(store, { deployments: ['one'] });
  expect(other.rules()).toEqual([]);
  expect(faults).toMatchObject([{ line: 3 }]);
});

test('whatever the description, it comes back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[!-~][ -~]{0,98}[!-~]$/), async (description) => {
      await book.replace(csv(`https://x/,one,,,"${description.replaceAll('"', '""')}"`));
      const [before] = book.rules();
      await book.add(csv(files));
      expect(book.rules().find(({ path }) => path === '/')).toEqual(before);
    }),
    { numRuns: 50 },
  );
});
