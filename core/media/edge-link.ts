// One media link to one edge: a UDP socket that dials the edge's media port, a hello on it each 1.5 s, the state that
// its answers give, and the channels in use. Trusts an answer by its seal only; the key is fresh for each control
// connection. A link that stays dead is dialled from a fresh port, as a NAT or firewall may have lost the old one.
import {
  FIRST_CHANNEL,
  LAST_CHANNEL,
  WANTED_TRUNK_BUFFER_BYTES,
  type BoundPair,
  type EngineEvent,
  type LinkId,
  type MediaEngine,
  type PortPairs,
} from '../../media/index.ts';
import type { TransportAddress } from '../../turn/index.ts';
import { linkReply, parseHelloAnswer, printHello } from '../../zones/media-link/index.ts';
import type { CoreMediaOptions, EdgeControl } from './core-media-options.ts';
import { MediaRefusal } from './media-refusal.ts';

const SMALL_BUFFER =
  'the kernel gives the media link a small receive buffer: for more than about 200 calls set net.core.rmem_max to 4194304';

export interface EdgeLinkOptions {
  /** Its number among the links to this edge. */
  readonly shard: number;
  readonly epoch: string;
  readonly remote: TransportAddress;
  readonly onState: () => void;
}

export class EdgeLink {
  readonly name: string;
  readonly shard: number;
  readonly remote: TransportAddress;
  readonly #engine: MediaEngine;
  readonly #ports: PortPairs;
  readonly #options: CoreMediaOptions;
  readonly #own: EdgeLinkOptions;
  readonly #channels = new Set<number>();
  #nextChannel = FIRST_CHANNEL;
  #bound: BoundPair | undefined;
  #link: LinkId | undefined;
  #key: Buffer | undefined;
  #edgeShards = 0;
  #counter = 0n;
  #answeredAt = -Infinity;
  #announcedAt = 0;
  #missing = false;
  #dialledAt = 0;
  #rebinding = false;
  #up = false;
  #closed = false;
  #cancelTick: () => void = () => {};

  constructor(engine: MediaEngine, ports: PortPairs, options: CoreMediaOptions, own: EdgeLinkOptions) {
    this.#engine = engine;
    this.#ports = ports;
    this.#options = options;
    this.#own = own;
    this.name = options.randomBytes(16).toString('hex');
    this.shard = own.shard;
    this.remote = own.remote;
  }

  /** The shard of the engine that carries it. */
  get engineShard(): number {
    return this.shard % this.#engine.shards;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Without an answer for longer than the dead time; a link that has just been announced is not. */
  get missing(): boolean {
    return this.#missing;
  }

  get streams(): number {
    return this.#channels.size;
  }

  /** The engine's handle. Throws MediaRefusal `no-link` before the link has been dialled. */
  get handle(): LinkId {
    if (this.#link === undefined) throw new MediaRefusal('no-link', 'Media link down');
    return this.#link;
  }

  /** Binds a socket. Rejects PortPoolError or EngineError. */
  async dial(): Promise<void> {
    const bound = await this.#ports.open(false, 'trunk', this.engineShard);
    if (this.#closed) return this.#ports.close(bound);
    if (bound.receiveBufferBytes < WANTED_TRUNK_BUFFER_BYTES && this.#bound === undefined) {
      const { receiveBufferBytes } = bound;
      this.#options.log.warn({ shard: this.shard, receiveBufferBytes }, SMALL_BUFFER);
    }
    const former = this.#bound;
    this.#bound = bound;
    this.#dialledAt = this.#options.now();
    if (this.#link === undefined) this.#link = this.#engine.addLink(bound.rtp, this.remote);
    else this.#engine.setLinkPort(this.#link, bound.rtp);
    if (former !== undefined) this.#ports.close(former);
  }

  /** Tells edge of the link and its key, then starts the hellos. Resolves whether edge did not know it. */
  async announce(control: EdgeControl): Promise<boolean> {
    const key = this.#options.randomBytes(32);
    const { epoch } = this.#own;
    const { shards } = this.#engine;
    const body = { epoch, shard: this.shard, shards, link: this.name, key: key.toString('base64') };
    const reply = await control.request('media.link', body, { timeoutMs: this.#options.requestTimeoutMs });
    const { fresh, shards: edgeShards } = linkReply.parse(reply);
    this.#edgeShards = edgeShards;
    this.#key = key;
    this.#announcedAt = this.#options.now();
    this.#cancelTick();
    this.#tick();
    return fresh;
  }

  #tick(): void {
    if (this.#closed) return;
    this.#sendHello();
    this.#judge();
    this.#cancelTick = this.#options.after(this.#options.helloIntervalMs, () => this.#tick());
  }

  #sendHello(): void {
    if (this.#key === undefined || this.#bound === undefined) return;
    const hello = printHello(this.name, this.#key, ++this.#counter, this.#options.randomBytes(4));
    this.#engine.sendStun(this.#bound.rtp, hello, this.remote);
  }

  #judge(): void {
    const now = this.#options.now();
    const heardAt = Math.max(this.#answeredAt, this.#announcedAt);
    if (!this.#missing && now - heardAt > this.#options.linkDeadMs) this.#lose();
    const since = Math.max(this.#answeredAt, this.#dialledAt);
    if (!this.#up && now - since > this.#options.linkRebindMs && !this.#rebinding) this.#rebind();
  }

  #rebind(): void {
    this.#rebinding = true;
    this.#options.count('media-link', 'rebound');
    this.dial()
      .catch((error: unknown) => this.#options.log.warn({ err: error }, 'media link cannot be dialled again'))
      .finally(() => {
        this.#rebinding = false;
      });
  }

  /** A STUN message on one of our trunk ports. True when it was for this link. */
  hear(event: EngineEvent & { readonly type: 'stun' }): boolean {
    if (event.port !== this.#bound?.rtp) return false;
    const { address, port } = event.source;
    const counter =
      this.#key !== undefined && address === this.remote.address && port === this.remote.port
        ? parseHelloAnswer(event.bytes, this.#key)
        : undefined;
    if (counter === undefined || counter > this.#counter || counter < this.#counter - 2n) {
      this.#options.count('media-hello-refused', 'bad-answer');
    } else {
      this.#answeredAt = this.#options.now();
      this.#missing = false;
      if (!this.#up) this.#become(true);
    }
    return true;
  }

  #lose(): void {
    this.#missing = true;
    if (this.#up) this.#become(false);
    else this.#own.onState();
  }

  #become(up: boolean): void {
    this.#up = up;
    this.#options.count('media-link', up ? 'up' : 'down');
    this.#own.onState();
  }

  /** A channel that no flow uses. Throws MediaRefusal `no-link` when all 49,152 are in use. */
  acquireChannel(): number {
    for (let tries = 0; tries <= LAST_CHANNEL - FIRST_CHANNEL; tries++) {
      const channel = this.#nextChannel;
      this.#nextChannel = channel === LAST_CHANNEL ? FIRST_CHANNEL : channel + 1;
      if (this.#channels.has(channel)) continue;
      this.#channels.add(channel);
      return channel;
    }
    throw new MediaRefusal('no-link', 'Media link full');
  }

  releaseChannel(channel: number): void {
    this.#channels.delete(channel);
  }

  close(): void {
    this.#closed = true;
    this.#cancelTick();
    if (this.#link !== undefined) this.#engine.removeLink(this.#link);
    if (this.#bound !== undefined) this.#ports.close(this.#bound);
    this.#bound = undefined;
    this.#up = false;
  }

  status(): object {
    const { remote, shard, streams, up } = this;
    const shards = { core: this.#engine.shards, edge: this.#edgeShards };
    return {
      shard,
      shards,
      up,
      remote,
      streams,
      counters: this.#link && this.#engine.linkCounters(this.#link),
    };
  }
}
