// One edge as core's media room knows it: its control channel while that lives, and a link per media port.
// The links outlive the control channel, so media goes on while SSH is away; when it returns the links are announced
// again with fresh keys and the sessions claimed by name.
import type { EngineEvent, MediaEngine, PortPairs } from '../../media/index.ts';
import { claimReply, MAX_CLAIMS, MAX_LINKS } from '../../zones/media-link/index.ts';
import type { CoreMediaOptions, EdgeControl } from './core-media-options.ts';
import { EdgeLink } from './edge-link.ts';
import { MediaRefusal } from './media-refusal.ts';

export class EdgeSide {
  readonly name: string;
  readonly #engine: MediaEngine;
  readonly #ports: PortPairs;
  readonly #options: CoreMediaOptions;
  readonly #epoch: string;
  #links: EdgeLink[] = [];
  #control: EdgeControl | undefined;
  #closed = false;

  constructor(name: string, epoch: string, engine: MediaEngine, ports: PortPairs, options: CoreMediaOptions) {
    this.name = name;
    this.#epoch = epoch;
    this.#engine = engine;
    this.#ports = ports;
    this.#options = options;
  }

  /**
   * The control channel is up: announces the links and claims `sessions`. Resolves the sessions that edge no longer
   * has. Rejects when edge cannot be located, a port cannot be bound, or the channel fails meanwhile.
   */
  async connect(control: EdgeControl, sessions: () => readonly string[]): Promise<string[]> {
    this.#control = control;
    if (this.#links.length === 0) await this.#dial();
    for (const link of this.#links) await link.announce(control);
    return this.#claim(control, sessions());
  }

  /** Is this the control channel in use? False once it is gone or replaced. */
  isCurrent(control: EdgeControl): boolean {
    return this.#control === control && !this.#closed;
  }

  disconnected(): void {
    this.#control = undefined;
  }

  async #dial(): Promise<void> {
    const place = await this.#options.locateEdge(this.name);
    if (place === undefined) throw new MediaRefusal('no-link', 'Edge unknown');
    // One link per port of edge, so that all its shards have work; one per shard of ours, so that all of these have.
    const count = Math.min(MAX_LINKS, Math.max(place.ports.length, this.#engine.shards));
    const links = Array.from({ length: count }, (_, shard) => {
      const remote = { address: place.address, port: place.ports[shard % place.ports.length]! };
      const own = { shard, epoch: this.#epoch, remote, onState: () => this.#report() };
      return new EdgeLink(this.#engine, this.#ports, this.#options, own);
    });
    try {
      for (const link of links) await link.dial();
    } catch (error) {
      for (const link of links) link.close();
      throw error;
    }
    if (this.#closed || this.#links.length > 0) for (const link of links) link.close();
    else this.#links = links;
  }

  async #claim(control: EdgeControl, sessions: readonly string[]): Promise<string[]> {
    const parts: Promise<unknown>[] = [];
    for (let start = 0; start === 0 || start < sessions.length; start += MAX_CLAIMS) {
      const part = sessions.slice(start, start + MAX_CLAIMS);
      const last = start + MAX_CLAIMS >= sessions.length;
      // All parts leave in this tick: a session opened later must not fall between them.
      parts.push(
        control.request('media.claim', { epoch: this.#epoch, sessions: part, last }, this.#deadline()),
      );
    }
    const replies = await Promise.all(parts);
    return replies.flatMap((reply) => claimReply.parse(reply).unknown);
  }

  /** The live link with the fewest streams. Throws MediaRefusal `no-link`. */
  bestLink(): EdgeLink {
    const [first, ...rest] = this.#links.filter((link) => link.up);
    if (first === undefined || this.#control === undefined)
      throw new MediaRefusal('no-link', 'Media link down');
    return rest.reduce((best, link) => (link.streams < best.streams ? link : best), first);
  }

  /** Asks edge. Rejects MediaRefusal `no-link` without a control channel, `edge-refused` on any failure. */
  async request(type: string, body: unknown): Promise<unknown> {
    if (this.#control === undefined) throw new MediaRefusal('no-link', 'Media link down');
    try {
      return await this.#control.request(type, body, this.#deadline());
    } catch (error) {
      throw new MediaRefusal('edge-refused', 'Media not available', { cause: error });
    }
  }

  #deadline(): { timeoutMs: number } {
    return { timeoutMs: this.#options.requestTimeoutMs };
  }

  /** A STUN message on a trunk port; true when one of these links took it. */
  hear(event: EngineEvent & { readonly type: 'stun' }): boolean {
    return this.#links.some((link) => link.hear(event));
  }

  #report(): void {
    const isUp = this.#links.some((link) => link.up);
    const missing = [...new Set(this.#links.filter((link) => link.missing).map((link) => link.remote.port))];
    const words = `no answer from UDP ${missing.join(' and ')} of ${this.name}: is it open from core to edge?`;
    const cause = missing.length === 0 ? '' : `${isUp ? 'partly up: ' : ''}${words}`;
    this.#options.reportMedia(this.name, { state: isUp ? 'up' : 'down', cause });
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links) link.close();
    this.#links = [];
  }

  status(): object {
    return {
      edge: this.name,
      control: this.#control !== undefined,
      links: this.#links.map((link) => link.status()),
    };
  }
}
