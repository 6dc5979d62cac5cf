// What an operator is told of the packet engine: threads that died or stand still, sockets that the kernel refuses, a
// clock that was set. Each by name in the log, the counters and the status. Bounded: one line per errno and ten seconds,
// the errnos of a machine.
import type { EngineEvent } from './engine.ts';

export interface EngineWatchOptions {
  readonly now: () => number;
  readonly log: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
  readonly count: (event: string, reason?: string) => void;
}

interface PortFailures {
  times: number;
  /** When the log was told last, and how many there were then. */
  toldAt: number;
  told: number;
}

const SAME_LINE_MS = 10_000;
const MAX_CODES = 32;
/** What an operator can do about an errno of a socket. */
const HINTS: Readonly<Record<string, string>> = {
  ENETDOWN: 'the interface is down; media goes on when it is up again',
  ENETUNREACH: 'there is no route, the interface may be down; media goes on when it is back',
  EHOSTUNREACH: 'the address cannot be reached; media goes on when it can',
  EADDRNOTAVAIL: 'the address is not on this machine any more; media goes on when it is back',
  EPERM: 'a firewall of this machine drops what we send',
  ENOBUFS: 'the kernel has no memory for packets',
};

export class EngineWatch {
  readonly #options: EngineWatchOptions;
  readonly #failures = new Map<string, PortFailures>();
  readonly #stuck = new Set<number>();
  #restarts = 0;
  #exhausted = 0;
  #exhaustedToldAt = -Infinity;

  constructor(options: EngineWatchOptions) {
    this.#options = options;
  }

  /** Takes an event of the engine; those about flows and links are not its business. */
  hear(event: EngineEvent): void {
    if (event.type === 'port-failed') return this.#portFailed(event.code);
    if (event.type === 'shard') return this.#shard(event);
    if (event.type !== 'clock-step') return;
    const { log, count } = this.#options;
    count('clock-step', event.byMs > 0 ? 'ahead' : 'back');
    log.warn(
      { byMs: event.byMs },
      'the time of day was set; media minds it not, certificates and tokens may',
    );
  }

  /** A call was refused because every port of the range is lent. The others never notice. */
  portsExhausted(range: { readonly firstPort: number; readonly lastPort: number }): void {
    const { now, log } = this.#options;
    this.#exhausted += 1;
    if (now() - this.#exhaustedToldAt < SAME_LINE_MS) return;
    this.#exhaustedToldAt = now();
    const ports = `${range.firstPort}-${range.lastPort}`;
    log.warn(
      { ports, refusals: this.#exhausted },
      'all media ports are lent: calls are refused until one ends; widen media.ports',
    );
  }

  #portFailed(code: string): void {
    const { now, log, count } = this.#options;
    const known = this.#failures.get(code);
    count('media-port', 'failed');
    if (known === undefined && this.#failures.size >= MAX_CODES) return;
    const failures = known ?? { times: 0, toldAt: -Infinity, told: 0 };
    this.#failures.set(code, failures);
    failures.times += 1;
    if (now() - failures.toldAt < SAME_LINE_MS) return;
    const since = failures.times - failures.told;
    failures.toldAt = now();
    failures.told = failures.times;
    log.warn({ code, since, hint: HINTS[code] }, 'media sockets are refused by the kernel');
  }

  #shard({ shard, state, cause }: EngineEvent & { readonly type: 'shard' }): void {
    const { log, count } = this.#options;
    count('media-shard', state);
    if (state === 'stuck') this.#stuck.add(shard);
    else this.#stuck.delete(shard);
    if (state === 'restarted') this.#restarts += 1;
    const words = {
      restarted:
        'a media thread died and was given anew: flows and keys are as they were, a few packets are lost',
      stuck: 'a media thread stands still: its calls are silent',
      running: 'a media thread moves again',
    };
    if (state === 'running') log.info({ shard }, words[state]);
    else log.warn({ shard, cause }, words[state]);
  }

  /** For the status page. */
  status(): object {
    const portFailures = Object.fromEntries([...this.#failures].map(([code, { times }]) => [code, times]));
    return {
      threadRestarts: this.#restarts,
      threadsStuck: [...this.#stuck],
      portFailures,
      refusedForPorts: this.#exhausted,
    };
  }
}
