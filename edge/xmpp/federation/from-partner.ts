// A partner's connection: each pair of domains that it proves gets a stream of its own on the link to a core, on which its
// stanzas go inward. A full stream leaves the partner unread. The end of any stream ends the connection, so that the
// partner knows that nothing arrives any more.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type DomainPair,
  IncomingConnection,
  type IncomingListener,
  type IncomingOptions,
  pairKey,
  printServerHeader,
  type Proof,
  type ServerStanza,
} from '../../../xmpp/s2s/index.ts';
import { STREAM_CONDITIONS } from '../../../xmpp/index.ts';
import { FrameError, FrameReader, printFrame } from '../../../zones/index.ts';

export interface FromPartnerOptions extends IncomingOptions {
  readonly maxFrameBytes: number;
  /** A stream to a core that takes this pair. @throws LinkError when there is none. */
  readonly openLink: (pair: DomainPair) => Duplex;
  readonly onSecured: () => void;
  readonly onProven: (pair: DomainPair, by: Proof) => void;
  readonly onOver: () => void;
}

interface Passage {
  readonly link: Duplex;
  batch: string[];
}

export class FromPartner implements IncomingListener {
  readonly #options: FromPartnerOptions;
  readonly #connection: IncomingConnection;
  readonly #passages = new Map<string, Passage>();
  readonly #full = new Set<Duplex>();
  #isOver = false;

  constructor(raw: Socket, options: FromPartnerOptions) {
    this.#options = options;
    this.#connection = new IncomingConnection(raw, options, this);
  }

  /** Pairs that it has proven. */
  get pairs(): readonly string[] {
    return [...this.#passages.keys()];
  }

  end(condition: (typeof STREAM_CONDITIONS)[number], text: string): void {
    this.#connection.end(condition, text);
  }

  onSecured(): void {
    this.#options.onSecured();
  }

  onProven(pair: DomainPair, by: Proof): void {
    try {
      this.#open(pair);
      this.#options.onProven(pair, by);
    } catch {
      this.#options.count('no-core');
      this.end('remote-connection-failed', 'messaging is not available at the moment');
    }
  }

  onStanza(stanza: ServerStanza): void {
    this.#passages.get(pairKey(stanza))?.batch.push(stanza.text);
  }

  onRead(): void {
    for (const passage of this.#passages.values()) {
      if (passage.batch.length === 0) continue;
      const text = passage.batch.join('');
      passage.batch = [];
      if (passage.link.write(printFrame('elements', text))) continue;
      this.#full.add(passage.link);
      this.#connection.pause();
    }
  }

  onOver(): void {
    this.#isOver = true;
    this.onRead(); // what was read before the end still goes inward
    for (const { link } of this.#passages.values()) {
      link.resume();
      if (!link.destroyed) link.end(printFrame('close', ''));
    }
    this.#options.onOver();
  }

  #open(pair: DomainPair): void {
    const link = this.#options.openLink(pair);
    const frames = new FrameReader(this.#options.maxFrameBytes);
    link.write(printFrame('open', printServerHeader(pair)));
    link.on('drain', () => this.#drained(link));
    link.on('data', (chunk: Buffer) => this.#fromCore(frames, chunk));
    link.once('close', () => {
      if (this.#isOver) return;
      this.#options.count('link-lost');
      this.end('remote-connection-failed', 'the way to the messaging server was lost');
    });
    this.#passages.set(pairKey(pair), { link, batch: [] });
  }

  #drained(link: Duplex): void {
    this.#full.delete(link);
    if (this.#full.size === 0) this.#connection.resume();
  }

  /** Core says one thing only: that it takes no more, and why. */
  #fromCore(frames: FrameReader, chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const { type, payload } of frames.read(chunk)) {
        if (type !== 'end') throw new FrameError('this frame is not for an edge');
        const condition = STREAM_CONDITIONS.find((one) => one === payload.toString());
        this.end(condition ?? 'undefined-condition', 'the messaging server takes no more');
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#options.count('link-refused');
      this.end('internal-server-error', 'the stream cannot go on');
    }
  }
}
