// Every place where we look inside ssh2 1.17, because its public interface does not tell. All of them fail closed: if
// a later release renames a field, no link comes up and the tests beside this file say why.
import { createRequire } from 'node:module';
import type { Client, Connection } from 'ssh2';
import { Socket } from 'node:net';

const require = createRequire(import.meta.url);

/**
 * Whether this connection negotiated strict key exchange, OpenSSH's answer to prefix truncation (CVE-2023-48795,
 * T-140). ssh2 always offers it, falls back silently if the peer does not, and says so only in its debug text.
 */
export function hasStrictKex(connection: Client | Connection): boolean {
  return read(read(connection, '_protocol'), '_strictMode') === true;
}

/** The software name in the server's greeting line, which ssh2's client keeps to itself. */
export function remoteIdent(client: Client): string | undefined {
  const ident = read(client, '_remoteVer');
  return typeof ident === 'string' ? ident : undefined;
}

/** The socket below a server-side connection. */
export function socketOf(connection: Connection): Socket | undefined {
  const socket = read(connection, '_sock');
  return socket instanceof Socket ? socket : undefined;
}

/** Whether ssh2's compiled cipher code is loaded. Without it the HTTPS link runs at a third of its speed. */
export function nativeBindingLoaded(): boolean {
  const crypto: unknown = require('ssh2/lib/protocol/crypto.js');
  return read(crypto, 'bindingAvailable') === true;
}

/** What makes the packets of one cipher: `payloadBytes` long inside, not yet filled. */
export interface CipherPrototype {
  allocPacket: (payloadBytes: number) => Uint8Array;
}

/** What all of ssh2's compiled AES-GCM ciphers inherit from; undefined if this ssh2 has none or builds packets otherwise. */
export function gcmCipherPrototype(): CipherPrototype | undefined {
  const crypto = require('ssh2/lib/protocol/crypto.js') as Record<string, unknown>;
  const { createCipher } = crypto;
  const cipherInfo = read(crypto['CIPHER_INFO'], 'aes128-gcm@openssh.com');
  if (crypto['bindingAvailable'] !== true || typeof createCipher !== 'function') return undefined;
  const outbound = {
    seqno: 0,
    onWrite: () => undefined,
    cipherInfo,
    cipherKey: Buffer.alloc(16),
    cipherIV: Buffer.alloc(12),
  };
  const cipher = createCipher({ outbound }) as CipherPrototype;
  probes.push(cipher);
  const prototype = Object.getPrototypeOf(cipher) as CipherPrototype;
  return Object.hasOwn(prototype, 'allocPacket') ? prototype : undefined;
}

/** The classes whose objects hold compiled AES-GCM code; empty without the binding. */
export function compiledCipherPrototypes(): readonly { free: () => void }[] {
  const crypto = require('ssh2/lib/protocol/crypto.js') as Record<string, unknown>;
  const { createCipher, createDecipher } = crypto;
  const info = read(crypto['CIPHER_INFO'], 'aes128-gcm@openssh.com');
  if (crypto['bindingAvailable'] !== true) return [];
  if (typeof createCipher !== 'function' || typeof createDecipher !== 'function') return [];
  const [key, iv] = [Buffer.alloc(16), Buffer.alloc(12)];
  const nothing = (): void => undefined;
  const made = [
    createCipher({
      outbound: { seqno: 0, onWrite: nothing, cipherInfo: info, cipherKey: key, cipherIV: iv },
    }) as { free(): void },
    createDecipher({
      inbound: { seqno: 0, onPayload: nothing, decipherInfo: info, decipherKey: key, decipherIV: iv },
    }) as { free(): void },
  ];
  probes.push(...made);
  return made.map((one) => Object.getPrototypeOf(one) as { free: () => void });
}

/** The compiled object inside one of ssh2's ciphers. */
export function compiledPart(cipher: object): unknown {
  return read(cipher, '_instance');
}

/** Objects made to look at their class; see kept-ciphers.ts for why they stay. */
const probes: unknown[] = [];

function read(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
