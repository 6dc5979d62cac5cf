// Who is at the other end of a link, as zones pinned it at pairing. Structurally the PeerIdentity of zones.

/** The pinned identity of an edge and the traversal zone that it belongs to. */
export interface EdgeIdentity {
  readonly name: string;
  readonly zone: string;
  readonly zoneId: number;
}
