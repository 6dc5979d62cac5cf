// One connection to a server inside: to an address pinned at discovery, never to what a name resolves to now, and over
// TLS only after its certificate has proven the node's name and chain. There is no way to switch that off (T-144).
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { failureText } from './failure-text.ts';
import type { NodeService } from './node.ts';

/** Why there is no connection, as a sentence that begins with the node; `cause` is the system's error. */
export class NodeConnectError extends Error {
  constructor(text: string, cause: unknown) {
    super(text, { cause });
    this.name = 'NodeConnectError';
  }
}

export interface NodeDialerOptions {
  /** From the start to the end of the TLS handshake, for each address. */
  readonly connectMs: number;
  /** Shown to servers that ask for a client certificate (files over TLS); PEM. */
  readonly identity: { readonly chain: string; readonly key: string } | undefined;
}

/** Addresses of one node that are tried one after the other. */
const maxAddresses = 3;
/** TLS sessions kept; all are forgotten when there are more, which costs a full handshake each. */
const maxSessions = 1000;

/** Makes connections; remembers TLS sessions per node and port, so that later handshakes are short. */
export class NodeDialer {
  readonly #options: NodeDialerOptions;
  readonly #contexts = new Map<string, SecureContext>();
  readonly #sessions = new Map<string, Buffer>();

  constructor(options: NodeDialerOptions) {
    this.#options = options;
  }

  /** A connection that is ready for the first request. Rejects with {@link NodeConnectError}. */
  async connect(service: NodeService): Promise<Socket> {
    const { node, port } = service;
    let failure: unknown = Object.assign(new Error('no address'), { code: 'ENODATA' });
    for (const address of node.addresses.slice(0, maxAddresses)) {
      try {
        return await this.#connectTo(service, address);
      } catch (error) {
        failure = error;
      }
    }
    throw new NodeConnectError(failureText(failure, node.name, port), failure);
  }

  #connectTo(service: NodeService, address: string): Promise<Socket> {
    const tls = service.protocol === 'https';
    const socket = tls ? this.#startTls(service, address) : connectTcp({ host: address, port: service.port });
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => fail(timedOut()), this.#options.connectMs);
      socket.once('error', fail);
      socket.once('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
      socket.once(tls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        socket.setNoDelay(true);
        // The next owner sets its own listeners in this same turn of the event loop or later; none may be missing between.
        socket.on('error', () => undefined);
        socket.off('error', fail);
        resolve(socket);
      });
    });
  }

  #startTls(service: NodeService, address: string): TLSSocket {
    const { name, trust } = service.node;
    const key = `${name}:${service.port}\n${trust ?? ''}`;
    const session = this.#sessions.get(key);
    const socket = connectTls({
      host: address,
      port: service.port,
      ...(isIP(name) === 0 ? { servername: name } : {}),
      secureContext: this.#contextFor(trust),
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
    });
    socket.on('session', (fresh: Buffer) => {
      if (this.#sessions.size >= maxSessions) this.#sessions.clear();
      this.#sessions.set(key, fresh);
    });
    return socket;
  }

  #contextFor(trust: string | undefined): SecureContext {
    const known = this.#contexts.get(trust ?? '');
    if (known !== undefined) return known;
    const { identity } = this.#options;
    const context = createSecureContext({
      minVersion: 'TLSv1.2',
      ...(trust === undefined ? {} : { ca: trust }),
      ...(identity === undefined ? {} : { cert: identity.chain, key: identity.key }),
    });
    this.#contexts.set(trust ?? '', context);
    return context;
  }
}

function timedOut(): Error {
  return Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' });
}
