import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { createLabAuthority } from './authority.ts';

test('a certificate is signed by the authority, names what was asked and is good now', async () => {
  const authority = await createLabAuthority('Lab authority', Date.now());
  const root = new X509Certificate(authority.certificate);
  const leaf = new X509Certificate((await authority.issue(['edge.example.com', '127.0.10.10'])).chain);
  expect(root.ca).toBe(true);
  expect(leaf.ca).toBe(false);
  expect(leaf.checkIssued(root) && leaf.verify(root.publicKey)).toBe(true);
  expect(leaf.checkHost('edge.example.com')).toBe('edge.example.com');
  expect(leaf.checkIP('127.0.10.10')).toBe('127.0.10.10');
  expect(leaf.checkHost('other.example.com')).toBeUndefined();
});

test('TLS accepts it for its name and for no other', async () => {
  const authority = await createLabAuthority('Lab authority', Date.now());
  const { chain, key } = await authority.issue(['edge.example.com']);
  const server = createServer({ cert: chain, key }, (socket) => socket.on('error', () => {}).end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = async (servername: string): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate, servername });
    return new Promise((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('data', (data) => resolve(data.toString()));
    });
  };
  expect(await open('edge.example.com')).toBe('hello');
  expect(await open('evil.example.com')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  server.close();
});
