// a=crypto: SDES keys in a description, RFC 4568 §4, §6, §9; suites of RFC 7714 §14.
// Trusts nothing: tag, base64, sizes and MKI are checked to the character. Session parameters that change what the
// packets mean (UNENCRYPTED_…, UNAUTHENTICATED_SRTP, KDR, FEC…) are refused: the attribute counts as unusable.
// Nothing here is ever logged: the values are keys.

/** A usable a=crypto line. Key and salt are as long as the suite's table says. */
export interface CryptoAttribute {
  readonly tag: number;
  readonly suite: string;
  readonly key: Buffer;
  readonly salt: Buffer;
  /** The MKI that its sender puts into packets; empty when there is none. */
  readonly mki: Buffer;
}

/** Sizes that the caller supports, by suite name. */
export type SuiteSizes = (suite: string) => { keyBytes: number; saltBytes: number } | undefined;

/** Why a line cannot be used. Either way it is skipped; a section without any usable line is refused. */
export type CryptoRefusal = 'malformed' | 'unsupported';

const LINE = /^(\d{1,9}) ([A-Za-z0-9_-]{1,64}) (inline:\S{1,512})(?: (.{1,256}))?$/;
const KEY = /^inline:([A-Za-z0-9+/]{16,128}={0,2})(?:\|(2\^\d{1,2}|\d{1,15}))?(?:\|(\d{1,10}):(\d{1,3}))?$/;

/** Parses what follows `a=crypto:`. */
export function parseCrypto(value: string, sizes: SuiteSizes): CryptoAttribute | CryptoRefusal {
  const line = LINE.exec(value.trimEnd());
  if (line === null) return 'malformed';
  const size = sizes(line[2]!);
  if (size === undefined) return 'unsupported';
  if (!harmless(line[4])) return 'unsupported';
  const key = KEY.exec(line[3]!);
  if (key === null) return line[3]!.includes(';') ? 'unsupported' : 'malformed';
  return withKey(Number(line[1]), line[2]!, key, size);
}

/** Window size hints change nothing for us; every other session parameter does. */
function harmless(sessionParameters: string | undefined): boolean {
  return (sessionParameters ?? '')
    .split(' ')
    .every((parameter) => parameter === '' || /^WSH=\d{1,5}$/.test(parameter));
}

function withKey(
  tag: number,
  suite: string,
  match: RegExpExecArray,
  size: { keyBytes: number; saltBytes: number },
): CryptoAttribute | CryptoRefusal {
  const bytes = Buffer.from(match[1]!, 'base64');
  if (bytes.length !== size.keyBytes + size.saltBytes) return 'malformed';
  const mki = mkiBytes(match[3], match[4]);
  if (mki === undefined) return 'unsupported';
  return { tag, suite, key: bytes.subarray(0, size.keyBytes), salt: bytes.subarray(size.keyBytes), mki };
}

/** MKI value and length in bytes, 1 to 128 (RFC 4568 §6.1); the value must fit. */
function mkiBytes(value: string | undefined, length: string | undefined): Buffer | undefined {
  if (value === undefined || length === undefined) return Buffer.alloc(0);
  const bytes = Number(length);
  const number = Number(value);
  if (bytes < 1 || bytes > 128 || (bytes < 6 && number >= 256 ** bytes)) return undefined;
  const mki = Buffer.alloc(bytes);
  mki.writeUIntBE(number, Math.max(0, bytes - 6), Math.min(6, bytes));
  return mki;
}

/** Prints what follows `a=crypto:`, without lifetime, MKI or session parameters. */
export function printCrypto(attribute: Omit<CryptoAttribute, 'mki'>): string {
  const { tag, suite, key, salt } = attribute;
  return `${tag} ${suite} inline:${Buffer.concat([key, salt]).toString('base64')}`;
}
