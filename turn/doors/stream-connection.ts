// One client's stream (TCP or TLS) at the TURN server. Owns the socket. Frames what comes, drops data that the client
// does not read fast enough, and counts how long it has had no allocation, so that idlers can be closed.
import type { Socket } from 'node:net';
import type { AllocationId, ClientPath } from '../server/turn-input.ts';
import type { ClientLine } from './client-line.ts';
import { FrameError, TurnFramer, type FrameErrorReason, type TurnFrame } from './turn-framer.ts';

export interface StreamConnectionOptions {
  readonly socket: Socket;
  readonly path: ClientPath;
  /** Longest message without an allocation: no request is longer. */
  readonly maxUnprovenFrameBytes: number;
  readonly maxFrameBytes: number;
  /** Unsent bytes at which data to the client is dropped, as a full network would. */
  readonly maxQueueBytes: number;
  readonly now: () => number;
  readonly onFrame: (connection: StreamConnection, frame: TurnFrame) => void;
  readonly onClose: (connection: StreamConnection, reason: StreamCloseReason) => void;
}

export type StreamCloseReason =
  | FrameErrorReason
  | 'ended'
  | 'error'
  | 'no-allocation'
  | 'slow'
  | 'shutdown'
  | 'released';

export class StreamConnection implements ClientLine {
  readonly path: ClientPath;
  /** When it last had no allocation; undefined while it has one. */
  idleSince: number | undefined;
  readonly #options: StreamConnectionOptions;
  readonly #framer: TurnFramer;
  #allocation: AllocationId | undefined;
  #closed = false;

  constructor(options: StreamConnectionOptions) {
    this.path = options.path;
    this.idleSince = options.now();
    this.#options = options;
    this.#framer = new TurnFramer(options.maxUnprovenFrameBytes);
    const { socket } = options;
    socket.setNoDelay(true);
    socket.on('error', () => this.close('error'));
    socket.on('close', this.#ended);
    socket.on('end', this.#ended);
    socket.on('data', this.#read);
  }

  get allocation(): AllocationId | undefined {
    return this.#allocation;
  }

  /** The stream's allocation is open, or over. */
  setAllocation(allocation: AllocationId | undefined): void {
    const { maxFrameBytes, maxUnprovenFrameBytes, now } = this.#options;
    this.#allocation = allocation;
    this.#framer.maxFrameBytes = allocation === undefined ? maxUnprovenFrameBytes : maxFrameBytes;
    this.idleSince = allocation === undefined ? now() : undefined;
  }

  /** Sends relayed data; false when the client reads too slowly and it was dropped. */
  sendData(bytes: Buffer): boolean {
    if (this.#closed || this.#options.socket.writableLength > this.#options.maxQueueBytes) return false;
    this.#options.socket.write(bytes);
    return true;
  }

  /** Sends an answer. A client that lets even these pile up is cut off. */
  sendControl(bytes: Buffer): void {
    if (this.#closed) return;
    if (this.#options.socket.writableLength > 2 * this.#options.maxQueueBytes) return this.close('slow');
    this.#options.socket.write(bytes);
  }

  /** Gives the socket away, with what it has received behind the message that is being handled. */
  release(): { readonly socket: Socket; readonly rest: Buffer } {
    const { socket } = this.#options;
    for (const event of ['close', 'end'] as const) socket.off(event, this.#ended);
    socket.off('data', this.#read);
    this.close('released');
    return { socket, rest: this.#framer.takeUnread() };
  }

  close(reason: StreamCloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    if (reason !== 'released') this.#options.socket.destroy();
    this.#options.onClose(this, reason);
  }

  readonly #ended = (): void => this.close('ended');

  readonly #read = (chunk: Buffer): void => {
    try {
      for (const frame of this.#framer.push(chunk)) {
        if (this.#closed) return;
        this.#options.onFrame(this, frame);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.close(error.reason);
    }
  };
}
