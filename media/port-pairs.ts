// Bound port pairs: a free pair from the pool, its sockets opened in the engine, all given back when closed.
// Another program may sit on a port of the range: such a pair is rested and the next one tried, a bounded number of
// times.
import { EngineError, type MediaEngine, type PortId, type PortSpec } from './engine.ts';
import { PortPool, type PortPair, type PortPoolOptions } from './port-pool.ts';

const BIND_ATTEMPTS = 8;

export interface PortPairsOptions extends PortPoolOptions {
  /** Address that the sockets are bound to. */
  readonly boundAddress: string;
}

/** A pair with its sockets. `rtcp` is undefined where only the even port was opened. */
export interface BoundPair {
  readonly pair: PortPair;
  readonly rtp: PortId;
  readonly rtcp: PortId | undefined;
  /** Of the even port's socket. */
  readonly receiveBufferBytes: number;
}

export class PortPairs {
  readonly #engine: MediaEngine;
  readonly #options: PortPairsOptions;
  readonly #pool: PortPool;

  constructor(engine: MediaEngine, options: PortPairsOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#pool = new PortPool(options);
  }

  sizes(): ReturnType<PortPool['sizes']> {
    return this.#pool.sizes();
  }

  /** On this shard of the engine. Rejects PortPoolError `exhausted`, or EngineError when nothing can be bound. */
  async open(both: boolean, use: PortSpec['use'] = 'media', shard = 0): Promise<BoundPair> {
    for (let attempt = 1; ; attempt++) {
      const pair = this.#pool.acquire();
      try {
        return await this.#bind(pair, both, use, shard);
      } catch (error) {
        this.#pool.release(pair);
        const taken = error instanceof EngineError && error.code === 'address-in-use';
        if (!taken || attempt === BIND_ATTEMPTS) throw error;
      }
    }
  }

  close(bound: BoundPair): void {
    this.#engine.closePort(bound.rtp);
    if (bound.rtcp !== undefined) this.#engine.closePort(bound.rtcp);
    this.#pool.release(bound.pair);
  }

  async #bind(pair: PortPair, both: boolean, use: PortSpec['use'], shard: number): Promise<BoundPair> {
    const address = this.#options.boundAddress;
    const rtp = await this.#engine.openPort({ bind: { address, port: pair.rtp }, use, shard });
    const { receiveBufferBytes } = rtp;
    if (!both) return { pair, rtp: rtp.id, rtcp: undefined, receiveBufferBytes };
    try {
      const rtcp = await this.#engine.openPort({ bind: { address, port: pair.rtcp }, use, shard });
      return { pair, rtp: rtp.id, rtcp: rtcp.id, receiveBufferBytes };
    } catch (error) {
      this.#engine.closePort(rtp.id);
      throw error;
    }
  }
}
