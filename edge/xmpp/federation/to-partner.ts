// Stanzas that core sends to a partner: one stream on the link, one connection outside. What core wrote is passed on as it is.
// A partner that does not read leaves core's stream unread; its end, or the failure to reach it, is told to core in a word.
import type { Duplex } from 'node:stream';
import type { OutgoingFailure } from '../../../xmpp/s2s/index.ts';
import { FrameError, FrameReader, printFrame } from '../../../zones/index.ts';
import type { DialListener, PartnerDial } from './partner-dial.ts';

export interface ToPartnerOptions {
  readonly link: Duplex;
  readonly maxFrameBytes: number;
  readonly dial: (listener: DialListener) => PartnerDial;
  readonly onReady: () => void;
  readonly onOver: (reason: OutgoingFailure | 'core') => void;
  readonly count: (event: string, reason?: string) => void;
}

export class ToPartner implements DialListener {
  readonly #options: ToPartnerOptions;
  readonly #frames: FrameReader;
  readonly #dial: PartnerDial;
  #isOver = false;

  constructor(options: ToPartnerOptions) {
    const { link, dial, maxFrameBytes } = options;
    this.#options = options;
    this.#frames = new FrameReader(maxFrameBytes);
    this.#dial = dial(this);
    link.on('data', (chunk: Buffer) => this.#read(chunk));
    link.once('end', () => this.#close('core'));
    link.once('close', () => this.#close('core'));
  }

  end(): void {
    this.#close('closed');
  }

  onReady(): void {
    this.#options.onReady();
    this.#options.link.write(printFrame('open', ''));
  }

  onVerified(): void {
    // Only questions of dialback are answered so.
  }

  onDrain(): void {
    this.#options.link.resume();
  }

  onOver(reason: OutgoingFailure): void {
    this.#close(reason);
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const { type, payload } of this.#frames.read(chunk)) {
        if (type === 'end') return this.#close('core');
        if (type !== 'write') throw new FrameError('this frame is not for an edge');
        if (!this.#dial.write(payload)) this.#options.link.pause();
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#options.count('link-refused');
      this.#close('protocol');
    }
  }

  #close(reason: OutgoingFailure | 'core'): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { link, onOver } = this.#options;
    link.resume();
    if (!link.destroyed) link.end(printFrame('close', reason));
    this.#dial.end();
    onOver(reason);
  }
}
