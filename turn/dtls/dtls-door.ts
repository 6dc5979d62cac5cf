// DTLS clients of the TURN server (RFC 8656 §3.1, RFC 6347). Whoever has not brought our cookie back leaves no state, and
// gets at most one datagram, never longer than his own; what is no handshake from somebody unknown is dropped (T-009).
// Associations are admitted like streams: in all, per address, and in their handshake. One socket; packets of all clients
// pass through this thread, so that DTLS costs more than plain UDP.
import { looksLikeChannelData } from '../channel-data.ts';
import type { StreamAdmission, StreamRefusal } from '../doors/stream-admission.ts';
import type { TurnFrame } from '../doors/turn-framer.ts';
import { canonicalAddress, type TransportAddress } from '../ip-address.ts';
import type { DtlsContextHandle, DtlsSessionHandle, TurnBinding } from '../native/binding.ts';
import { relayRefusal } from '../relay/relay-engine.ts';
import { looksLikeStun } from '../stun.ts';
import { UdpSocket } from '../udp-socket.ts';
import { DtlsAssociation, type DtlsCloseReason } from './dtls-association.ts';

export interface DtlsIdentity {
  /** PEM, leaf first. */
  readonly cert: string;
  readonly key: string;
  /** OpenSSL's words. */
  readonly ciphers: string;
  readonly groups: string;
}

export interface DtlsDoorOptions {
  readonly bind: TransportAddress;
  readonly binding: TurnBinding;
  readonly identity: DtlsIdentity;
  /** Random, of this process. */
  readonly cookieSecret: Buffer;
  /** Longest datagram of a handshake. */
  readonly mtu: number;
  readonly bufferBytes: number;
  readonly admission: StreamAdmission;
  readonly handshakeTimeoutMs: number;
  /** Longest time an association may be without an allocation. */
  readonly unprovenTimeoutMs: number;
  readonly now: () => number;
  readonly nextKey: () => string;
  readonly onOpen: (association: DtlsAssociation) => void;
  readonly onFrame: (association: DtlsAssociation, frame: TurnFrame) => void;
  readonly onClose: (association: DtlsAssociation, reason: DtlsCloseReason) => void;
  readonly onRefused: (reason: StreamRefusal | DtlsRefusal) => void;
  readonly onFailure: (code: string) => void;
}

/** Why a datagram went nowhere. */
export type DtlsRefusal = 'not-handshake' | 'amplification' | 'handshake' | 'not-turn' | 'link-local';

/** Content types of records, and the handshake that begins an association. */
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** Record header, 13 bytes, and handshake header, 12. */
const HELLO_HEAD_BYTES = 25;

export class DtlsDoor {
  readonly #options: DtlsDoorOptions;
  readonly #context: DtlsContextHandle;
  readonly #associations = new Map<string, DtlsAssociation>();
  #socket: UdpSocket | undefined;

  /** @throws when certificate, key or cipher words cannot be used. */
  constructor(options: DtlsDoorOptions) {
    const { binding, cookieSecret, identity, mtu } = options;
    this.#options = options;
    this.#context = binding.createContext({
      certificate: Buffer.from(identity.cert),
      key: Buffer.from(identity.key),
      ciphers: Buffer.from(identity.ciphers),
      groups: Buffer.from(identity.groups),
      cookieSecret,
      mtu,
    });
  }

  get size(): number {
    return this.#associations.size;
  }

  /** Opens the socket. Rejects RelayEngineError. */
  async listen(): Promise<TransportAddress> {
    const { bind, bufferBytes, onFailure } = this.#options;
    this.#socket = await UdpSocket.open({
      bind,
      bufferBytes,
      onPacket: (bytes, address, port) => this.#packet(bytes, address, port),
      onFailure,
      refusal: relayRefusal,
    });
    return this.#socket.bound;
  }

  /** Repeats lost flights; ends handshakes that take too long and associations that hold no allocation. */
  sweep(now: number): void {
    const { handshakeTimeoutMs, unprovenTimeoutMs } = this.#options;
    for (const association of this.#associations.values()) {
      association.tick();
      const { createdAt, idleSince, isOpen } = association;
      if (!isOpen && now - createdAt > handshakeTimeoutMs) association.close('handshake');
      else if (idleSince !== undefined && now - idleSince > unprovenTimeoutMs)
        association.close('no-allocation');
    }
  }

  close(): void {
    for (const association of this.#associations.values()) association.close('shutdown');
    this.#socket?.close();
  }

  #packet(bytes: Buffer, from: string, port: number): void {
    const address = canonicalAddress(from);
    if (address === undefined || port === 0) return this.#options.onRefused('link-local');
    const key = `${address} ${port}`;
    const known = this.#associations.get(key);
    // A client that began anew on the same port proves it by a cookie, and only then is the old one gone (§4.2.8).
    if (known !== undefined && !(known.isOpen && isClientHello(bytes))) return known.receive(bytes);
    if (!isClientHello(bytes)) return this.#options.onRefused('not-handshake');
    this.#listen(bytes, key, { address, port });
  }

  #listen(bytes: Buffer, key: string, remote: TransportAddress): void {
    const { binding, onRefused } = this.#options;
    const [toSend, session] = binding.listen(this.#context, bytes, Buffer.from(key));
    if (session === undefined) {
      const total = toSend.reduce((sum, { length }) => sum + length, 0);
      if (total > bytes.length) return onRefused('amplification');
      for (const datagram of toSend) this.#send(remote, datagram);
      return;
    }
    this.#associations.get(key)?.close('replaced');
    const refusal = this.#options.admission.admit(remote.address);
    if (refusal !== undefined) {
      binding.closeSession(session);
      return onRefused(refusal);
    }
    this.#admitted(key, remote, session);
    for (const datagram of toSend) this.#send(remote, datagram);
  }

  #admitted(key: string, remote: TransportAddress, session: DtlsSessionHandle): void {
    const { admission, binding, now, nextKey, onClose, onOpen } = this.#options;
    let isShaking = true;
    const handshakeOver = (): void => {
      if (isShaking) admission.handshakeOver();
      isShaking = false;
    };
    const association = new DtlsAssociation({
      binding,
      session,
      path: { key: nextKey(), transport: 'dtls', remote },
      now,
      send: (datagram) => this.#send(remote, datagram),
      onOpen: (opened) => {
        handshakeOver();
        onOpen(opened);
      },
      onMessage: (of, bytes) => this.#message(of, bytes),
      onClose: (closed, reason) => {
        handshakeOver();
        admission.release(remote.address);
        this.#associations.delete(key);
        onClose(closed, reason);
      },
    });
    this.#associations.set(key, association);
  }

  #message(association: DtlsAssociation, bytes: Buffer): void {
    if (looksLikeChannelData(bytes)) this.#options.onFrame(association, { kind: 'channel-data', bytes });
    else if (looksLikeStun(bytes)) this.#options.onFrame(association, { kind: 'stun', bytes });
    else this.#options.onRefused('not-turn');
  }

  #send({ address, port }: TransportAddress, datagram: Buffer): boolean {
    return this.#socket?.send(datagram, address, port) ?? false;
  }
}

/** A record of epoch 0 that begins a ClientHello. */
function isClientHello(bytes: Buffer): boolean {
  return (
    bytes.length >= HELLO_HEAD_BYTES &&
    bytes[0] === HANDSHAKE &&
    bytes.readUInt16BE(3) === 0 &&
    bytes[13] === CLIENT_HELLO
  );
}
