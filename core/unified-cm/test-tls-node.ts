// A server as the ones inside are: HTTPS on loopback with a certificate of its own authority, and whatever it is told to
// answer. Keeps what it was asked. Not part of the product.
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type CertifiedKey, createAuthority, issueIdentity } from '../../zones/pair/certificate.ts';

export type TestAnswer = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestTlsNode {
  readonly port: number;
  /** `METHOD target` of every request, with its headers. */
  readonly requests: { readonly line: string; readonly headers: IncomingMessage['headers'] }[];
  /** Connections accepted so far. */
  readonly connections: () => number;
  answer: TestAnswer;
  close(): Promise<void>;
}

export interface TestAuthority {
  /** PEM. */
  readonly certificate: string;
  issue(name: string, change?: { from?: number; days?: number }): Promise<CertifiedKey>;
}

/** A fresh authority; certificates are valid now unless told otherwise. */
export async function createTestAuthority(): Promise<TestAuthority> {
  const now = Date.now();
  const root = await createAuthority('test authority', { from: now, days: 1 });
  return {
    certificate: root.certificate,
    issue: (name, { from = now, days = 1 } = {}) => issueIdentity(root, name, { from, days }),
  };
}

/** Listens on a free port of `address`; without an identity it speaks plain HTTP. */
export async function startTestNode(
  identity: CertifiedKey | undefined,
  answer: TestAnswer,
  address = '127.0.0.1',
): Promise<TestTlsNode> {
  const requests: TestTlsNode['requests'] = [];
  let connections = 0;
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push({ line: `${request.method} ${request.url}`, headers: request.headers });
    node.answer(request, response);
  };
  const server: Server =
    identity === undefined
      ? createHttpServer(serve)
      : createHttpsServer({ cert: identity.certificate, key: identity.key }, serve);
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const node: TestTlsNode = {
    port: (server.address() as AddressInfo).port,
    requests,
    connections: () => connections,
    answer,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return node;
}
