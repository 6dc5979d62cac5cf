// Stanzas of one pair that an edge brings from a partner: the pair is judged again, every stanza is parsed and judged again, then
// goes its road. A road that is full leaves edge's stream unread.
import type { Duplex } from 'node:stream';
import {
  NS_SERVER,
  StreamError,
  type StreamEvent,
  type StreamCondition,
  type StreamLimits,
  StreamParser,
} from '../../../xmpp/index.ts';
import {
  canonicalDomain,
  type DomainPair,
  pairKey,
  readStanza,
  type ServerStanza,
} from '../../../xmpp/s2s/index.ts';
import { FrameError, FrameReader, printFrame } from '../../../zones/index.ts';

export interface FromEdgeOptions {
  readonly limits: StreamLimits;
  readonly maxFrameBytes: number;
  readonly isAllowed: (pair: DomainPair) => boolean;
  /** False: stop; `resume` will be called. */
  readonly send: (stanza: ServerStanza, resume: () => void) => boolean;
  /** What was read at once has been sent. */
  readonly onRead: () => void;
  readonly onOpen: (pair: DomainPair) => void;
  readonly onOver: () => void;
  readonly count: (event: string, reason?: string) => void;
}

export class FromEdge {
  readonly #link: Duplex;
  readonly #options: FromEdgeOptions;
  readonly #frames: FrameReader;
  readonly #parser: StreamParser;
  #pair: DomainPair | undefined;
  #isOver = false;

  constructor(link: Duplex, options: FromEdgeOptions) {
    this.#link = link;
    this.#options = options;
    this.#frames = new FrameReader(options.maxFrameBytes);
    this.#parser = new StreamParser(options.limits, NS_SERVER);
    link.on('data', (chunk: Buffer) => this.#read(chunk));
    link.once('end', () => link.end());
    link.once('close', () => this.#over());
  }

  get pair(): string {
    return this.#pair === undefined ? '' : pairKey(this.#pair);
  }

  /** Takes no more; edge tells the partner why. */
  end(condition: StreamCondition): void {
    if (this.#isOver) return;
    this.#over();
    this.#link.resume();
    if (!this.#link.destroyed) this.#link.end(printFrame('end', condition));
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const { type, payload } of this.#frames.read(chunk)) {
        if (type === 'close' || type === 'lost') return this.end('reset');
        if (type !== 'open' && type !== 'elements') throw new FrameError('this frame is not for a core');
        this.#parser.write(payload, (event) => this.#handle(event));
      }
    } catch (error) {
      if (!(error instanceof FrameError) && !(error instanceof StreamError)) throw error;
      // Edge lets only what is well-formed and belongs to the pair pass: an edge that errs, or is captured.
      this.#options.count('edge-refused', error instanceof StreamError ? error.fault : 'frame');
      this.end('internal-server-error');
    } finally {
      this.#options.onRead();
    }
  }

  #handle(event: StreamEvent): void {
    if (this.#isOver) return;
    if (event.kind === 'close')
      throw new StreamError('bad-format', 'order', 'edge ended the stream in its own words');
    if (event.kind === 'open') return this.#open(event.header);
    const pair = this.#pair;
    if (pair === undefined) throw new StreamError('not-authorized', 'order', 'a stanza came before the pair');
    const stanza = readStanza(event);
    if (pairKey(stanza) !== pairKey(pair))
      throw new StreamError(
        'invalid-from',
        'address',
        'this stream does not carry stanzas of these two domains',
      );
    if (!this.#options.send(stanza, () => this.#link.resume())) this.#link.pause();
  }

  #open(header: { readonly from: string | undefined; readonly to: string | undefined }): void {
    const [from, to] = [canonicalDomain(header.from), canonicalDomain(header.to)];
    if (from === undefined || to === undefined || !this.#options.isAllowed({ from, to })) {
      this.#options.count('pair-refused');
      return this.end('policy-violation');
    }
    this.#pair = { from, to };
    this.#options.onOpen(this.#pair);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onOver();
  }
}
