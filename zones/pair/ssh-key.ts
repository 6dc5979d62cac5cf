// Makes an ed25519 SSH key in OpenSSH's own text form. ssh2 can too, but drops leading zeros of the public key, so
// that one of its keys in 256 cannot be read again.
//
//   "openssh-key-v1" 00 | string cipher "none" | string kdf "none" | string "" | uint32 1
//   string public:  string "ssh-ed25519" | string key (32 bytes)
//   string private: uint32 check, twice | string "ssh-ed25519" | string key (32) | string seed and key (64)
//                   | string comment | padding 01 02 03 … to a multiple of 8
import { generateKeyPairSync, randomBytes } from 'node:crypto';

const TYPE = Buffer.from('ssh-ed25519');
const BLOCK_BYTES = 8;

/** A fresh private key as PEM text, unencrypted. The comment is for people. */
export function createSshKey(comment: string): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  return printSshKey(Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url'), comment);
}

/** Prints seed and public key, 32 bytes each. */
export function printSshKey(seed: Buffer, publicKey: Buffer, comment: string): string {
  const blob = Buffer.concat([string(TYPE), string(publicKey)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([
    check,
    check,
    blob,
    string(Buffer.concat([seed, publicKey])),
    string(Buffer.from(comment)),
  ]);
  const padding = Buffer.from(Array.from({ length: -secret.length & (BLOCK_BYTES - 1) }, (_, at) => at + 1));
  const none = string(Buffer.from('none'));
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    none,
    none,
    string(Buffer.alloc(0)),
    uint32(1),
    string(blob),
    string(Buffer.concat([secret, padding])),
  ]);
  const lines = file.toString('base64').match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** RFC 4251 §5: a length and that many bytes. */
function string(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}
