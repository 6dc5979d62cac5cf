// What became of one request, as one log line when it is over: who asked for what, which rule let it in or came
// nearest, and how it ended. Query strings are left out, they may hold secrets.
import type { AllowRule, Listing } from '../../auth/index.ts';
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
  readonly #trace: Trace;
  readonly #peer: string;
  // One member each: a line of one shape is several times cheaper than one put together field by field.
  #request: string | undefined;
  #domain: string | undefined;
  #deployment: string | undefined;
  #reason: string | undefined;
  #detail: string | undefined;
  #user: string | undefined;
  #claimedUser: string | undefined;
  #rule: AllowRule | undefined;
  #event = 'Request Rejected';
  #written = false;

  constructor(exchange: ServerExchange, trace: Trace, peer: string, log: RequestLog, now: () => number) {
    this.#exchange = exchange;
    this.#log = log;
    this.#now = now;
    this.#startedMs = now();
    this.#trace = trace;
    this.#peer = peer;
  }

  /** Names the request's target; `path` without query. */
  target(request: string, domain: string, deployment: string): void {
    this.#request = request;
    this.#domain = domain;
    this.#deployment = deployment;
  }

  allowed(reason: string, detail: string): void {
    this.#conclude('Request Allowed', reason, detail);
  }

  rejected(reason: string, detail: string): void {
    this.#conclude('Request Rejected', reason, detail);
  }

  failed(reason: string, detail: string): void {
    this.#conclude('Request Failed', reason, detail);
  }

  user(user: string | undefined): void {
    if (user !== undefined) this.#user = user;
  }

  /** A user id that was sent but not proven. */
  claimed(user: string | undefined): void {
    if (user !== undefined) this.#claimedUser = user;
  }

  /** The rule that decided, or the nearest one. */
  listing(listing: Listing | undefined): void {
    if (listing === undefined) return;
    this.#rule = listing.outcome === 'listed' ? listing.rule : listing.nearest;
  }

  write(): void {
    if (this.#written) return;
    this.#written = true;
    const { request, status, bytesOut } = this.#exchange;
    const rule = this.#rule;
    const line = {
      event: this.#event,
      trackingId: this.#trace.trackingId,
      peer: this.#peer,
      client: this.#trace.clientAddress,
      method: request.method,
      request: this.#request,
      domain: this.#domain,
      deployment: this.#deployment,
      user: this.#user,
      claimedUser: this.#claimedUser,
      reason: this.#reason,
      detail: this.#detail,
      rule: rule?.path,
      match: rule?.match,
      type: rule?.type,
      status,
      bytesOut,
      ms: Math.round((this.#now() - this.#startedMs) * 10) / 10,
    };
    this.#log.info(line, this.#event);
  }

  #conclude(event: string, reason: string, detail: string): void {
    this.#event = event;
    this.#reason = reason;
    this.#detail = detail;
  }
}
