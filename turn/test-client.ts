// A TURN client for tests, written from the RFCs and not from our server: builds sealed requests, learns realm and nonce
// from the challenge, reads answers. Bytes only; whoever uses it brings the socket, or the machine.
import { randomBytes } from 'node:crypto';
import { addressBytes, type TransportAddress } from './ip-address.ts';
import { ATTRIBUTE, type StunAttribute } from './stun-attribute.ts';
import { longTermKey, type IntegrityAlgorithm } from './stun-integrity.ts';
import { readErrorCode, readXorAddress, xorAddressAttribute } from './stun-values.ts';
import { findAttribute, METHOD, parseStun, printStun, type StunMessage } from './stun.ts';

export interface TestClientOptions {
  readonly username: string;
  readonly password: string;
  readonly seal?: IntegrityAlgorithm;
  readonly passwordAlgorithm?: 'md5' | 'sha256';
  /** USERHASH instead of USERNAME. */
  readonly userhash?: Buffer;
}

export const UDP_TRANSPORT: StunAttribute = {
  type: ATTRIBUTE.requestedTransport,
  value: Buffer.from([17, 0, 0, 0]),
};

const TCP_TRANSPORT: StunAttribute = {
  type: ATTRIBUTE.requestedTransport,
  value: Buffer.from([6, 0, 0, 0]),
};

const SHA256_CHOICE = [
  { type: ATTRIBUTE.passwordAlgorithms, value: Buffer.from([0, 2, 0, 0, 0, 1, 0, 0]) },
  { type: ATTRIBUTE.passwordAlgorithm, value: Buffer.from([0, 2, 0, 0]) },
];

export class TestClient {
  readonly options: TestClientOptions;
  realm: Buffer | undefined;
  nonce: Buffer | undefined;
  transactionId = randomBytes(12);

  constructor(options: TestClientOptions) {
    this.options = options;
  }

  /** A request with a fresh transaction id; sealed once a challenge was learned. */
  request(
    method: number,
    attributes: readonly StunAttribute[] = [],
    fingerprint = false,
    transactionId = randomBytes(12),
  ): Buffer {
    this.transactionId = transactionId;
    const draft = { class: 'request', method, transactionId, attributes } as const;
    if (this.realm === undefined || this.nonce === undefined) return printStun(draft, { fingerprint });
    const { username, password, seal = 'sha1', passwordAlgorithm = 'md5', userhash } = this.options;
    const name = userhash
      ? { type: ATTRIBUTE.userhash, value: userhash }
      : { type: ATTRIBUTE.username, value: Buffer.from(username) };
    const credentials = [
      name,
      { type: ATTRIBUTE.realm, value: this.realm },
      { type: ATTRIBUTE.nonce, value: this.nonce },
      ...(passwordAlgorithm === 'sha256' ? SHA256_CHOICE : []),
    ];
    const key = longTermKey(username, this.realm.toString(), password, passwordAlgorithm);
    return printStun(
      { ...draft, attributes: [...attributes, ...credentials] },
      { integrity: { algorithm: seal, key }, fingerprint },
    );
  }

  /** Learns realm and nonce from a challenge. */
  learn(answer: Buffer): void {
    const message = parseStun(answer);
    this.realm = findAttribute(message, ATTRIBUTE.realm) ?? this.realm;
    this.nonce = findAttribute(message, ATTRIBUTE.nonce) ?? this.nonce;
  }

  allocate(...more: readonly StunAttribute[]): Buffer {
    return this.request(METHOD.allocate, [UDP_TRANSPORT, ...more]);
  }

  refresh(lifetime: number, ...more: readonly StunAttribute[]): Buffer {
    return this.request(METHOD.refresh, [number32(ATTRIBUTE.lifetime, lifetime), ...more]);
  }

  /** Allocate of RFC 6062. */
  allocateTcp(...more: readonly StunAttribute[]): Buffer {
    return this.request(METHOD.allocate, [TCP_TRANSPORT, ...more]);
  }

  connect(peer: TransportAddress): Buffer {
    return this.#withPeers(METHOD.connect, [], [peer]);
  }

  connectionBind(connection: number): Buffer {
    return this.request(METHOD.connectionBind, [number32(ATTRIBUTE.connectionId, connection)]);
  }

  createPermission(...peers: readonly TransportAddress[]): Buffer {
    return this.#withPeers(METHOD.createPermission, [], peers);
  }

  channelBind(channel: number, peer: TransportAddress): Buffer {
    const value = Buffer.alloc(4);
    value.writeUInt16BE(channel);
    return this.#withPeers(METHOD.channelBind, [{ type: ATTRIBUTE.channelNumber, value }], [peer]);
  }

  #withPeers(
    method: number,
    attributes: readonly StunAttribute[],
    peers: readonly TransportAddress[],
  ): Buffer {
    const transactionId = randomBytes(12);
    const addresses = peers.map((peer) => peerAttribute(peer, transactionId));
    return this.request(method, [...attributes, ...addresses], false, transactionId);
  }
}

/** XOR-PEER-ADDRESS; an address that only looks like IPv6 (IPv4-mapped) is sent as the sixteen bytes it is. */
export function peerAttribute(peer: TransportAddress, transactionId: Buffer): StunAttribute {
  if (!peer.address.startsWith('::ffff:'))
    return xorAddressAttribute(ATTRIBUTE.xorPeerAddress, peer, transactionId);
  const mask = Buffer.concat([Buffer.from([0x21, 0x12, 0xa4, 0x42]), transactionId]);
  const address = addressBytes(peer.address)!.map((byte, index) => byte ^ mask[index]!);
  const head = Buffer.from([0, 2, 0, 0]);
  head.writeUInt16BE(peer.port ^ 0x2112, 2);
  return { type: ATTRIBUTE.xorPeerAddress, value: Buffer.concat([head, address]) };
}

export function number32(type: number, value: number): StunAttribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return { type, value: bytes };
}

/** A Send indication. */
export function sendIndication(
  peer: TransportAddress,
  payload: Buffer,
  ...more: readonly StunAttribute[]
): Buffer {
  const transactionId = randomBytes(12);
  const attributes = [peerAttribute(peer, transactionId), { type: ATTRIBUTE.data, value: payload }, ...more];
  return printStun({ class: 'indication', method: METHOD.send, transactionId, attributes });
}

/** What an answer says, short: `success` or the error's number. */
export function verdictOf(answer: Buffer | undefined): string {
  if (answer === undefined) return 'silence';
  const message = parseStun(answer);
  const error = findAttribute(message, ATTRIBUTE.errorCode);
  return error ? String(readErrorCode(error).code) : message.class;
}

/** Every address of a type in an answer. */
export function addressesOf(message: StunMessage, type: number): TransportAddress[] {
  return message.attributes
    .filter((attribute) => attribute.type === type)
    .map(({ value }) => readXorAddress(value, message.transactionId));
}
