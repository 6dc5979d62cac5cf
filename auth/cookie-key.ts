// The key that signs X-Auth cookies. It lives in the state directory, because a restart must not sign everybody out;
// cores of one cluster use the same file content. Whoever reads it can forge sign-ins, so the file is private or refused.
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';

const keyBytes = 32;

/** Thrown when the key file exists and must not be used; the message says what to do. */
export class CookieKeyError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'CookieKeyError';
  }
}

/** A key for this process only: cookies do not survive a restart. */
export function randomCookieKey(): KeyObject {
  return createSecretKey(randomBytes(keyBytes));
}

/** Reads the key in `path`, or makes one there (mode 0600). Throws {@link CookieKeyError} or the file system's error. */
export async function openCookieKey(path: string): Promise<KeyObject> {
  const made = await makeKey(path);
  if (made !== undefined) return made;
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) throw new CookieKeyError(`${path} can be read by others: chmod 600 ${path}`);
  const bytes = await readFile(path);
  if (bytes.length !== keyBytes) {
    throw new CookieKeyError(
      `${path} holds ${bytes.length} bytes instead of ${keyBytes}: delete it to make a new key`,
    );
  }
  return createSecretKey(bytes);
}

async function makeKey(path: string): Promise<KeyObject | undefined> {
  const handle = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const bytes = randomBytes(keyBytes);
    await handle.writeFile(bytes);
    await handle.sync();
    return createSecretKey(bytes);
  } finally {
    await handle.close();
  }
}
