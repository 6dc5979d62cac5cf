// The seam between the links and everything that uses them: who the peer is, what can be said to it, and how the
// links stand. Types only; the two sides are `traversal-server.ts` (edge) and `traversal-client.ts` (core).
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { TraversalZone } from './zone-file.ts';

/** A peer as pinned at pairing; `name` has been proven by its keys before anyone sees this. */
export interface PeerIdentity {
  readonly name: string;
  readonly zone: string;
  readonly zoneId: number;
}

/** One per connected pair of peers; lives exactly as long as its SSH connection. */
export interface ControlChannel {
  readonly peer: PeerIdentity;
  /**
   * Sends a request and resolves with the reply's body, which the caller must validate.
   * Rejects with `LinkError`: `timeout`, `closed`, `refused`, `busy`, `unknown-type`.
   */
  request(type: string, body: unknown, options?: { timeoutMs?: number }): Promise<unknown>;
  /** Sends a message that has no reply; silently dropped on a closed link. Throws `LinkError` if it cannot be encoded. */
  notify(type: string, body: unknown): void;
}

/** Message type → handler. What it returns is the reply; what it throws is answered `refused`. */
export type ControlHandlers = Record<string, (body: unknown, from: ControlChannel) => unknown>;

/** A core as edge sees it while its SSH connection lives. */
export interface CorePeer {
  readonly identity: PeerIdentity;
  readonly control: ControlChannel;
  /**
   * Opens a fresh channel that core's HTTPS gateway serves. `end()` closes both directions (SSH semantics at the
   * server side of a connection): send whole requests with a length, then `destroy()` or reuse the channel.
   * Rejects with `LinkError`: `closed`, `busy` (channel cap), `timeout`, `refused`.
   */
  openHttp(): Promise<Duplex>;
}

/** An edge as core sees it while its SSH connection lives. */
export interface EdgePeer {
  readonly identity: PeerIdentity;
  readonly control: ControlChannel;
}

export type Plane = 'https' | 'sip' | 'media' | 'xmpp';

/** How the planes stand; `xmpp` is there when messaging is configured. */
export type PlaneStates = Record<Exclude<Plane, 'xmpp'>, PlaneStatus> & { xmpp?: PlaneStatus };

/** How one plane between two peers stands, in words an operator can act on. */
export interface PlaneStatus {
  readonly state: 'up' | 'down' | 'connecting';
  /** Why it is in that state; for `up` what is remarkable, or an empty string. */
  readonly cause: string;
  /** Wall-clock milliseconds of the last change of `state`. */
  readonly since: number;
}

export interface ZoneStatus {
  readonly zone: string;
  readonly zoneId: number;
  readonly peer: string;
  readonly planes: Readonly<PlaneStates>;
  /** What works but needs a person: clock skew, certificates about to end, differing configuration. */
  readonly warnings: readonly string[];
  readonly rttMs: number | undefined;
  readonly clockSkewMs: number | undefined;
  readonly peerConfigHash: string | undefined;
}

/** What the owner of a process plugs into its links. All are called with an authenticated peer only. */
export interface ZonePlugs {
  /** A fresh authenticated 7001 connection; the receiver owns it, keepalive included. */
  readonly onSip: (socket: TLSSocket, peer: PeerIdentity) => void;
  /** A fresh authenticated 7400 connection; the receiver owns it. Without this the plane does not exist. */
  readonly onXmpp?: ((socket: TLSSocket, peer: PeerIdentity) => void) | undefined;
  readonly controlHandlers: ControlHandlers;
  readonly onPeerUp: (peer: PeerIdentity) => void;
  readonly onPeerDown: (peer: PeerIdentity, reason: string) => void;
}

/** Intrusion protection of the doors of the links; an address from where a core has logged in is never asked about. */
export interface StrangerWatch {
  admits(address: string): boolean;
  /** `auth`: a name nobody has or a wrong signature; `protocol`: what is no SSH of a core. */
  misbehaved(kind: 'auth' | 'protocol', address: string): void;
}

/** Edge's half: listens on 2222, 7001 and, with messaging, 7400. */
export interface TraversalServer {
  listen(): Promise<void>;
  close(reason: string): Promise<void>;
  cores(): readonly CorePeer[];
  status(): readonly ZoneStatus[];
  /** Lets the media room show its UDP link beside the other planes. */
  reportMedia(peerName: string, status: { state: PlaneStatus['state']; cause: string }): void;
  /** Takes a renewed identity for new connections; live ones stay. Throws if anything but the identity differs. */
  renew(zone: TraversalZone): void;
  /** The addresses actually bound (ports are 0 in tests). */
  addresses(): { readonly ssh: number; readonly sip: number; readonly xmpp: number };
}

/** Core's half: dials every edge of the zone. */
export interface TraversalClient {
  start(): void;
  close(reason: string): Promise<void>;
  edges(): readonly EdgePeer[];
  status(): readonly ZoneStatus[];
  reportMedia(peerName: string, status: { state: PlaneStatus['state']; cause: string }): void;
  /** Takes a renewed identity for new connections; live ones stay. Throws if anything but the identity differs. */
  renew(zone: TraversalZone): void;
}

/** The part of pino that the links use. */
export interface LinkLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
  debug(fields: object, text: string): void;
}

/** Counts an event; both words come from a closed set, never from the wire. */
export type Count = (event: string, reason?: string) => void;
