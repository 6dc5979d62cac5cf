// XMPP over WebSocket (RFC 7395) as the stream it stands for: `<open/>` and `<close/>` become the stream's tags, each other
// message is one element; the other way each element becomes one message that declares what it uses (§3.3.3).
// Trusts nothing: what is no framed element ends the connection, and elements go through the same limits as on 5222.
// Holds at most one message of the client and what the client has not read yet.
import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import {
  NS_CLIENT,
  NS_FRAMING,
  NS_STREAMS,
  printHeader,
  StanzaStream,
  STREAM_CLOSE,
  StreamError,
  type StreamEvent,
  type StreamLimits,
  StreamParser,
} from '../../xmpp/index.ts';

export interface FramedStreamOptions {
  /** For `<open/>` and `<close/>`. */
  readonly framing: StreamLimits;
  /** For what core sends. */
  readonly server: StreamLimits;
  /** The client broke the framing. */
  readonly onRefused: (reason: string) => void;
  /** Tells when nothing has passed for so long; as of `net.Socket`. */
  readonly setTimeout: (ms: number, onTimeout: () => void) => void;
}

const FRAMING_TAG = /^<(?:open|close)[\s/>]/;
/** Tags of a stream have no place in a message (§3.3.2). */
const STREAM_TAG = /^<(?:\/|\?|!|[^\s/>]*:?stream[\s/>])/;
/** RFC 6455 §7.4.1. */
const [NORMAL, UNSUPPORTED, POLICY] = [1000, 1003, 1008] as const;
const CLOSE = `<close xmlns="${NS_FRAMING}"/>`;
const HEADER = Buffer.from('<?xml');

export class FramedStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #options: FramedStreamOptions;
  #fromCore: StanzaStream;

  constructor(socket: WebSocket, options: FramedStreamOptions) {
    super();
    this.#socket = socket;
    this.#options = options;
    this.#fromCore = new StanzaStream(options.server);
    this.on('error', () => undefined); // told again by 'close'
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
    socket.on('message', (data: Buffer, isBinary) => this.#onMessage(data, isBinary));
  }

  /** As of `net.Socket`. */
  setTimeout(ms: number, onTimeout: () => void): void {
    this.#options.setTimeout(ms, onTimeout);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const messages: string[] = [];
    try {
      if (chunk.subarray(0, HEADER.length).equals(HEADER))
        this.#fromCore = new StanzaStream(this.#options.server);
      this.#fromCore.write(chunk, (event) => messages.push(printMessage(event)));
    } catch (error) {
      return done(error as Error);
    }
    const last = messages.pop();
    if (last === undefined) return done();
    for (const message of messages) this.#socket.send(message);
    this.#socket.send(last, (error) => done(error));
  }

  override _final(done: () => void): void {
    this.#socket.close(NORMAL);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (isBinary) return this.#refuse(UNSUPPORTED, 'header');
    const begin = data.toString('latin1', 0, 64);
    if (!begin.startsWith('<') || STREAM_TAG.test(begin)) return this.#refuse(POLICY, 'header');
    try {
      const bytes = FRAMING_TAG.test(begin) ? readFraming(data, this.#options.framing) : data;
      if (!this.push(bytes)) this.#socket.pause();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#refuse(POLICY, error.fault);
    }
  }

  #refuse(code: number, reason: string): void {
    this.#options.onRefused(reason);
    this.#socket.close(code);
    this.destroy();
  }
}

/** The stream's own tag in place of `<open/>` or `<close/>`. @throws StreamError for what is neither. */
function readFraming(data: Buffer, limits: StreamLimits): Buffer {
  const events: StreamEvent[] = [];
  const parser = new StreamParser(limits);
  parser.write(Buffer.from(printHeader({})), () => undefined);
  parser.write(data, (event) => events.push(event));
  const [event, ...more] = events;
  const isWhole = parser.isBetweenElements && more.length === 0;
  if (event?.kind !== 'element' || !isWhole || event.namespace !== NS_FRAMING)
    throw new StreamError('invalid-namespace', 'header', 'this is no framing of a stream');
  if (event.local === 'close') return Buffer.from(STREAM_CLOSE);
  const { to, version, 'xml:lang': lang } = event.element.attrs as Record<string, string | undefined>;
  if (version !== '1.0')
    throw new StreamError('unsupported-version', 'header', 'only XMPP 1.0 is spoken here');
  return Buffer.from(printHeader({ to, lang }));
}

function printMessage(event: StreamEvent): string {
  if (event.kind === 'close') return CLOSE;
  if (event.kind === 'open') {
    const { from, id, lang } = event.header;
    const header = printHeader({ from, id, lang }).replace(/^<\?xml[^>]*>/, '');
    return header
      .replace('<stream:stream', '<open')
      .replace(`xmlns="${NS_CLIENT}" xmlns:stream="${NS_STREAMS}"`, `xmlns="${NS_FRAMING}"`)
      .replace(/>$/, '/>');
  }
  const { element } = event;
  if (element.name.startsWith('stream:')) element.attrs['xmlns:stream'] ??= NS_STREAMS;
  else if (!element.name.includes(':')) element.attrs.xmlns ??= event.namespace;
  return element.toString();
}
