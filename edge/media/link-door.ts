// The door for core's media links on UDP 2776/2777: who may use a 5-tuple, and when it moves.
// Trusts nothing from the wire but a hello sealed with a key that core sent over the control channel, with a counter
// higher than any before. Silent to everyone else. Bounded: one link per core and shard.
import {
  WANTED_TRUNK_BUFFER_BYTES,
  type EngineEvent,
  type LinkId,
  type MediaEngine,
  type PortId,
} from '../../media/index.ts';
import type { TransportAddress } from '../../turn/index.ts';
import { isSealed, parseHello, printHelloAnswer, type LinkRequest } from '../../zones/media-link/index.ts';
import { EdgeMediaRefusal, type EdgeMediaOptions } from './edge-media-options.ts';

const SMALL_BUFFER =
  'the kernel gives the media link a small receive buffer: for more than about 200 calls set net.core.rmem_max to 4194304';

interface LinkRecord {
  readonly name: string;
  readonly core: string;
  readonly epoch: string;
  readonly shard: number;
  /** In the engine since its first hello, on the shard of the port that this came to. */
  engineLink: LinkId | undefined;
  /** The link port that its last hello came to. */
  port: PortId;
  key: Buffer;
  counter: bigint;
  remote: TransportAddress | undefined;
  /** When its last hello came, or it was announced. */
  heardAt: number;
  up: boolean;
  /** Silent for longer than the dead time, and reported so. */
  missing: boolean;
}

export class LinkDoor {
  readonly #engine: MediaEngine;
  readonly #options: EdgeMediaOptions;
  readonly #ports: PortId[] = [];
  /** Shard of each port, in the order of the ports. */
  readonly #shards = new Map<PortId, number>();
  readonly #records = new Map<string, LinkRecord>();
  readonly bound: TransportAddress[] = [];

  constructor(engine: MediaEngine, options: EdgeMediaOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  async listen(): Promise<void> {
    for (const [index, port] of this.#options.linkPorts.entries()) {
      const bind = { address: this.#options.linkAddress, port };
      const shard = index % this.#engine.shards;
      const opened = await this.#engine.openPort({ bind, use: 'trunk', shard });
      const { id, bound, receiveBufferBytes } = opened;
      this.#ports.push(id);
      this.#shards.set(id, shard);
      this.bound.push(bound);
      if (receiveBufferBytes < WANTED_TRUNK_BUFFER_BYTES) {
        this.#options.log.warn({ port: bound.port, receiveBufferBytes }, SMALL_BUFFER);
      }
    }
  }

  /** Core announces a link. Replaces the one that this core had on the shard. Returns whether it is new here. */
  announce(core: string, request: LinkRequest): { fresh: boolean } {
    const known = this.#records.get(request.link);
    const key = Buffer.from(request.key, 'base64');
    if (known !== undefined) {
      if (known.core !== core) throw new EdgeMediaRefusal('foreign-link', 'this link is another core’s');
      known.key = key;
      return { fresh: false };
    }
    const port = this.#ports[request.shard % Math.max(1, this.#ports.length)];
    if (port === undefined) throw new EdgeMediaRefusal('closed', 'edge has no media link port');
    for (const old of this.#of(core)) if (old.shard === request.shard) this.#remove(old);
    this.#records.set(request.link, {
      name: request.link,
      core,
      epoch: request.epoch,
      shard: request.shard,
      engineLink: undefined,
      port,
      key,
      counter: -1n,
      remote: undefined,
      heardAt: this.#options.now(),
      up: false,
      missing: false,
    });
    return { fresh: true };
  }

  /**
   * The engine's handle of a core's link, and the shard that it is of: its own from its first hello on. Throws
   * EdgeMediaRefusal `unknown-link`.
   */
  engineLink(core: string, link: string): { readonly link: LinkId; readonly shard: number } {
    const record = this.#records.get(link);
    if (record?.core !== core) throw new EdgeMediaRefusal('unknown-link', 'no such media link');
    record.engineLink ??= this.#engine.addLink(record.port, undefined);
    return { link: record.engineLink, shard: this.#shards.get(record.port) ?? 0 };
  }

  /** A STUN message on a link port. */
  hello(event: EngineEvent & { readonly type: 'stun' }): void {
    const hello = parseHello(event.bytes);
    if (hello === undefined) return this.#options.count('media-hello-refused', 'malformed');
    const record = this.#records.get(hello.link);
    if (record === undefined) return this.#options.count('media-hello-refused', 'unknown-link');
    if (!isSealed(hello, record.key)) return this.#options.count('media-hello-refused', 'bad-seal');
    if (hello.counter <= record.counter) return this.#options.count('media-hello-refused', 'replayed');
    const moves =
      record.engineLink !== undefined && this.#shards.get(event.port) !== this.#shards.get(record.port);
    // What the link carries is another thread's: it would have to be opened anew.
    if (moves) return this.#options.count('media-hello-refused', 'wrong-shard');
    record.counter = hello.counter;
    this.#heard(record, event.port, event.source);
    this.#engine.sendStun(event.port, printHelloAnswer(hello, record.key, event.source), event.source);
  }

  #heard(record: LinkRecord, port: PortId, source: TransportAddress): void {
    record.heardAt = this.#options.now();
    if (record.engineLink === undefined) record.engineLink = this.#engine.addLink(port, undefined);
    else if (record.port !== port) this.#engine.setLinkPort(record.engineLink, port);
    record.port = port;
    const moved = record.remote?.address !== source.address || record.remote.port !== source.port;
    if (moved) {
      this.#options.log.info(
        { core: record.core, shard: record.shard, source },
        'media link proven at this address',
      );
      record.remote = source;
      this.#engine.setLinkRemote(record.engineLink, source);
    }
    if (record.up) return;
    record.up = true;
    record.missing = false;
    this.#report(record.core);
  }

  /** Looks for links that have fallen silent, or never spoke; called from time to time. */
  sweep(): void {
    const deadline = this.#options.now() - this.#options.linkDeadMs;
    for (const record of this.#records.values()) {
      if (record.missing || record.heardAt > deadline) continue;
      record.up = false;
      record.missing = true;
      this.#report(record.core);
    }
  }

  #report(core: string): void {
    const records = this.#of(core);
    const isUp = records.some((record) => record.up);
    const missing = records.filter((record) => record.missing).map((record) => this.#portNumber(record));
    const words = `no hello on UDP ${missing.join(' and ')} for ${this.#options.linkDeadMs} ms`;
    const cause = missing.length === 0 ? '' : `${isUp ? 'partly up: ' : ''}${words}`;
    this.#options.reportMedia(core, { state: isUp ? 'up' : 'down', cause });
  }

  /** Where its hellos come to; before the first, the port that core dials for its shard. */
  #portNumber(record: LinkRecord): number | undefined {
    const dialled = record.shard % Math.max(1, this.#ports.length);
    const heard = record.remote === undefined ? dialled : this.#ports.indexOf(record.port);
    return this.bound[heard]?.port;
  }

  /** Links of epochs of this core other than `epoch` (undefined: all) are closed. */
  closeLinks(core: string, keepEpoch: string | undefined): void {
    for (const record of this.#of(core)) if (record.epoch !== keepEpoch) this.#remove(record);
  }

  #remove(record: LinkRecord): void {
    if (record.engineLink !== undefined) this.#engine.removeLink(record.engineLink);
    this.#records.delete(record.name);
  }

  #of(core: string): LinkRecord[] {
    return [...this.#records.values()].filter((record) => record.core === core);
  }

  status(): object[] {
    return [...this.#records.values()].map((record) => ({
      core: record.core,
      port: this.#portNumber(record),
      up: record.up,
      remote: record.remote,
      shard: this.#shards.get(record.port),
      counters: record.engineLink && this.#engine.linkCounters(record.engineLink),
    }));
  }
}
