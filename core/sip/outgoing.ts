// A request that core has decided to send on, before the hop's own headers are written: where to, on whose behalf, and
// what its answer will mean.
import type { SipRequest, SipTransport } from '../../sip/index.ts';
import type { HopSide } from '../../sip/hop/index.ts';
import type { Dialog } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import type { MediaSide } from './media-anchor.ts';
import type { SipNode } from './node-directory.ts';

/** One place to send to. */
export type Target =
  | { readonly kind: 'node'; readonly node: SipNode }
  /** Core itself: a route set that leaves through us and comes back (two clients of one call). */
  | { readonly kind: 'self' }
  | { readonly kind: 'edge'; readonly link: EdgeLink };

/** A live SIP connection to one edge. */
export interface EdgeLink {
  readonly peer: EdgeIdentity;
  readonly transport: SipTransport;
}

/** Whom a request belongs to. */
export interface Owner {
  readonly aor: string;
  readonly bindingId: string;
  readonly flow: { readonly edge: string; readonly token: string };
}

export interface Outgoing {
  /** Edited for everything but Via and Record-Route. */
  readonly request: SipRequest;
  readonly from: MediaSide;
  /** To try in order; never empty. */
  readonly targets: readonly Target[];
  readonly owner: Owner;
  readonly dialog: Dialog | undefined;
  readonly loopHash: string;
  readonly edge: EdgeIdentity;
  /** Our side that the request came in by: the outer value of the Record-Route pair. */
  readonly cameFrom: HopSide;
  /** Zone of the node on the inside leg, as far as it is known before a target is chosen. */
  readonly nodeZone: string;
}
