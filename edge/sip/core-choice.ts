// Which core a request goes to: the one that the next Route names, the one that this client's registration is at,
// else each in turn. A link that is down is never chosen. No I/O; the caller sends.
import type { CoreLink } from './core-link.ts';

/** The zone that a `zone-id` names, and the core that the Route would like. */
export interface CoreWish {
  readonly zoneId: number | undefined;
  readonly coreName: string | undefined;
}

export type CoreChoice =
  | { readonly kind: 'link'; readonly link: CoreLink }
  | { readonly kind: 'unknown-zone' }
  | { readonly kind: 'none-up' };

export class CoreChooser {
  readonly #links = new Map<string, CoreLink>();
  /** Names of cores that have been here: what bounds it is the zone files, only paired cores get a link. */
  readonly #seen = new Set<string>();
  readonly #zones: readonly { readonly name: string; readonly zoneId: number }[];
  #turn = 0;

  constructor(zones: readonly { readonly name: string; readonly zoneId: number }[]) {
    this.#zones = zones;
  }

  /** A fresh link of a core replaces the old one; returns the one replaced. */
  add(link: CoreLink): CoreLink | undefined {
    const before = this.#links.get(link.peer.name);
    this.#links.set(link.peer.name, link);
    this.#seen.add(link.peer.name);
    return before;
  }

  remove(link: CoreLink): void {
    if (this.#links.get(link.peer.name) === link) this.#links.delete(link.peer.name);
  }

  links(): Iterable<CoreLink> {
    return this.#links.values();
  }

  byName(name: string): CoreLink | undefined {
    return this.#links.get(name);
  }

  /** Whether a core that was here is away. */
  get isMissing(): boolean {
    return this.#seen.size > this.#links.size;
  }

  /**
   * `sticky` is the core that this client used last. REGISTER may move to the core its Route names. What `waits` rather
   * stays with its own core (it alone knows the call) than go to another.
   */
  choose(wish: CoreWish, sticky: string | undefined, register: boolean, waits = false): CoreChoice {
    if (wish.zoneId !== undefined && !this.#zones.some((zone) => zone.zoneId === wish.zoneId)) {
      return { kind: 'unknown-zone' };
    }
    const zoneId = wish.zoneId ?? (this.#zones.length === 1 ? this.#zones[0]?.zoneId : undefined);
    const named = this.#up(wish.coreName, zoneId);
    const held = this.#up(sticky, zoneId);
    const own = register ? (named ?? held) : (held ?? named);
    if (own === undefined && waits && this.#isAway(sticky, wish.coreName)) return { kind: 'none-up' };
    const link = own ?? this.#inTurn(zoneId);
    return link === undefined ? { kind: 'none-up' } : { kind: 'link', link };
  }

  #isAway(...names: readonly (string | undefined)[]): boolean {
    return names.some((name) => name !== undefined && this.#seen.has(name) && !this.#links.has(name));
  }

  #up(name: string | undefined, zoneId: number | undefined): CoreLink | undefined {
    const link = name === undefined ? undefined : this.#links.get(name);
    return link !== undefined && (zoneId === undefined || link.peer.zoneId === zoneId) ? link : undefined;
  }

  #inTurn(zoneId: number | undefined): CoreLink | undefined {
    const links = [...this.#links.values()].filter(
      (link) => zoneId === undefined || link.peer.zoneId === zoneId,
    );
    return links.length === 0 ? undefined : links[this.#turn++ % links.length];
  }
}
