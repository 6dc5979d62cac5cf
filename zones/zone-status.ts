// How the links to each peer stand, in words. Every change of a plane's state is logged once here and nowhere else;
// a link that keeps failing for the same reason stays silent after the first line.
import { X509Certificate } from 'node:crypto';
import type { Clock } from './clock.ts';
import { skewWords } from './control/hello.ts';
import type { LinkLog, Plane, PlaneStates, PlaneStatus, ZoneStatus } from './peer.ts';
import type { TraversalZone } from './zone-file.ts';

export interface StatusOptions {
  /** Clock difference above which status warns. */
  readonly clockWarnMs: number;
  /** Days before the end of our certificate at which status begins to warn. */
  readonly expiryWarnDays: number;
  /** Compared with what the peer says in its hello. */
  readonly configHash: string;
}

interface PeerState {
  readonly planes: PlaneStates;
  rttMs: number | undefined;
  clockSkewMs: number | undefined;
  configHash: string | undefined;
  warned: string;
}

interface Expiry {
  readonly ends: number;
  readonly warnFromDays: number;
}

const DAY_MS = 86_400_000;

export class StatusBoard {
  readonly #zone: TraversalZone;
  readonly #options: StatusOptions;
  readonly #clock: Clock;
  readonly #log: LinkLog;
  readonly #unborn: string;
  readonly #peers = new Map<string, PeerState>();
  #expiryOf: Expiry;

  /** `unborn` is what each plane says before its first connection; `withXmpp` when messaging is configured. */
  constructor(
    zone: TraversalZone,
    peers: readonly string[],
    unborn: string,
    options: StatusOptions,
    clock: Clock,
    log: LinkLog,
    withXmpp = false,
  ) {
    this.#zone = zone;
    this.#unborn = unborn;
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#expiryOf = expiryOf(zone, options.expiryWarnDays);
    const since = clock.wall();
    const born = (): PlaneStatus => ({ state: 'down', cause: unborn, since });
    for (const peer of peers) {
      const planes = { https: born(), sip: born(), media: born() };
      this.#peers.set(peer, newPeer(withXmpp ? { ...planes, xmpp: born() } : planes));
    }
  }

  /** Records a plane's state. `since` moves and a line is logged only when the state or, while down, the cause changes. */
  set(peer: string, plane: Plane, state: PlaneStatus['state'], cause: string): void {
    const entry = this.#peers.get(peer);
    const before = entry?.planes[plane];
    if (!entry || !before) return;
    if (state === 'connecting' && before.cause !== this.#unborn) return; // a retry is not news; the last cause stays
    if (before.state === state && before.cause === cause) return;
    const since = before.state === state ? before.since : this.#clock.wall();
    entry.planes[plane] = { state, cause, since };
    const fields = { zone: this.#zone.name, peer, plane, cause };
    if (state === 'up' && cause !== '') this.#log.warn(fields, `${plane} link is partly up`);
    else if (state === 'up') this.#log.info(fields, `${plane} link is up`);
    else if (state === 'down') this.#log.warn(fields, `${plane} link is down`);
  }

  /** Shows why someone who claims to be this peer was refused, unless the peer itself is there. Logged where it happened. */
  explain(peer: string, plane: Plane, cause: string): void {
    const entry = this.#peers.get(peer);
    const before = entry?.planes[plane];
    if (!entry || !before || before.state === 'up') return;
    entry.planes[plane] = { ...before, state: 'down', cause };
  }

  /** Our certificate was renewed. */
  renew(zone: TraversalZone): void {
    this.#expiryOf = expiryOf(zone, this.#options.expiryWarnDays);
  }

  setHello(peer: string, configHash: string): void {
    const entry = this.#peers.get(peer);
    if (entry) entry.configHash = configHash;
    this.#warn(peer);
  }

  setMeasured(peer: string, rttMs: number, clockSkewMs: number): void {
    const entry = this.#peers.get(peer);
    if (!entry) return;
    entry.rttMs = rttMs;
    entry.clockSkewMs = clockSkewMs;
    this.#warn(peer);
  }

  /** What was measured on a link that has ended is no longer known. */
  forget(peer: string): void {
    const entry = this.#peers.get(peer);
    if (entry) Object.assign(entry, { rttMs: undefined, clockSkewMs: undefined, configHash: undefined });
  }

  all(): readonly ZoneStatus[] {
    return [...this.#peers].map(([peer, entry]) => ({
      zone: this.#zone.name,
      zoneId: this.#zone.id,
      peer,
      planes: { ...entry.planes },
      warnings: this.#warnings(entry),
      rttMs: entry.rttMs,
      clockSkewMs: entry.clockSkewMs,
      peerConfigHash: entry.configHash,
    }));
  }

  #warn(peer: string): void {
    const entry = this.#peers.get(peer);
    if (!entry) return;
    // the digits of a skew wander; only a new kind of warning is news
    const warnings = this.#warnings(entry);
    const kinds = warnings.map((words) => words.replace(/\d+/g, '#')).join('; ');
    if (kinds !== entry.warned && kinds !== '')
      this.#log.warn({ peer, zone: this.#zone.name }, warnings.join('; '));
    entry.warned = kinds;
  }

  #warnings(entry: PeerState): string[] {
    const { clockWarnMs, configHash } = this.#options;
    const skew = entry.clockSkewMs === undefined ? undefined : skewWords(entry.clockSkewMs, clockWarnMs);
    const differs = entry.configHash !== undefined && entry.configHash !== configHash;
    return [
      skew,
      differs ? 'the two sides run different zone configurations' : undefined,
      this.#expiry(),
    ].filter((words) => words !== undefined);
  }

  #expiry(): string | undefined {
    const { ends, warnFromDays } = this.#expiryOf;
    const days = (ends - this.#clock.wall()) / DAY_MS;
    if (days >= warnFromDays) return undefined;
    const name = this.#zone.self.name;
    if (days <= 0) return `the certificate of ${name} has expired: renew it with viaduct renew`;
    return `the certificate of ${name} ends in ${Math.floor(days)} days: renew it with viaduct renew`;
  }
}

/** A short life is no reason to warn from birth: the last third of it is, at most `expiryWarnDays`. */
function expiryOf(zone: TraversalZone, expiryWarnDays: number): Expiry {
  const { validFromDate, validToDate } = new X509Certificate(zone.identity.certificate);
  const lifeDays = (validToDate.getTime() - validFromDate.getTime()) / DAY_MS;
  return { ends: validToDate.getTime(), warnFromDays: Math.min(expiryWarnDays, lifeDays / 3) };
}

function newPeer(planes: PlaneStates): PeerState {
  return { planes, rttMs: undefined, clockSkewMs: undefined, configHash: undefined, warned: '' };
}
