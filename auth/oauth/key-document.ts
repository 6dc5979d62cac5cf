// The token keys of one Unified CM cluster as a JWK set (RFC 7517): RSA public keys that sign, 256-bit symmetric keys that
// encrypt. `kid` is `<cluster id>:<hash>`, as in the tokens; all keys of a document belong to one cluster id. How Unified
// CM itself hands its keys out is not in any public page, so that whoever fetches them brings them into this form.
import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';

export interface TokenKey {
  readonly kid: string;
  readonly use: 'sig' | 'enc';
  /** An RSA public key, or a secret of 32 bytes. */
  readonly key: KeyObject;
}

/** Thrown for a document that cannot be used; `message` never holds key material. */
export class KeyDocumentError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KeyDocumentError';
  }
}

/** `<cluster id>:<hash>`; both parts plain, so that a kid can be counted, logged and compared and never be a path. */
const kidForm = /^([A-Za-z0-9-]{1,64}):([A-Za-z0-9_-]{1,128})$/;
const maxKeys = 16;
const minModulusBits = 2048;
const encryptionKeyBytes = 32;

const rsa = z.object({
  kty: z.literal('RSA'),
  use: z.literal('sig').optional(),
  kid: z.string(),
  n: z.string(),
  e: z.string(),
});
const oct = z.object({
  kty: z.literal('oct'),
  use: z.literal('enc').optional(),
  kid: z.string(),
  k: z.string(),
});
const document = z.object({
  keys: z
    .array(z.discriminatedUnion('kty', [rsa, oct]))
    .min(1)
    .max(maxKeys),
});

/** The cluster id in a key id; undefined for a kid of another form. */
export function clusterIdOf(kid: string): string | undefined {
  return kidForm.exec(kid)?.[1];
}

/** Reads a key document. Throws {@link KeyDocumentError}. */
export function readKeyDocument(text: string): readonly TokenKey[] {
  const read = document.safeParse(parseJson(text));
  if (!read.success) {
    const place = read.error.issues[0]?.path.join('.') ?? '';
    throw new KeyDocumentError(
      `is no set of RSA and oct keys with key ids${place === '' ? '' : `: see ${place}`}`,
    );
  }
  const keys = read.data.keys.map((jwk) => (jwk.kty === 'RSA' ? readRsa(jwk) : readOct(jwk)));
  const ids = new Set(keys.map(({ kid }) => clusterIdOf(kid)));
  if (ids.has(undefined)) throw new KeyDocumentError('has a key id that is not of the form CLUSTER:HASH');
  if (ids.size > 1) throw new KeyDocumentError('has keys of more than one cluster id');
  if (!keys.some(({ use }) => use === 'sig') || !keys.some(({ use }) => use === 'enc'))
    throw new KeyDocumentError('needs a signing key (RSA) and an encryption key (oct)');
  return keys;
}

function readRsa(jwk: z.infer<typeof rsa>): TokenKey {
  let key: KeyObject;
  try {
    key = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: jwk.n, e: jwk.e } });
  } catch {
    throw new KeyDocumentError(`has an RSA key that cannot be read (${jwk.kid.slice(0, 64)})`);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < minModulusBits)
    throw new KeyDocumentError(`has an RSA key of ${bits} bits; at least ${minModulusBits}`);
  return { kid: jwk.kid, use: 'sig', key };
}

function readOct(jwk: z.infer<typeof oct>): TokenKey {
  const secret = Buffer.from(jwk.k, 'base64url');
  if (secret.length !== encryptionKeyBytes || secret.toString('base64url') !== jwk.k)
    throw new KeyDocumentError('has an encryption key that is not 32 bytes in base64url');
  return { kid: jwk.kid, use: 'enc', key: createSecretKey(secret) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new KeyDocumentError('is not JSON');
  }
}
