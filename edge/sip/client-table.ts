// All client connections, found by flow token, and the sweep that ends those that say nothing or never register.
// Memory: at most `maxUnproven` connections without a registration (the oldest gives way) besides the registered ones,
// so that strangers cannot take the room of users (T-057).
import type { KeyObject } from 'node:crypto';
import type { ClientConnection } from './client-connection.ts';
import { checkFlowToken, printFlowToken } from './flow-token.ts';

export interface ClientTableLimits {
  readonly maxUnproven: number;
  /** From the end of the handshake to the first SIP message. */
  readonly firstMessageTimeoutMs: number;
  /** From the end of the handshake to a granted REGISTER. */
  readonly unprovenTimeoutMs: number;
  /** Longest silence of a connection that has spoken. */
  readonly idleTimeoutMs: number;
}

/** Why a connection is ended by us. */
export type EndedBecause =
  | 'first-message-timeout'
  | 'unproven-timeout'
  | 'idle-timeout'
  | 'unproven-crowded-out'
  /** Its core is away and another may take it. */
  | 're-homed';

export class ClientTable {
  readonly #key: KeyObject;
  readonly #limits: ClientTableLimits;
  readonly #onEnd: (connection: ClientConnection, because: EndedBecause) => void;
  readonly #connections = new Map<string, ClientConnection>();
  readonly #unproven = new Set<ClientConnection>();
  #lastId = 0;

  constructor(
    key: KeyObject,
    limits: ClientTableLimits,
    onEnd: (connection: ClientConnection, because: EndedBecause) => void,
  ) {
    this.#key = key;
    this.#limits = limits;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#connections.size;
  }

  get unproven(): number {
    return this.#unproven.size;
  }

  nextToken(): string {
    this.#lastId += 1;
    return printFlowToken(this.#key, this.#lastId);
  }

  all(): Iterable<ClientConnection> {
    return this.#connections.values();
  }

  add(connection: ClientConnection): void {
    this.#connections.set(connection.token, connection);
    this.#unproven.add(connection);
    if (this.#unproven.size <= this.#limits.maxUnproven) return;
    const [oldest] = this.#unproven;
    if (oldest !== undefined) this.#end(oldest, 'unproven-crowded-out');
  }

  remove(connection: ClientConnection): void {
    this.#connections.delete(connection.token);
    this.#unproven.delete(connection);
  }

  /** A REGISTER over this connection was granted. */
  prove(connection: ClientConnection): void {
    connection.isProven = true;
    this.#unproven.delete(connection);
  }

  /** The connection a token names; a token made under our key whose connection is gone is told from a forged one. */
  find(token: string): ClientConnection | 'gone' | 'forged' {
    const connection = this.#connections.get(token);
    if (connection !== undefined) return connection;
    return checkFlowToken(this.#key, token) === undefined ? 'forged' : 'gone';
  }

  /** Ends up to `most` connections whose registration is at this core. */
  leave(core: string, most: number): void {
    let left = most;
    for (const connection of this.#connections.values()) {
      if (connection.home !== core) continue;
      if (left-- <= 0) return;
      connection.home = undefined; // ended once; closing takes a moment
      this.#end(connection, 're-homed');
    }
  }

  /** Ends what has been silent too long; call about once a second. */
  sweep(nowMs: number): void {
    for (const connection of this.#connections.values()) {
      const because = this.#overdue(connection, nowMs);
      if (because !== undefined) this.#end(connection, because);
    }
  }

  #overdue(connection: ClientConnection, nowMs: number): EndedBecause | undefined {
    const { firstMessageTimeoutMs, unprovenTimeoutMs, idleTimeoutMs } = this.#limits;
    const ageMs = nowMs - connection.openedMs;
    if (!connection.hasSpoken && ageMs > firstMessageTimeoutMs) return 'first-message-timeout';
    if (!connection.isProven && ageMs > unprovenTimeoutMs) return 'unproven-timeout';
    return nowMs - connection.transport.lastHeard > idleTimeoutMs ? 'idle-timeout' : undefined;
  }

  #end(connection: ClientConnection, because: EndedBecause): void {
    this.#unproven.delete(connection);
    this.#onEnd(connection, because);
  }
}
