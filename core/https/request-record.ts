// What became of one request, as one log line when it is over: who asked for what, which rule let it in or came
// nearest, and how it ended. Query strings are left out, they may hold secrets.
import type { Listing } from '../../auth/index.ts';
import type { ServerExchange } from '../../http/index.ts';
import type { Trace } from './trace.ts';

export interface RequestLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** Collects what is known of a request until it is written, once. */
export class RequestRecord {
  readonly #exchange: ServerExchange;
  readonly #log: RequestLog;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #fields: Record<string, unknown>;
  #event = 'Request Rejected';
  #written = false;

  constructor(exchange: ServerExchange, trace: Trace, peer: string, log: RequestLog, now: () => number) {
    this.#exchange = exchange;
    this.#log = log;
    this.#now = now;
    this.#startedMs = now();
    this.#fields = {
      trackingId: trace.trackingId,
      peer,
      client: trace.clientAddress,
      method: exchange.request.method,
    };
  }

  /** Names the request's target; `path` without query. */
  target(request: string, domain: string, deployment: string): void {
    Object.assign(this.#fields, { request, domain, deployment });
  }

  allowed(reason: string, detail: string): void {
    this.#event = 'Request Allowed';
    Object.assign(this.#fields, { reason, detail });
  }

  rejected(reason: string, detail: string): void {
    this.#event = 'Request Rejected';
    Object.assign(this.#fields, { reason, detail });
  }

  failed(reason: string, detail: string): void {
    this.#event = 'Request Failed';
    Object.assign(this.#fields, { reason, detail });
  }

  user(user: string | undefined): void {
    if (user !== undefined) this.#fields['user'] = user;
  }

  /** A user id that was sent but not proven. */
  claimed(user: string | undefined): void {
    if (user !== undefined) this.#fields['claimedUser'] = user;
  }

  /** The rule that decided, or the nearest one. */
  listing(listing: Listing | undefined): void {
    if (listing === undefined) return;
    const rule = listing.outcome === 'listed' ? listing.rule : listing.nearest;
    if (rule !== undefined)
      Object.assign(this.#fields, { rule: rule.path, match: rule.match, type: rule.type });
  }

  write(): void {
    if (this.#written) return;
    this.#written = true;
    const { status, bytesOut } = this.#exchange;
    const ms = Math.round((this.#now() - this.#startedMs) * 10) / 10;
    this.#log.info({ event: this.#event, ...this.#fields, status, bytesOut, ms }, this.#event);
  }
}
