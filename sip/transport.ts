// What transactions ask of a transport: to take bytes, and to say what belongs together. RFC 3261 §18.

/** A way to one peer. SipConnection is one; a datagram socket bound to an address would be another. */
export interface SipTransport {
  readonly id: string;
  /**
   * Transactions are matched only among messages of one scope, because branches are the peer's word: a connection of
   * an unproven client is a scope of its own, all connections of one authenticated peer share theirs (so that a
   * transaction outlives a reconnection).
   */
  readonly scope: string;
  /** TCP and TLS: no retransmission by us. */
  readonly isReliable: boolean;
  readonly isOpen: boolean;
  /** False when the bytes cannot be sent any more. */
  send(bytes: Buffer): boolean;
}
