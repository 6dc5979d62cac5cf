// Opens a TCP connection for a link: from a range of source ports if the firewall wants one, with a deadline, and
// with the reason of a failure in words.
import { type Socket, connect } from 'node:net';
import { LinkError } from './link-error.ts';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Address of this machine to dial from; undefined lets the system choose. */
  readonly localAddress: string | undefined;
  /** Source ports to dial from; undefined lets the system choose. */
  readonly sourcePorts: PortRange | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** 0 ≤ random() < 1. */
  readonly random: () => number;
}

/** Source ports tried before giving up; a busy one costs nothing but the try. */
const PORT_TRIES = 16;
const PORT_TAKEN = new Set(['EADDRINUSE', 'EADDRNOTAVAIL']);

/** Resolves with a connected socket that has Nagle off and an error listener. Rejects with `LinkError`. */
export async function dial(options: DialOptions): Promise<Socket> {
  const range = options.sourcePorts;
  if (!range) return dialFrom(options, undefined);
  for (let tried = 1; ; tried += 1) {
    const localPort = range.from + Math.floor(options.random() * (range.to - range.from + 1));
    try {
      return await dialFrom(options, localPort);
    } catch (error) {
      const taken = error instanceof LinkError && PORT_TAKEN.has(codeOf(error.cause));
      if (!taken || tried === PORT_TRIES) throw error;
    }
  }
}

function dialFrom(options: DialOptions, localPort: number | undefined): Promise<Socket> {
  const { host, port, localAddress, timeoutMs, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(localPort === undefined ? {} : { localPort }),
    });
    const timer = setTimeout(() => fail(timeoutError(host, port, timeoutMs)), timeoutMs);
    const aborted = (): void => fail(new LinkError('closed', 'this side is shutting down'));
    const fail = (error: LinkError): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    };
    socket.on('error', (error) =>
      fail(new LinkError('unreachable', dialWords(error, host, port), { cause: error })),
    );
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
    signal.addEventListener('abort', aborted);
    if (signal.aborted) aborted();
  });
}

function timeoutError(host: string, port: number, timeoutMs: number): LinkError {
  const words = `${host} port ${port} does not answer within ${timeoutMs / 1000} s: machine off, or a firewall drops the packets`;
  return new LinkError('unreachable', words);
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const WORDS: Record<string, (host: string, port: number) => string> = {
  ECONNREFUSED: (host, port) => `${host} port ${port}: nothing listens there (connection refused)`,
  ECONNRESET: (host, port) => `${host} port ${port}: connection reset at once`,
  ENOTFOUND: (host) => `${host}: DNS has no such name`,
  EAI_AGAIN: (host) => `${host}: no DNS server answers`,
  EHOSTUNREACH: (host) => `${host}: no route to this machine`,
  ENETUNREACH: (host) => `${host}: no route to its network`,
  ETIMEDOUT: (host, port) =>
    `${host} port ${port} does not answer: machine off, or a firewall drops the packets`,
  EADDRINUSE: () => 'every source port tried is in use: widen the range of source ports',
  EADDRNOTAVAIL: () => 'the local address or source port to dial from is not available on this machine',
  EACCES: (host, port) => `${host} port ${port}: this machine does not allow the connection`,
};

/** What a failed connection means, for the operator. */
export function dialWords(error: Error, host: string, port: number): string {
  const words = WORDS[codeOf(error)];
  return words ? words(host, port) : `${host} port ${port}: ${error.message}`;
}
