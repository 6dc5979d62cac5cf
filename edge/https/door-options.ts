// What the HTTPS door needs from whoever puts the process together: names, keys, limits, the cores, and where to log.
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { ClientLimits, RequestHead, ServerLimits } from '../../http/index.ts';
import type { AdmissionLimits } from '../admission.ts';
import type { OtherProtocol } from './first-bytes.ts';

/** A core that is connected now; the object lives as long as its link. */
export interface CoreLink {
  readonly identity: { readonly name: string };
  /** A fresh channel that core's HTTPS gateway serves. */
  openHttp(): Promise<Duplex>;
}

export interface DoorLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface DoorTls {
  /** Key and certificate chain, as `tls.createSecureContext` takes them. */
  readonly identity: SecureContextOptions;
  /** Key exchange groups, best first, such as `X25519MLKEM768:X25519:P-256`. */
  readonly groups: string;
  /** Cipher suites in OpenSSL's words. */
  readonly ciphers: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** PEM: authorities of devices that prove themselves by certificate; undefined: no client is asked for one. */
  readonly clientAuthorities: string | undefined;
}

/** How many may stand at the door, and how long a handshake may take. */
export interface DoorAdmission extends AdmissionLimits {
  readonly handshakeMs: number;
}

/** The channels to each core. */
export interface ChannelLimits {
  readonly maxChannels: number;
  readonly maxWaiting: number;
  readonly waitMs: number;
  readonly idleMs: number;
}

/** Who takes connections that ask for a WebSocket at a path. */
export interface WebSocketDoor {
  readonly path: string;
  /** Owns the connection from here on, and answers the request. */
  readonly take: (request: RequestHead, socket: TLSSocket, address: string) => void;
}

export interface HttpsDoorOptions {
  readonly address: string;
  readonly port: number;
  readonly tls: DoorTls;
  /** This edge's name towards core: `Host` and `Via` inside the link. */
  readonly edgeName: string;
  /** The names, in lower case, or addresses that clients use for this door; any other Host gets 421. */
  readonly hostNames: readonly string[];
  readonly admission: DoorAdmission;
  readonly client: ServerLimits;
  readonly core: ClientLimits;
  readonly channels: ChannelLimits;
  /** What `Retry-After` says while draining. */
  readonly retryAfterSeconds: number;
  /** How often deadlines are looked at. */
  readonly sweepMs: number;
  /** Another protocol at the same port, if any. */
  readonly other: OtherProtocol | undefined;
  /** Another protocol that begins with a request for it (RFC 6455), if any. */
  readonly webSocket: WebSocketDoor | undefined;
  readonly cores: () => readonly CoreLink[];
  /** Whether this address may connect at all (intrusion protection). */
  readonly admits: (address: string) => boolean;
  /** A client at this address was refused; reason from a closed set. */
  readonly refused: (address: string, reason: string) => void;
  readonly log: DoorLog;
  readonly count: (event: string, reason?: string) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A random UUID, fit to be unguessable. */
  readonly newUuid: () => string;
}
