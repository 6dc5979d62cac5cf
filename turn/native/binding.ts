// The compiled parts of the TURN server as TypeScript sees them, and where they are looked for. Without them (no compiler,
// another platform) the server has no DTLS and no TCP allocations and says so.
import { createRequire } from 'node:module';
import type { TransportAddress } from '../ip-address.ts';

export interface DtlsContextHandle {
  readonly dtlsContext: unique symbol;
}
export interface DtlsSessionHandle {
  readonly dtlsSession: unique symbol;
}

export interface DtlsSettings {
  /** PEM, leaf first. */
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** OpenSSL's words. */
  readonly ciphers: Buffer;
  readonly groups: Buffer;
  readonly cookieSecret: Buffer;
  /** Longest datagram to send. */
  readonly mtu: number;
}

/** State (0 handshake, 1 open, 2 closed), datagrams to send, plaintext received. */
export type DtlsReport = readonly [state: number, toSend: Buffer[], data: Buffer[]];

/** Functions of binding.cc. */
export interface TurnBinding {
  /** Throws for a certificate, key or word that is not usable. */
  createContext(settings: DtlsSettings): DtlsContextHandle;
  listen(
    context: DtlsContextHandle,
    datagram: Buffer,
    peer: Buffer,
  ): readonly [toSend: Buffer[], session: DtlsSessionHandle | undefined];
  receive(session: DtlsSessionHandle, datagram: Buffer): DtlsReport;
  send(session: DtlsSessionHandle, message: Buffer): Buffer[];
  tick(session: DtlsSessionHandle): DtlsReport;
  closeSession(session: DtlsSessionHandle): Buffer[];
  /** File descriptor of a TCP socket that is bound beside a listener. Throws with a code. */
  readonly tcpSocket: (bind: TransportAddress) => number;
}

/** Beside this file, and from `dist/` in the sources beside it. */
const PLACES = ['./build/Release/turn.node', '../../../turn/native/build/Release/turn.node'];

/** The compiled parts, or why there are none. */
export function loadTurnBinding(): TurnBinding | { readonly missing: string } {
  const require = createRequire(import.meta.url);
  let missing = 'they were not built (no compiler at install time)';
  for (const place of PLACES) {
    try {
      return require(place) as TurnBinding;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'MODULE_NOT_FOUND') missing = `they do not load: ${message}`;
    }
  }
  return { missing };
}
