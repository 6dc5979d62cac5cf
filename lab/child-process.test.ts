import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startChild } from './child-process.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-child-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const start = (script: string, graceMs = 5_000) =>
  startChild({
    name: 'child',
    command: [process.execPath, '-e', script],
    logFile: path.join(folder, 'child.log'),
    graceMs,
  });
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('an orderly stop leaves no process', async () => {
  const child = start('setInterval(() => {}, 1000)');
  await child.stop();
  expect(child.ended()).toBe('ended by SIGTERM');
  expect(alive(child.pid)).toBe(false);
  await child.stop();
});

test('a child that will not go is killed', async () => {
  const child = start("process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)", 50);
  await vi.waitFor(() => expect(child.tail(1)).toEqual(['up']), { timeout: 5_000 });
  await child.stop();
  expect(child.ended()).toBe('ended by SIGKILL');
});

test('how it ended and what it said last can be told', async () => {
  const child = start("console.log('one\\ntwo\\nthree'); process.exitCode = 3");
  await vi.waitFor(() => expect(child.ended()).toBe('ended with code 3'), { timeout: 5_000 });
  expect(child.tail(2)).toEqual(['two', 'three']);
});
