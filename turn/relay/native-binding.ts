// The compiled relay as TypeScript sees it, and where it is looked for. A machine without a compiler, or another platform,
// has none: then portable-relay.ts does the work.
import { createRequire } from 'node:module';
import type { OwnAddress } from './relay-path.ts';

/** A relay inside the binding. */
export type NativeHandle = { readonly turn: unique symbol };

export interface NativeRelayLimits {
  readonly maxRelays: number;
  readonly listenerBufferBytes: number;
  readonly relayBufferBytes: number;
  readonly controlsPerSecond: number;
  readonly own: readonly OwnAddress[];
  /** Types below 0x8000 that a Send indication may carry. */
  readonly knownAttributes: readonly number[];
}

/** Functions of binding.cc. Errors carry a code of RelayEngineError; unknown numbers are ignored. */
export interface NativeRelayBinding {
  /** `listener` gets what waits in one buffer, see upward.h; with `more`, `wakeAgain` is due in another turn. */
  create(limits: NativeRelayLimits, listener: (batch: Buffer, more: boolean) => void): NativeHandle;
  wakeAgain(relay: NativeHandle): void;
  openListener(
    relay: NativeHandle,
    address: string,
    port: number,
  ): [id: number, port: number, receiveBufferBytes: number];
  sendControl(relay: NativeHandle, listener: number, address: string, port: number, bytes: Buffer): void;
  /** Listener 0: the client is on a stream. */
  open(
    relay: NativeHandle,
    allocation: number,
    listener: number,
    address: string,
    port: number,
    relays: readonly { readonly address: string; readonly port: number }[],
  ): void;
  setClient(relay: NativeHandle, allocation: number, listener: number, address: string, port: number): void;
  /** `ports`: first and last of each range, one after another. */
  permit(relay: NativeHandle, allocation: number, address: string, ports: number[] | undefined): void;
  forbid(relay: NativeHandle, allocation: number, address: string): void;
  bindChannel(relay: NativeHandle, allocation: number, channel: number, address: string, port: number): void;
  unbindChannel(relay: NativeHandle, allocation: number, channel: number): void;
  /** False when there is no such allocation. */
  fromStream(relay: NativeHandle, allocation: number, bytes: Buffer): boolean;
  /** Family 0: all. */
  closeRelay(relay: NativeHandle, allocation: number, family: number): void;
  counters(relay: NativeHandle, allocation: number): number[] | undefined;
  sweep(relay: NativeHandle): number[];
  /** For tests: the thread dies by an exception (0), or ends (1). */
  disturb(relay: NativeHandle, how: number): void;
  sizes(relay: NativeHandle): number[];
  close(relay: NativeHandle): void;
  errorName(errno: number): string;
}

/** Beside this file, and from `dist/` in the sources beside it. */
const PLACES = ['./native/build/Release/relay.node', '../../../turn/relay/native/build/Release/relay.node'];

/** The binding, or why there is none. */
export function loadRelayBinding(): NativeRelayBinding | { readonly missing: string } {
  const require = createRequire(import.meta.url);
  let missing = 'it was not built (no compiler at install time)';
  for (const place of PLACES) {
    try {
      return require(place) as NativeRelayBinding;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'MODULE_NOT_FOUND') missing = `it does not load: ${message}`;
    }
  }
  return { missing };
}
