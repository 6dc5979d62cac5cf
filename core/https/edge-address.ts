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
