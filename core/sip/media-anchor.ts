// The seam between signalling and media in core: SIP hands each session description over and gets back the one to
// send onward. Implemented by core/media, declared here because SIP is the caller. Trust: the bytes of `sdp` come
// from a client or an inside device and are unchecked; the implementation parses them strictly.
import type { EdgeIdentity } from './edge-identity.ts';

/** Which leg of a call a description comes from: the client outside, or the device and call control inside. */
export type MediaSide = 'client' | 'inside';

/** The call that a media session is opened for. */
export interface MediaStart {
  readonly callId: string;
  /** The user, for quotas. */
  readonly key: string;
  /** Signalling is sealed on every leg and the zones allow it: keys and candidates may go on as they came. */
  readonly mayPassIce?: boolean;
}

/** Opens one media session per call that has a description. */
export interface MediaAnchor {
  open(call: MediaStart, edge: EdgeIdentity): MediaSession;
}

/** One client leg joined to one inside leg. Offers and answers may come from either side, re-offers at any time. */
export interface MediaSession {
  /** Takes an offer, resolves the description to send to the other side; rejects `MediaError`. */
  offer(from: MediaSide, sdp: Buffer): Promise<Buffer>;
  /** Takes an answer to the last offer, resolves the description to send to the other side; rejects `MediaError`. */
  answer(from: MediaSide, sdp: Buffer): Promise<Buffer>;
  /** The last offer was refused: the session is as before it. */
  rollback(): void;
  /** The call was answered: it counts among the connected ones. */
  connected(): void;
  /** By which pair of candidates its media goes, in the words of the call history; `none`: by the traversal path. */
  iceCallType(): string;
  /** Frees the ports on both machines. Idempotent. */
  close(reason: string): void;
  status(): object;
}

/** What a rejection of `offer` or `answer` carries; anything else is answered 500. */
export interface MediaError extends Error {
  readonly code: string;
  readonly sipStatus: 488 | 500 | 503;
  readonly text: string;
}

/** The SIP status and text for whatever a media session rejected with. */
export function mediaRefusal(error: unknown): { status: number; text: string } {
  if (error instanceof Error && 'sipStatus' in error && typeof error.sipStatus === 'number') {
    const text = 'text' in error && typeof error.text === 'string' ? error.text : '';
    return { status: error.sipStatus, text };
  }
  return { status: 500, text: '' };
}
