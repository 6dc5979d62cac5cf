// Authorization: Basic, RFC 7617 with charset UTF-8. Strict where the RFC lets a parser guess: one spelling of base64,
// valid UTF-8, bounded sizes, a user id that can be a path segment. The header comes from an unknown client.
import { isUserId } from './user-id.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export type BasicResult =
  | { readonly kind: 'basic'; readonly credentials: Credentials }
  | { readonly kind: 'missing' | 'malformed' | 'other-scheme' };

/** Longest header value read: user 128 and password 256 characters of up to 4 bytes each, in base64. */
const maxHeaderLength = 2100;
const maxPasswordLength = 256;

/** The credentials in an Authorization header value; user `name@domain` keeps its domain part. Never throws. */
export function parseBasic(header: string | undefined): BasicResult {
  if (header === undefined) return missing;
  if (!/^basic /i.test(header)) return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: |$)/.test(header) ? other : malformed;
  const token = header.slice(6).trim();
  if (header.length > maxHeaderLength || !/^[A-Za-z0-9+/]+={0,2}$/.test(token)) return malformed;
  const bytes = Buffer.from(token, 'base64');
  if (bytes.toString('base64').replaceAll('=', '') !== token.replaceAll('=', '')) return malformed;
  const text = decodeUtf8(bytes);
  const colon = text?.indexOf(':') ?? -1;
  if (text === undefined || colon < 1) return malformed;
  const user = text.slice(0, colon);
  const password = text.slice(colon + 1);
  if (!isUserId(user) || password.length > maxPasswordLength || controls.test(password)) return malformed;
  return { kind: 'basic', credentials: { user, password } };
}

/** The header value that carries `credentials`, for the leg to call control. */
export function printBasic(credentials: Credentials): string {
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`, 'utf8').toString('base64')}`;
}

const missing: BasicResult = { kind: 'missing' };
const malformed: BasicResult = { kind: 'malformed' };
const other: BasicResult = { kind: 'other-scheme' };
// RFC 7617 §2: neither part may hold control characters.
const controls = /[\u0000-\u001f\u007f]/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
