// Connections to one server, reused (RFC 9112 §9.3): the most recently used idle one first, new ones up to a limit,
// requests beyond it wait in a bounded queue. A connection that dies, or sends what nobody asked for, just leaves.
import type { Duplex } from 'node:stream';
import { type ClientLimits, HttpClientConnection } from './client-connection.ts';
import type { Deadlines } from './deadlines.ts';
import { HttpError } from './http-error.ts';

export interface ClientPoolOptions {
  /** Opens a stream to the server; a rejection becomes 502 for the request that asked. */
  readonly open: () => Promise<Duplex>;
  readonly limits: ClientLimits;
  readonly deadlines: Deadlines;
  /** Connections, idle and busy and being opened together. */
  readonly maxConnections: number;
  /** Requests waiting for a connection. */
  readonly maxWaiting: number;
  readonly waitMs: number;
  /** An idle connection is closed after this. */
  readonly idleMs: number;
}

/** Gets a connection, or the reason why there is none. Called exactly once, unless cancelled. */
export type Acquired = (connection: HttpClientConnection | undefined, error: HttpError | undefined) => void;

interface Waiter {
  readonly done: Acquired;
  readonly untilMs: number;
}

/** The connections to one server. */
export class ClientPool {
  readonly #options: ClientPoolOptions;
  /** Most recently used last. */
  readonly #idle: { connection: HttpClientConnection; sinceMs: number }[] = [];
  readonly #open = new Set<HttpClientConnection>();
  readonly #waiting = new Set<Waiter>();
  #opening = 0;
  #closed = false;

  constructor(options: ClientPoolOptions) {
    this.#options = options;
    options.deadlines.add(this);
  }

  /** Connections that exist or are being opened. */
  get size(): number {
    return this.#open.size + this.#opening;
  }

  get idle(): number {
    return this.#idle.length;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether a request would have to wait. */
  get full(): boolean {
    return this.#idle.length === 0 && this.size >= this.#options.maxConnections;
  }

  /** Asks for a connection: at once when one is idle. Returns a function that withdraws the request. */
  acquire(done: Acquired): () => void {
    if (this.#closed) {
      done(undefined, new HttpError(502, 'no-next-hop', 'link closed'));
      return () => undefined;
    }
    const connection = this.#takeIdle();
    if (connection !== undefined) {
      done(connection, undefined);
      return () => undefined;
    }
    return this.#wait(done);
  }

  /** Like `acquire`, but never an idle connection: for repeating a request whose pooled connection was dead. */
  acquireFresh(done: Acquired): () => void {
    for (const { connection } of this.#idle.splice(0)) connection.destroy(stale());
    return this.acquire(done);
  }

  /** Closes every connection and refuses every request. */
  close(reason: HttpError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.deadlines.delete(this);
    this.#refuseAll(reason);
    for (const connection of this.#open) connection.destroy(reason);
  }

  /** For Deadlines. */
  expire(nowMs: number): void {
    while (this.#idle[0] !== undefined && nowMs - this.#idle[0].sinceMs >= this.#options.idleMs) {
      this.#idle.shift()?.connection.destroy(stale());
    }
    for (const waiter of this.#waiting) {
      if (nowMs < waiter.untilMs) break;
      this.#waiting.delete(waiter);
      waiter.done(undefined, new HttpError(503, 'overloaded', 'no connection became free in time'));
    }
  }

  #takeIdle(): HttpClientConnection | undefined {
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      if (entry.connection.idle) return entry.connection;
    }
    return undefined;
  }

  #wait(done: Acquired): () => void {
    if (this.#waiting.size >= this.#options.maxWaiting) {
      done(undefined, new HttpError(503, 'overloaded', 'too many requests wait for a connection'));
      return () => undefined;
    }
    const waiter: Waiter = { done, untilMs: this.#options.deadlines.nowMs + this.#options.waitMs };
    this.#waiting.add(waiter);
    this.#openMore();
    return () => this.#waiting.delete(waiter);
  }

  #openMore(): void {
    while (this.#opening < this.#waiting.size && this.size < this.#options.maxConnections && !this.#closed) {
      this.#opening++;
      this.#options.open().then(
        (stream) => this.#opened(stream),
        (cause: unknown) => this.#failed(cause),
      );
    }
  }

  #opened(stream: Duplex): void {
    this.#opening--;
    if (this.#closed) {
      stream.on('error', () => undefined);
      stream.destroy();
      return;
    }
    const connection = new HttpClientConnection(stream, {
      limits: this.#options.limits,
      deadlines: this.#options.deadlines,
      onIdle: (idle) => this.#release(idle),
      onClose: (closed) => this.#gone(closed),
    });
    this.#open.add(connection);
    this.#release(connection);
  }

  /** One failure answers one request: the others may still get a connection that becomes free. */
  #failed(cause: unknown): void {
    this.#opening--;
    const error = new HttpError(502, 'no-next-hop', 'connection could not be opened', { cause });
    const first = this.#nextWaiter();
    first?.done(undefined, error);
    if (this.size === 0) this.#refuseAll(error);
  }

  #release(connection: HttpClientConnection): void {
    const waiter = this.#nextWaiter();
    if (waiter !== undefined) waiter.done(connection, undefined);
    else this.#idle.push({ connection, sinceMs: this.#options.deadlines.nowMs });
  }

  #gone(connection: HttpClientConnection): void {
    this.#open.delete(connection);
    const at = this.#idle.findIndex((entry) => entry.connection === connection);
    if (at >= 0) this.#idle.splice(at, 1);
    this.#openMore();
  }

  #nextWaiter(): Waiter | undefined {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      return waiter;
    }
    return undefined;
  }

  #refuseAll(error: HttpError): void {
    for (let waiter = this.#nextWaiter(); waiter !== undefined; waiter = this.#nextWaiter())
      waiter.done(undefined, error);
  }
}

function stale(): HttpError {
  return new HttpError(502, 'connection-lost', 'idle connection closed');
}
