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

function read(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
