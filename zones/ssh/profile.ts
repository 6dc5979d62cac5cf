// What both ends of the SSH link agree on beyond RFC 4253: algorithms, names of the one subsystem and the one
// forwarding, and the greeting. Nothing else is offered or accepted.
import type { Algorithms, Client, Connection } from 'ssh2';
import { hasStrictKex } from './ssh2-internals.ts';

/** Software name in the greeting (RFC 4253 §4.2); the number changes when this profile does. */
export const SSH_IDENT = 'Viaduct_1';
/** The subsystem that carries control frames (RFC 4254 §6.5). */
export const CONTROL_SUBSYSTEM = 'control@viaduct';
/** What core asks edge to forward (RFC 4254 §7.1): not an address, edge listens on nothing for it. */
export const HTTP_FORWARD = { address: 'http.viaduct', port: 1 } as const;

/**
 * Modern only. No chacha20-poly1305: ssh2's compiled version of it does not work with the OpenSSL of Node 24. MACs
 * are listed because ssh2 wants a list; both ciphers authenticate by themselves. SSH has no post-quantum exchange in
 * ssh2; what that means is a decision page.
 */
export const SSH_ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256', 'ecdh-sha2-nistp384'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
  hmac: ['hmac-sha2-256-etm@openssh.com'],
  compress: ['none'],
} satisfies Algorithms;

/** What is wrong with a finished key exchange, in words; undefined if nothing is. Checked before any secret is sent. */
export function handshakeProblem(connection: Client | Connection): string | undefined {
  return hasStrictKex(connection)
    ? undefined
    : 'peer does not negotiate strict key exchange (kex-strict, OpenSSH 9.6)';
}
