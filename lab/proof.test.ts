import { expect, test } from 'vitest';
import { broughtBy, expectThat, runProof } from './proof.ts';

test('each step has its line, its time and its mark; failures do not stop the rest', async () => {
  const lines: string[] = [];
  let clock = 0;
  const result = await runProof(
    [
      { title: 'first', run: () => 'seen' },
      { title: 'second', run: () => Promise.reject(new Error('refused', { cause: new Error('no route') })) },
      { title: 'third', run: () => expectThat(false, 'wanted 200, got 503') as undefined },
      { title: 'fourth', run: () => broughtBy<string>('the first step', undefined) },
      { title: 'fifth', run: () => undefined },
    ],
    { stepTimeoutMs: 5_000, now: () => (clock += 7), write: (line) => lines.push(line) },
  );
  expect(result).toEqual({ passed: 2, failed: 3 });
  expect(lines).toEqual([
    '   1 ✓     7 ms  first · seen',
    '   2 ✗     7 ms  second: refused (no route)',
    '   3 ✗     7 ms  third: wanted 200, got 503',
    '   4 ✗     7 ms  fourth: not tried, it needs the first step',
    '   5 ✓     7 ms  fifth',
  ]);
});

test('a step that never ends is given up', async () => {
  const lines: string[] = [];
  const step = { title: 'waiting', run: () => new Promise<undefined>(() => {}) };
  const options = { stepTimeoutMs: 5, now: () => 0, write: (line: string) => lines.push(line) };
  expect(await runProof([step], options)).toEqual({ passed: 0, failed: 1 });
  expect(lines[0]).toContain('waiting: nothing came within');
});

test('once stopped, no step begins and nothing more is said', async () => {
  const lines: string[] = [];
  let stopped = false;
  const steps = [
    {
      title: 'first',
      run: () => {
        stopped = true;
        return undefined;
      },
    },
    { title: 'second', run: () => expect.unreachable() },
  ];
  const write = (line: string) => lines.push(line);
  await runProof(steps, { stepTimeoutMs: 5_000, now: () => 0, write, isStopped: () => stopped });
  expect(lines).toEqual([]);
});
