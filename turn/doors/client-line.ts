// What the server needs of whatever a client is connected by, besides a UDP listener of the relay engine: a stream, or an
// association of DTLS.
import type { AllocationId, ClientPath } from '../server/turn-input.ts';

export interface ClientLine {
  readonly path: ClientPath;
  readonly allocation: AllocationId | undefined;
  /** Its allocation is open, or over. */
  setAllocation(allocation: AllocationId | undefined): void;
  /** Sends relayed data; false when it was dropped. */
  sendData(bytes: Buffer): boolean;
  /** Sends an answer. */
  sendControl(bytes: Buffer): void;
}
