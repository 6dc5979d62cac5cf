// Why an offer or answer was not taken: what SIP answers, and a bounded word for counters.
import type { MediaError } from '../sip/media-anchor.ts';

export type MediaRefusalCode =
  | 'bad-sdp'
  | 'bad-offer'
  | 'bad-answer'
  | 'no-usable-media'
  | 'no-offer'
  | 'no-link'
  | 'ports-exhausted'
  | 'edge-refused'
  | 'too-many-sessions'
  | 'closed';

const STATUS: Readonly<Record<MediaRefusalCode, 488 | 500 | 503>> = {
  'bad-sdp': 488,
  'bad-offer': 488,
  'bad-answer': 488,
  'no-usable-media': 488,
  'no-offer': 500,
  'no-link': 503,
  'ports-exhausted': 503,
  'edge-refused': 503,
  'too-many-sessions': 503,
  closed: 500,
};

/** `text` is for the peer's Warning or reason phrase: it says nothing about the inside. */
export class MediaRefusal extends Error implements MediaError {
  readonly code: MediaRefusalCode;
  readonly sipStatus: 488 | 500 | 503;
  readonly text: string;
  constructor(code: MediaRefusalCode, text: string, options?: ErrorOptions) {
    super(`media: ${code}: ${text}`, options);
    this.name = 'MediaRefusal';
    this.code = code;
    this.sipStatus = STATUS[code];
    this.text = text;
  }
}
