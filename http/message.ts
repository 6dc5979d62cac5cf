// The values of this room: heads of requests and responses (RFC 9112 §2-4) and how their bodies are framed (§6).
// Heads hold end-to-end fields only: the parser takes out Host, Content-Length, Transfer-Encoding, Expect and
// all hop-by-hop fields, and the printer writes framing of its own, so no framing ever passes through.
import type { HeaderList } from './header-list.ts';

/** How many body bytes follow: that many, as chunks, or none and nothing said about it. */
export type BodyLength = number | 'chunked' | 'none';

/** How a received body ends (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

/** A request to be sent: `target` is origin-form, `host` becomes the Host field. */
export interface OutgoingRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: HeaderList;
}

/** A request as parsed. `target` is the canonical form of `path` and `query`, the only form that exists from here on. */
export interface RequestHead extends OutgoingRequest {
  readonly path: string;
  /** Without the question mark; undefined when there was none. */
  readonly query: string | undefined;
  /** Lower case, without brackets' port: `name`, `192.0.2.1` or `[2001:db8::1]`. */
  readonly hostname: string;
  readonly port: number | undefined;
  readonly framing: Framing;
  readonly expectContinue: boolean;
  /** What the sender would rather speak (RFC 9110 §7.8), as it wrote it. */
  readonly upgrade: string | undefined;
  /** The sender said that it closes after this message. */
  readonly close: boolean;
}

/** A response to be sent. */
export interface OutgoingResponse {
  readonly status: number;
  readonly reasonPhrase: string;
  readonly headers: HeaderList;
}

/** A response as parsed; `declaredLength` is its Content-Length even where no body follows (HEAD, 304). */
export interface ResponseHead extends OutgoingResponse {
  readonly framing: Framing;
  readonly declaredLength: number | undefined;
  readonly close: boolean;
}

/** What a head may cost before it is refused. */
export interface HeadLimits {
  /** Start line and fields together, with line ends. */
  readonly maxHeadBytes: number;
  readonly maxTargetBytes: number;
  readonly maxHeaders: number;
  readonly maxHeaderNameBytes: number;
}
