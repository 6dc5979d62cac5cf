// One client's DTLS association (RFC 6347): its state, and the datagrams it makes, which its door sends. Owns the session
// of the compiled part from here to `close`, which frees it.
import { looksLikeChannelData } from '../channel-data.ts';
import type { ClientLine } from '../doors/client-line.ts';
import type { DtlsReport, DtlsSessionHandle, TurnBinding } from '../native/binding.ts';
import type { AllocationId, ClientPath } from '../server/turn-input.ts';

const OPEN = 1;
const CLOSED = 2;

export type DtlsCloseReason = 'ended' | 'handshake' | 'no-allocation' | 'replaced' | 'shutdown';

export interface DtlsAssociationOptions {
  readonly binding: TurnBinding;
  readonly session: DtlsSessionHandle;
  readonly path: ClientPath;
  readonly now: () => number;
  /** Sends one datagram; false when the system would not take it. */
  readonly send: (datagram: Buffer) => boolean;
  readonly onOpen: (association: DtlsAssociation) => void;
  readonly onMessage: (association: DtlsAssociation, bytes: Buffer) => void;
  readonly onClose: (association: DtlsAssociation, reason: DtlsCloseReason) => void;
}

export class DtlsAssociation implements ClientLine {
  readonly path: ClientPath;
  readonly createdAt: number;
  /** When it last had no allocation; undefined while it has one. */
  idleSince: number | undefined;
  readonly #options: DtlsAssociationOptions;
  #allocation: AllocationId | undefined;
  #state: 'handshake' | 'open' | 'closed' = 'handshake';

  constructor(options: DtlsAssociationOptions) {
    this.#options = options;
    this.path = options.path;
    this.createdAt = options.now();
    this.idleSince = this.createdAt;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get allocation(): AllocationId | undefined {
    return this.#allocation;
  }

  setAllocation(allocation: AllocationId | undefined): void {
    this.#allocation = allocation;
    this.idleSince = allocation === undefined ? this.#options.now() : undefined;
  }

  /** One datagram of the client. */
  receive(datagram: Buffer): void {
    if (this.#state === 'closed') return;
    this.#take(this.#options.binding.receive(this.#options.session, datagram));
  }

  /** Sends a lost flight of the handshake again. */
  tick(): void {
    if (this.#state === 'handshake') this.#take(this.#options.binding.tick(this.#options.session));
  }

  #take([state, toSend, data]: DtlsReport): void {
    for (const datagram of toSend) this.#options.send(datagram);
    // One datagram may end the handshake, carry data and say goodbye.
    if (this.#state === 'handshake' && (state === OPEN || data.length > 0)) {
      this.#state = 'open';
      this.#options.onOpen(this);
    }
    for (const bytes of data) this.#options.onMessage(this, bytes);
    if (state === CLOSED) this.close(this.#state === 'handshake' ? 'handshake' : 'ended');
  }

  sendData(bytes: Buffer): boolean {
    // A relay pads ChannelData for lines that are not UDP of its own; in datagrams the padding is wasted (RFC 8656 §12.5).
    const message = looksLikeChannelData(bytes) ? bytes.subarray(0, 4 + bytes.readUInt16BE(2)) : bytes;
    return this.#send(message);
  }

  sendControl(bytes: Buffer): void {
    this.#send(bytes);
  }

  #send(message: Buffer): boolean {
    if (this.#state !== 'open') return false;
    const datagrams = this.#options.binding.send(this.#options.session, message);
    return datagrams.length > 0 && datagrams.every((datagram) => this.#options.send(datagram));
  }

  close(reason: DtlsCloseReason): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const last = this.#options.binding.closeSession(this.#options.session);
    for (const datagram of last) this.#options.send(datagram);
    this.#options.onClose(this, reason);
  }
}
