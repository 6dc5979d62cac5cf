// One live SIP connection to one core, as the proxy sees it.
import type { SipTransport } from '../../sip/index.ts';

/** Which core, in which zone; pinned at pairing. */
export interface CoreIdentity {
  readonly name: string;
  readonly zone: string;
  readonly zoneId: number;
}

/** A link is replaced when core dials again; requests hold on to the one they were sent on. */
export interface CoreLink {
  readonly peer: CoreIdentity;
  readonly transport: LinkTransport;
}

/** What is asked of the connection under a link. */
export interface LinkTransport extends SipTransport {
  close(reason: string): void;
}
