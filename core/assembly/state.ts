// What core keeps on disk: the journal of its store and the key that signs cookies. A disk that does not work is told and
// counted, and traffic goes on in memory: registrations and sign-ins then end with the process.
import type { KeyObject } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Count, Log } from '../../admin/index.ts';
import { CookieKeyError, openCookieKey, randomCookieKey } from '../../auth/index.ts';
import { STORE_LIMITS } from '../../config/index.ts';
import { createMemoryStore, systemClock } from '../../zones/index.ts';
import type { Store } from '../../zones/index.ts';

export interface CoreState {
  readonly store: Store;
  readonly cookieKey: KeyObject;
  /** What is wrong with the state directory; empty while all is well. */
  health(): string;
}

/** Opens the state below `folder`; undefined keeps it in memory. @throws CookieKeyError when the key must not be used. */
export async function openState(
  folder: string | undefined,
  observers: { readonly log: Log; readonly count: Count },
): Promise<CoreState> {
  const { log, count } = observers;
  const problems = new Map<string, string>();
  const told = (part: string, words: string): void => {
    if (words === '') problems.delete(part);
    else problems.set(part, words);
    if (words === '') log.info({ part }, 'state directory works again');
    else log.error({ part, cause: words }, 'state directory does not work; going on in memory');
  };
  if (folder !== undefined) makeFolder(folder, (words) => told('folder', words));
  const store = createMemoryStore({
    journal: folder === undefined ? undefined : { file: path.join(folder, 'store.sqlite'), ...STORE_LIMITS },
    sweepMs: STORE_LIMITS.sweepMs,
    clock: systemClock,
    count,
    onHealth: (words) => told('journal', words),
  });
  return {
    store,
    cookieKey: await cookieKey(folder, (words) => told('cookie key', words)),
    health: () => [...problems].map(([part, words]) => `${part}: ${words}`).join('; '),
  };
}

function makeFolder(folder: string, told: (words: string) => void): void {
  try {
    makeFolders(path.resolve(folder));
  } catch (error) {
    told((error as Error).message);
  }
}

/** One by one from the top: Node's own `recursive` asks for ever below /proc, where making says "no such folder". */
function makeFolders(folder: string): void {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  if (found !== undefined) throw new Error(`${folder} is not a folder`);
  makeFolders(path.dirname(folder));
  mkdirSync(folder, { mode: 0o700 });
}

async function cookieKey(folder: string | undefined, told: (words: string) => void): Promise<KeyObject> {
  if (folder === undefined) return randomCookieKey();
  try {
    return await openCookieKey(path.join(folder, 'cookie.key'));
  } catch (error) {
    if (error instanceof CookieKeyError) throw error;
    told((error as Error).message);
    return randomCookieKey();
  }
}
