// Where clients find an edge: names and ports on the outside, which core tells them and never uses itself.

export interface EdgeAddress {
  /** The peer's name, as pinned at pairing. */
  readonly peer: string;
  /** The name in its public certificate. */
  readonly address: string;
  readonly httpsPort: number;
  readonly sipPort: number;
  /** Undefined: no messaging. */
  readonly xmppPort: number | undefined;
  /** DNS domain for the X-Auth cookie; `address` must be below it. */
  readonly cookieDomain: string;
}

/** The address of an edge whose public name is its name as a peer; its cookie domain is what follows the first label. */
export function edgeAddressOf(
  peer: string,
  ports: Pick<EdgeAddress, 'httpsPort' | 'sipPort' | 'xmppPort'>,
): EdgeAddress {
  const parent = peer.slice(peer.indexOf('.') + 1);
  // A cookie for a whole top-level domain is refused by every client.
  return { peer, address: peer, ...ports, cookieDomain: parent.includes('.') ? parent : peer };
}
