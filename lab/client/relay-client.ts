// A TURN client (RFC 8656) of the lab: one allocation over UDP or over TLS at the port of HTTPS, a channel to a peer, data.
// Answers are taken in order and their seal is checked; nothing is sent twice, because loopback loses nothing.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:tls';
import {
  ATTRIBUTE,
  checkIntegrity,
  findAttribute,
  longTermKey,
  METHOD,
  parseStun,
  printStun,
  readErrorCode,
  readXorAddress,
  xorAddressAttribute,
  type StunAttribute,
  type StunMessage,
  type TransportAddress,
} from '../../turn/index.ts';

export interface RelayClientOptions {
  readonly transport: 'udp' | 'tls';
  readonly host: string;
  readonly port: number;
  readonly localAddress: string;
  /** For TLS: the name and the PEM of the authority. */
  readonly serverName: string;
  readonly authority: string;
  readonly user: string;
  readonly password: string;
}

/** The relay said no. */
export class RelayRefusal extends Error {
  readonly code: number;
  constructor(code: number, phrase: string) {
    super(`the relay answers ${code} ${phrase}`);
    this.name = 'RelayRefusal';
    this.code = code;
  }
}

interface Line {
  readonly write: (bytes: Buffer) => void;
  readonly close: () => void;
}

const UDP_RELAY: StunAttribute = { type: ATTRIBUTE.requestedTransport, value: Buffer.from([17, 0, 0, 0]) };
const HEADER_BYTES = 4;

export class RelayClient {
  readonly #options: RelayClientOptions;
  readonly #inbox: Buffer[] = [];
  #wake: (() => void) | undefined;
  #line: Line | undefined;
  #challenge: StunAttribute[] = [];
  #key: Buffer | undefined;

  constructor(options: RelayClientOptions) {
    this.#options = options;
  }

  /** Connects, is challenged, proves itself. Resolves with the relayed address. @throws RelayRefusal */
  async allocate(): Promise<TransportAddress> {
    this.#line = await (this.#options.transport === 'udp' ? this.#openUdp() : this.#openTls());
    const challenge = await this.#ask(METHOD.allocate, [UDP_RELAY]);
    this.#prove(challenge);
    const answer = await this.#request(METHOD.allocate, [UDP_RELAY]);
    const relayed = findAttribute(answer, ATTRIBUTE.xorRelayedAddress);
    if (relayed === undefined) throw new Error('the relay names no relayed address');
    return readXorAddress(relayed, answer.transactionId);
  }

  /** Binds a channel to a peer. @throws RelayRefusal */
  async bind(channel: number, peer: TransportAddress): Promise<void> {
    const transactionId = randomBytes(12);
    const number = Buffer.alloc(4);
    number.writeUInt16BE(channel);
    const attributes = [
      { type: ATTRIBUTE.channelNumber, value: number },
      xorAddressAttribute(ATTRIBUTE.xorPeerAddress, peer, transactionId),
    ];
    await this.#request(METHOD.channelBind, attributes, transactionId);
  }

  /** Sends data on a channel; on a stream it is padded. */
  send(channel: number, data: Buffer): void {
    const bytes = Buffer.alloc(HEADER_BYTES + data.length + (-data.length & 3));
    bytes.writeUInt16BE(channel, 0);
    bytes.writeUInt16BE(data.length, 2);
    data.copy(bytes, HEADER_BYTES);
    this.#line?.write(bytes);
  }

  /** The next data on a channel. */
  async receive(channel: number): Promise<Buffer> {
    for (;;) {
      const bytes = await this.#next();
      if (bytes.readUInt16BE(0) === channel)
        return bytes.subarray(HEADER_BYTES, HEADER_BYTES + bytes.readUInt16BE(2));
    }
  }

  close(): void {
    this.#line?.close();
  }

  #prove(challenge: StunMessage): void {
    const { user, password } = this.#options;
    const realm = findAttribute(challenge, ATTRIBUTE.realm);
    const nonce = findAttribute(challenge, ATTRIBUTE.nonce);
    if (realm === undefined || nonce === undefined) throw new Error('the relay asks for no proof');
    this.#key = longTermKey(user, realm.toString(), password);
    this.#challenge = [
      { type: ATTRIBUTE.username, value: Buffer.from(user) },
      { type: ATTRIBUTE.realm, value: realm },
      { type: ATTRIBUTE.nonce, value: nonce },
    ];
  }

  /** A sealed request; its answer must carry the same seal. */
  async #request(
    method: number,
    attributes: readonly StunAttribute[],
    transactionId = randomBytes(12),
  ): Promise<StunMessage> {
    const answer = await this.#ask(method, [...attributes, ...this.#challenge], transactionId);
    if (answer.class === 'success') {
      if (this.#key && checkIntegrity(answer, 'sha1', this.#key) === 'valid') return answer;
      throw new Error('the answer of the relay is not sealed');
    }
    const { code, phrase } = readErrorCode(findAttribute(answer, ATTRIBUTE.errorCode) ?? Buffer.alloc(0));
    throw new RelayRefusal(code, phrase);
  }

  async #ask(
    method: number,
    attributes: readonly StunAttribute[],
    transactionId = randomBytes(12),
  ): Promise<StunMessage> {
    const draft = { class: 'request', method, transactionId, attributes } as const;
    const integrity = this.#key && { algorithm: 'sha1' as const, key: this.#key };
    this.#line?.write(printStun(draft, integrity ? { integrity } : {}));
    for (;;) {
      const bytes = await this.#next();
      if (bytes[0]! >= 0x40) continue;
      const answer = parseStun(bytes);
      if (answer.transactionId.equals(transactionId)) return answer;
    }
  }

  async #next(): Promise<Buffer> {
    for (;;) {
      const bytes = this.#inbox.shift();
      if (bytes !== undefined) return bytes;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #arrived(bytes: Buffer): void {
    this.#inbox.push(bytes);
    this.#wake?.();
  }

  async #openUdp(): Promise<Line> {
    const { host, port, localAddress } = this.#options;
    const socket = createSocket('udp4');
    socket.on('error', () => undefined);
    socket.on('message', (bytes) => this.#arrived(bytes));
    socket.bind(0, localAddress);
    await once(socket, 'listening');
    return { write: (bytes) => socket.send(bytes, port, host), close: () => socket.close() };
  }

  async #openTls(): Promise<Line> {
    const { authority, host, localAddress, port, serverName: servername } = this.#options;
    const to = { host, port, localAddress, servername, ca: authority, ALPNProtocols: ['stun.turn'] };
    const socket = connect(to as object);
    socket.on('error', () => undefined);
    let rest = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let length = frameLength(rest); length <= rest.length; length = frameLength(rest)) {
        this.#arrived(rest.subarray(0, length));
        rest = rest.subarray(length);
      }
    });
    await once(socket, 'secureConnect');
    return { write: (bytes) => void socket.write(bytes), close: () => socket.destroy() };
  }
}

/** Bytes of the message that begins here, with its padding (RFC 8656 §12.5); Infinity while that is not known. */
function frameLength(bytes: Buffer): number {
  if (bytes.length < HEADER_BYTES) return Infinity;
  const size = bytes.readUInt16BE(2);
  return bytes[0]! < 0x40 ? 20 + size : HEADER_BYTES + size + (-size & 3);
}
