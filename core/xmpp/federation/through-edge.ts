// The way to a partner: core asks an edge over the control channel, the edge opens a stream on the XMPP link and names the question,
// and says on it when the partner has taken us. Edges take turns; one that refuses or stays silent is passed over.
// A stream is believed only from the edge that was asked, and only by the unguessable name of the question.
import type { Duplex } from 'node:stream';
import type { DomainPair, OutgoingFailure } from '../../../xmpp/s2s/index.ts';
import {
  type ControlChannel,
  FEDERATION_DIAL,
  FrameError,
  FrameReader,
  printFrame,
} from '../../../zones/index.ts';
import type { CoreFederationOptions } from './federation-options.ts';
import type { OnwardListener, OnwardStream } from './stanza-road.ts';

type Options = Pick<
  CoreFederationOptions,
  'edges' | 'newId' | 'clock' | 'dialTimeoutMs' | 'maxFrameBytes' | 'count'
>;

const FAILURES: ReadonlySet<string> = new Set<OutgoingFailure>([
  'refused',
  'not-believed',
  'certificate',
  'no-tls',
  'protocol',
  'unreachable',
  'closed',
]);

export class ThroughEdge {
  readonly #options: Options;
  /** Questions whose stream has not come yet, by their name. */
  readonly #asked = new Map<string, { readonly edge: string; readonly stream: PartnerStream }>();
  #turn = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  open(pair: DomainPair, listener: OnwardListener): OnwardStream {
    const edges = this.#options.edges();
    const start = edges.length === 0 ? 0 : this.#turn++ % edges.length;
    const stream = new PartnerStream(listener, this.#options);
    void this.#ask(pair, stream, [...edges.slice(start), ...edges.slice(0, start)]);
    return stream;
  }

  /** An edge opened a stream that names a question. False: nobody asked. */
  adopt(link: Duplex, id: string, edge: string): boolean {
    const asked = this.#asked.get(id);
    if (asked === undefined || asked.edge !== edge) return false;
    this.#asked.delete(id);
    asked.stream.adopt(link);
    return true;
  }

  async #ask(
    { from, to }: DomainPair,
    stream: PartnerStream,
    edges: readonly ControlChannel[],
  ): Promise<void> {
    for (const control of edges) {
      if (stream.isOver) return;
      const id = this.#options.newId();
      this.#asked.set(id, { edge: control.peer.name, stream });
      stream.onEnd = () => this.#asked.delete(id);
      try {
        await control.request(FEDERATION_DIAL, { id, from, to });
        return;
      } catch {
        this.#options.count('edge-would-not-dial');
        this.#asked.delete(id);
        if (stream.isAdopted) return;
      }
    }
    stream.fail('unreachable');
  }
}

class PartnerStream implements OnwardStream {
  onEnd: () => void = () => undefined;
  readonly #listener: OnwardListener;
  readonly #frames: FrameReader;
  readonly #cancelLate: () => void;
  #link: Duplex | undefined;
  #isOver = false;

  constructor(listener: OnwardListener, { clock, dialTimeoutMs, maxFrameBytes }: Options) {
    this.#listener = listener;
    this.#frames = new FrameReader(maxFrameBytes);
    this.#cancelLate = clock.after(dialTimeoutMs, () => this.fail('unreachable'));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isAdopted(): boolean {
    return this.#link !== undefined;
  }

  adopt(link: Duplex): void {
    if (this.#isOver) return void link.destroy();
    this.#link = link;
    link.on('data', (chunk: Buffer) => this.#read(chunk));
    link.on('drain', () => this.#listener.onDrain());
    link.once('end', () => link.end());
    link.once('close', () => this.fail('closed'));
  }

  write(text: string): boolean {
    return this.#link === undefined || this.#link.destroyed || this.#link.write(printFrame('write', text));
  }

  end(): void {
    if (this.#isOver) return;
    this.#over();
    const link = this.#link;
    link?.resume();
    if (link !== undefined && !link.destroyed) link.end(printFrame('end', ''));
  }

  fail(reason: OutgoingFailure): void {
    if (this.#isOver) return;
    this.#over();
    const link = this.#link;
    link?.resume();
    if (link !== undefined && !link.destroyed) link.end();
    this.#listener.onOver(reason);
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const { type, payload } of this.#frames.read(chunk)) {
        if (type === 'open') {
          this.#cancelLate();
          this.#listener.onReady();
        } else if (type === 'close') return this.fail(reasonOf(payload.toString()));
        else throw new FrameError('this frame is not for a core');
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.fail('protocol');
    }
  }

  #over(): void {
    this.#isOver = true;
    this.#cancelLate();
    this.onEnd();
  }
}

/** Edge's word, if it is one of ours. */
function reasonOf(word: string): OutgoingFailure {
  return FAILURES.has(word) ? (word as OutgoingFailure) : 'closed';
}
