// What becomes of a message whose session description may not go on: a request is refused, an answer ends its call
// (RFC 3261 §13.2.1, §14.1), and either is told and counted.
import type { SipResponse } from '../../sip/index.ts';
import type { MediaVerdict } from './call-media.ts';
import type { Dialog } from './dialog-table.ts';
import type { Passage } from './passage.ts';
import type { RecordLines } from './record-lines.ts';
import { retryAfter } from './responses.ts';

export interface MediaRefusalsOptions {
  readonly lines: RecordLines;
  readonly count: (event: string, reason?: string) => void;
  readonly deliver: (passage: Passage, response: SipResponse) => void;
  /** The dialog that this request would have made is over. */
  readonly endFirst: (passage: Passage, reason: string) => void;
  /** Acknowledges a callee's 2xx that nobody will use, and hangs up on it. */
  readonly dismiss: (dialog: Dialog, response: SipResponse, reason: string) => void;
  readonly hangUp: (dialog: Dialog, reason: string) => void;
}

export class MediaRefusals {
  readonly #options: MediaRefusalsOptions;

  constructor(options: MediaRefusalsOptions) {
    this.#options = options;
  }

  /** A request whose offer cannot be carried. */
  request(passage: Passage, { status, reason, retryAfterSeconds }: MediaVerdict): void {
    this.#note(passage, status);
    this.#options.endFirst(passage, 'media refused');
    const parts = retryAfterSeconds === undefined ? {} : retryAfter(retryAfterSeconds);
    passage.server.reply(status, reason, parts);
  }

  /** A callee answered with a description that cannot be used: an established call is hung up, others fail. */
  answer(passage: Passage, response: SipResponse, refused: MediaVerdict): void {
    this.#note(passage, refused.status);
    const { dialog, server } = passage;
    const { deliver, dismiss, endFirst, hangUp } = this.#options;
    if (dialog === undefined || response.status < 200) {
      response.setBody(Buffer.alloc(0)); // a preview nobody can use; the final answer decides
      return deliver(passage, response);
    }
    if (!passage.isFirst || passage.outgoing.request.method !== 'INVITE') {
      response.setBody(Buffer.alloc(0));
      deliver(passage, response);
      return hangUp(dialog, 'Unusable Answer');
    }
    dismiss(dialog, response, 'Unusable Answer');
    endFirst(passage, 'unusable answer');
    server.reply(refused.status, refused.reason);
  }

  #note({ server, outgoing }: Passage, status: number): void {
    this.#options.count('refused', 'media');
    const source = { side: outgoing.from, ...outgoing.owner.flow };
    this.#options.lines.refused('media', status, server.request, source);
  }
}
