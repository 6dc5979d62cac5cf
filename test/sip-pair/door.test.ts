// The TLS door that clients meet on 5061, over loopback.
import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openPair, type Pair } from './pair.ts';

let pair: Pair;
let port: number;
const sockets: TLSSocket[] = [];

beforeEach(async () => {
  pair = await openPair({ edge: { firstMessageTimeoutMs: 10 } });
  port = await pair.edge.listen();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await pair.close();
});

/** A client of this test's own door; its certificate means nothing to anybody. */
async function client(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

test('TLS 1.3 agrees on the hybrid exchange, TLS 1.2 on one with forward secrecy', async () => {
  const modern = await client({ ecdhCurve: 'X25519MLKEM768:X25519' });
  const classic = await client({ maxVersion: 'TLSv1.2' });
  expect([modern.getProtocol(), classic.getProtocol()]).toEqual(['TLSv1.3', 'TLSv1.2']);
  expect(classic.getEphemeralKeyInfo()).toMatchObject({ type: 'ECDH' });
});

test('a client cannot make the door shake hands again and again over one connection', async () => {
  const socket = await client({ maxVersion: 'TLSv1.2' });
  // The door does not answer; what ends the wait is that nothing was said on the connection.
  const outcome = await new Promise((resolve) => {
    socket.once('close', () => resolve('closed'));
    socket.renegotiate({}, (error) => resolve(error ?? 'new keys'));
  });
  expect(outcome).toBe('closed');
});

test('a connection that goes gives its place back', async () => {
  const socket = await client({});
  await expect.poll(() => pair.edge.status()).toMatchObject({ connections: 1, handshakes: 0 });
  socket.destroy();
  await expect.poll(() => pair.edge.status().connections).toBe(0);
});
