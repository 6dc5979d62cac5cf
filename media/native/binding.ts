// The compiled engine as TypeScript sees it, and where it is looked for. A machine without a compiler, or another
// platform, has none: then the portable engine does the work.
import { createRequire } from 'node:module';
import type { TransportAddress } from '../../turn/index.ts';
import type { CryptoSpec, FlowChange, FlowSpec } from '../engine.ts';
import type { EngineLimits } from '../portable-engine/portable-engine.ts';

/** An engine inside the binding. */
export type NativeHandle = { readonly native: unique symbol };

/** Called for each event: type as in native-engine.ts, flow, port or shard, token, source, STUN message, code or cause. */
export type NativeListener = (
  type: number,
  handle: number,
  value: number,
  source: TransportAddress | undefined,
  bytes: Buffer | undefined,
  code: string | undefined,
) => void;

/** Functions of binding.cc. Errors carry an EngineErrorCode as `code`; unknown handles in reads give undefined. */
export interface NativeBinding {
  create(limits: EngineLimits, listener: NativeListener, shards: number): NativeHandle;
  openPort(
    engine: NativeHandle,
    bind: TransportAddress,
    trunk: boolean,
    shard: number,
  ): [id: number, port: number, receiveBufferBytes: number];
  closePort(engine: NativeHandle, port: number): void;
  movePort(engine: NativeHandle, port: number, shard: number): void;
  sendStun(engine: NativeHandle, port: number, bytes: Buffer, to: TransportAddress): void;
  addLink(engine: NativeHandle, port: number, remote: TransportAddress | undefined): number;
  setLinkRemote(engine: NativeHandle, link: number, remote: TransportAddress | undefined): void;
  setLinkPort(engine: NativeHandle, link: number, port: number): void;
  removeLink(engine: NativeHandle, link: number): void;
  linkCounters(engine: NativeHandle, link: number): number[] | undefined;
  addCrypto(engine: NativeHandle, spec: CryptoSpec): number;
  removeCrypto(engine: NativeHandle, crypto: number): void;
  cryptoStates(engine: NativeHandle, crypto: number): number[] | undefined;
  openCapture(engine: NativeHandle, packets: number, snapBytes: number): number;
  closeCapture(engine: NativeHandle, capture: number): void;
  readCapture(engine: NativeHandle, capture: number): Buffer | undefined;
  /** Gives dead shards a new thread, wakes all; of each: rounds so far, 1 when it has stood still for a second. */
  lookAtShards(engine: NativeHandle): number[];
  /** For tests: the shard throws (0), its thread ends (1), or it sleeps that many milliseconds. */
  disturb(engine: NativeHandle, shard: number, how: number): void;
  addFlow(engine: NativeHandle, spec: FlowSpec): number;
  changeFlow(engine: NativeHandle, flow: number, change: FlowChange): void;
  removeFlow(engine: NativeHandle, flow: number): void;
  counters(engine: NativeHandle, flow: number): number[] | undefined;
  tokenSource(engine: NativeHandle, flow: number, token: number): TransportAddress | undefined;
  sweep(engine: NativeHandle): number[];
  setClock(engine: NativeHandle, nowMs: number): void;
  sizes(engine: NativeHandle): number[];
  close(engine: NativeHandle): void;
}

/** Beside this file, and from `dist/` in the sources beside it. */
const PLACES = ['./build/Release/engine.node', '../../../media/native/build/Release/engine.node'];

/** The binding, or why there is none. */
export function loadBinding(): NativeBinding | { readonly missing: string } {
  const require = createRequire(import.meta.url);
  let missing = 'it was not built (no compiler at install time)';
  for (const place of PLACES) {
    try {
      return require(place) as NativeBinding;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'MODULE_NOT_FOUND') missing = `it does not load: ${message}`;
    }
  }
  return { missing };
}
