import { expect, test } from 'vitest';
import { watchOwnMetadata } from './own-metadata.ts';

function open(document: string, kept: Map<string, string>, warned: string[], now: number) {
  return watchOwnMetadata({
    document,
    store: {
      get: async (key) => kept.get(key),
      set: async (key, value) => void kept.set(key, value),
    },
    now: () => now,
    log: { warn: (_fields, text) => void warned.push(text) },
  });
}

test('a change is told once and shown from then on; the first sight is none', async () => {
  const kept = new Map<string, string>();
  const warned: string[] = [];
  const runs: [document: string, changed: string, warnings: number][] = [
    ['a', 'never', 0],
    ['a', 'never', 0],
    ['b', '1970-01-01T00:00:03.000Z', 1],
    ['b', '1970-01-01T00:00:03.000Z', 1],
    ['a', '1970-01-01T00:00:05.000Z', 2],
  ];
  for (const [index, [document, changed, warnings]] of runs.entries()) {
    const own = open(document, kept, warned, (index + 1) * 1000);
    await own.compare();
    expect(own.status().changed).toBe(changed);
    expect(warned).toHaveLength(warnings);
  }
});

test('a store that fails changes nothing', async () => {
  const own = watchOwnMetadata({
    document: 'a',
    store: { get: () => Promise.reject(new Error('down')), set: () => Promise.reject(new Error('down')) },
    now: () => 0,
    log: { warn: () => undefined },
  });
  await own.compare();
  expect(own.status().changed).toBe('not compared yet');
});
