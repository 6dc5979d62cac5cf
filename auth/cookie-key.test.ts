import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CookieKeyError, openCookieKey } from './cookie-key.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'viaduct-cookie-key-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('a key is made once, private, and read again', async () => {
  const file = path.join(folder, 'key');
  const made = await openCookieKey(file);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await openCookieKey(file)).equals(made)).toBe(true);
});

test('a key that others can read is refused', async () => {
  const file = path.join(folder, 'key');
  await openCookieKey(file);
  await chmod(file, 0o640);
  await expect(openCookieKey(file)).rejects.toThrow(CookieKeyError);
});

test('a file that is no key is refused', async () => {
  const file = path.join(folder, 'key');
  await writeFile(file, 'short', { mode: 0o600 });
  await expect(openCookieKey(file)).rejects.toThrow(/holds 5 bytes/);
});

test('a folder that does not exist is told by the file system', async () => {
  await expect(openCookieKey(path.join(folder, 'no', 'key'))).rejects.toMatchObject({ code: 'ENOENT' });
});
