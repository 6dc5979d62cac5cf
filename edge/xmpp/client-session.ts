// A client after TLS: its stream is parsed under limits and sent to core as frames, what core says is written back.
// Back-pressure both ways: a full link leaves the client unread, a slow client leaves its stream on the link unread.
// Decides nothing but form: which stanza may pass and who may sign in is core's.
import type { Duplex } from 'node:stream';
import {
  printHeader,
  printStreamError,
  STREAM_CLOSE,
  type StreamCondition,
  StreamError,
  type StreamEvent,
  StanzaStream,
  WireBatch,
  wireOf,
} from '../../xmpp/index.ts';
import { type Frame, FrameError, FrameReader, type FrameType, printFrame } from '../../zones/index.ts';
import { ByteRate } from './byte-rate.ts';
import type { EdgeXmppOptions } from './edge-xmpp-options.ts';

/** What a client is connected by: TLS, or WebSocket messages over it. */
export interface ClientSocket extends Duplex {
  setTimeout(ms: number, onTimeout: () => void): unknown;
}

export interface ClientSessionOptions extends Pick<
  EdgeXmppOptions,
  'name' | 'limits' | 'maxFrameBytes' | 'clock' | 'newId' | 'count'
> {
  /** A stream to a core. @throws LinkError when there is none. */
  readonly openLink: () => Duplex;
  readonly onSignedIn: () => void;
  /** The client broke the protocol; for bans. */
  readonly onRefused: (reason: string) => void;
}

type Pause = 'link' | 'rate';

export class ClientSession {
  readonly #socket: ClientSocket;
  readonly #options: ClientSessionOptions;
  readonly #frames: FrameReader;
  readonly #rate: ByteRate;
  readonly #pauses = new Set<Pause>();
  #parser: StanzaStream;
  #link: Duplex | undefined;
  readonly #batch = new WireBatch();
  #isHeaded = false;
  #isOver = false;
  #cancelStuck: (() => void) | undefined;
  #cancelRate: (() => void) | undefined;

  constructor(socket: ClientSocket, options: ClientSessionOptions) {
    const { limits, clock, maxFrameBytes } = options;
    this.#socket = socket;
    this.#options = options;
    this.#frames = new FrameReader(maxFrameBytes);
    this.#rate = new ByteRate(limits.maxBytesPerSecond, limits.burstBytes, clock.now());
    this.#parser = new StanzaStream(limits.signIn);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#drained());
    socket.setTimeout(limits.idleTimeoutMs, () =>
      this.end('connection-timeout', 'nothing was said for too long'),
    );
    socket.once('end', () => this.#gone());
    socket.once('close', () => this.#gone());
  }

  /** Ends the session from this side: the client gets a stream error, core learns that the client is gone. */
  end(condition: StreamCondition, text: string): void {
    if (this.#isOver) return;
    const { name, newId } = this.#options;
    const opening = this.#isHeaded ? '' : printHeader({ from: name, id: newId() });
    this.#leave('lost');
    this.#finish(opening + printStreamError(condition, text));
  }

  #read(chunk: Buffer): void {
    if (this.#isOver) return;
    const { clock } = this.#options;
    const waitMs = this.#rate.take(chunk.length, clock.now());
    try {
      this.#parser.write(chunk, (event) => this.#handle(event));
      this.#flush();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#flush();
      this.#options.count('stream-refused', error.fault);
      this.#options.onRefused(error.fault);
      this.end(error.condition, error.message);
    }
    if (waitMs === 0 || this.#isOver) return;
    this.#pause('rate');
    this.#cancelRate = clock.after(waitMs, () => this.#resume('rate'));
  }

  #handle(event: StreamEvent): void {
    if (this.#isOver) return;
    if (event.kind === 'element') {
      this.#batch.add(wireOf(event));
      return;
    }
    this.#flush();
    if (event.kind === 'close') return this.#send('close', '');
    this.#isHeaded = false;
    if (this.#link === undefined && !this.#connect()) return;
    const { to, lang } = event.header;
    this.#send('open', printHeader({ to, lang }));
  }

  #connect(): boolean {
    try {
      this.#adopt(this.#options.openLink());
      return true;
    } catch {
      this.#options.count('no-core');
      this.end('remote-connection-failed', 'messaging is not available at the moment');
      return false;
    }
  }

  #adopt(link: Duplex): void {
    this.#link = link;
    link.on('data', (chunk: Buffer) => this.#fromCore(chunk));
    link.on('drain', () => this.#resume('link'));
    link.once('close', () => {
      if (this.#isOver) return;
      this.#options.count('link-lost');
      this.end('remote-connection-failed', 'the way to the messaging server was lost');
    });
  }

  #flush(): void {
    if (!this.#batch.isEmpty) this.#send('elements', this.#batch.take());
  }

  #send(type: FrameType, payload: string | readonly Buffer[]): void {
    if (this.#link !== undefined && !this.#link.write(printFrame(type, payload))) this.#pause('link');
  }

  #fromCore(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      for (const frame of this.#frames.read(chunk)) this.#obey(frame);
    } catch (error) {
      if (!(error instanceof FrameError) && !(error instanceof StreamError)) throw error;
      this.#options.count('link-refused');
      this.end('internal-server-error', 'the session cannot go on');
    }
  }

  #obey({ type, payload }: Frame): void {
    switch (type) {
      case 'write':
        this.#isHeaded = true;
        return this.#write(payload);
      case 'signedIn':
        return this.#signedIn(payload);
      case 'end':
        this.#leave('close');
        return this.#finish(payload);
      default:
        throw new FrameError('this frame is not for an edge');
    }
  }

  /** RFC 6120 §6.4.6: the client opens a new stream. It may not have begun to speak before it was told. */
  #signedIn(payload: Buffer): void {
    const { limits, onSignedIn } = this.#options;
    if (!this.#parser.isBetweenElements)
      throw new StreamError('policy-violation', 'order', 'the client spoke before it was signed in');
    this.#parser = new StanzaStream(limits.session);
    onSignedIn();
    this.#write(payload);
  }

  #write(payload: Buffer): void {
    if (this.#socket.write(payload) || this.#cancelStuck !== undefined) return;
    const { clock, limits, count } = this.#options;
    this.#link?.pause();
    this.#cancelStuck = clock.after(limits.writeTimeoutMs, () => {
      count('client-stuck');
      this.#leave('lost');
      this.#socket.destroy();
    });
  }

  #drained(): void {
    this.#cancelStuck?.();
    this.#cancelStuck = undefined;
    this.#link?.resume();
  }

  #pause(why: Pause): void {
    this.#pauses.add(why);
    this.#socket.pause();
  }

  #resume(why: Pause): void {
    this.#pauses.delete(why);
    if (this.#pauses.size === 0 && !this.#isOver) this.#socket.resume();
  }

  #gone(): void {
    if (!this.#isOver) this.#leave('lost');
    this.#cancelStuck?.();
    this.#socket.end();
  }

  /** The session is over on the link; core is told how. */
  #leave(type: 'lost' | 'close'): void {
    this.#isOver = true;
    this.#cancelRate?.();
    const link = this.#link;
    if (link === undefined || link.destroyed) return;
    link.resume();
    link.end(printFrame(type, ''));
  }

  #finish(text: string | Buffer): void {
    const { clock, limits } = this.#options;
    const socket = this.#socket;
    socket.resume();
    socket.end(text.length === 0 ? STREAM_CLOSE : text);
    const cancel = clock.after(limits.closeTimeoutMs, () => socket.destroy());
    socket.once('close', cancel);
  }
}
