// The stream to a messaging server inside: TCP, STARTTLS with a verified chain and name, features, and from then on what
// the server says. There is no way to go on without TLS (T-085) and none to switch the verification off.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import type { Element } from 'ltx';
import {
  InitiatingStream,
  StanzaStream,
  STREAM_CLOSE,
  StreamError,
  type StreamEvent,
  type StreamHeader,
} from '../../xmpp/index.ts';
import { dialWords } from '../../zones/index.ts';
import type { InsideOptions, XmppNode } from './core-xmpp-options.ts';

/** Who listens to a server; called from the first features on. */
export interface InsideListener {
  onReady(header: StreamHeader, features: Element): void;
  onEvent(event: StreamEvent): void;
  /** What was read at once has been told event by event. */
  onRead(): void;
  onLost(): void;
  onDrain(): void;
}

/** A server could not be reached; the message names it and says why, for the operator. */
export class InsideError extends Error {
  constructor(text: string, cause?: unknown) {
    super(text, { cause });
    this.name = 'InsideError';
  }
}

/** One for each server: the authorities of a context of their own would be most of what a session weighs. */
const contexts = new WeakMap<XmppNode, SecureContext>();

function contextOf(node: XmppNode): SecureContext {
  const known = contexts.get(node);
  if (known !== undefined) return known;
  const { trust } = node;
  const fresh = createSecureContext({ minVersion: 'TLSv1.2', ...(trust === undefined ? {} : { ca: trust }) });
  contexts.set(node, fresh);
  return fresh;
}

/** Addresses of one server that are tried one after the other. */
const MAX_ADDRESSES = 3;
/** How long a server may take to end its side of the stream. */
const CLOSE_MS = 2_000;

/** Connects to a server for a domain; resolves when its features after TLS are there. Rejects with InsideError. */
export async function openInside(
  node: XmppNode,
  domain: string,
  options: InsideOptions,
): Promise<InsideStream> {
  let failure = new InsideError(`${node.name}: no address`);
  for (const address of (await addressesOf(node, options)).slice(0, MAX_ADDRESSES)) {
    const stream = new InsideStream(node, domain, address, options);
    try {
      await stream.negotiated;
      return stream;
    } catch (error) {
      failure = error instanceof InsideError ? error : new InsideError(`${node.name}: failed`, error);
    }
  }
  throw failure;
}

async function addressesOf(node: XmppNode, { resolve }: InsideOptions): Promise<readonly string[]> {
  if (node.address !== undefined) return [node.address];
  if (isIP(node.name) !== 0) return [node.name];
  try {
    return await resolve(node.name);
  } catch (error) {
    throw new InsideError(`${node.name}: the name has no address`, error);
  }
}

export class InsideStream {
  readonly node: XmppNode;
  /** Settles with the first features. */
  readonly negotiated: Promise<void>;
  readonly #domain: string;
  readonly #options: InsideOptions;
  readonly #initiating: InitiatingStream;
  #parser: StanzaStream;
  #socket: Socket;
  #listener: InsideListener | undefined;
  #first: { header: StreamHeader; features: Element } | undefined;
  #settle: { done: () => void; fail: (error: InsideError) => void } | undefined;
  #isReady = false;
  #isTlsDue = false;
  #isOver = false;

  constructor(node: XmppNode, domain: string, address: string, options: InsideOptions) {
    this.node = node;
    this.#domain = domain;
    this.#options = options;
    this.#initiating = new InitiatingStream(domain);
    this.#parser = new StanzaStream(options.serverLimits);
    const tcp = connectTcp({ host: address, port: options.port, noDelay: true, keepAlive: true });
    this.#socket = tcp;
    const cancel = options.clock.after(options.connectTimeoutMs, () =>
      this.#fail(`no session within ${options.connectTimeoutMs / 1000} s`),
    );
    this.negotiated = new Promise<void>((resolve, reject) => {
      this.#settle = { done: resolve, fail: reject };
    }).finally(cancel);
    tcp.on('error', (error) => this.#fail(dialWords(error, address, options.port), error));
    tcp.once('close', () => this.#lost());
    tcp.once('connect', () => tcp.write(this.#initiating.begin()));
    tcp.on('data', this.#onData);
  }

  /** Who hears the server from now on; hears the first features at once. */
  listen(listener: InsideListener): void {
    this.#listener = listener;
    if (this.#isOver) return listener.onLost();
    const first = this.#first;
    if (first !== undefined) listener.onReady(first.header, first.features);
  }

  /** False when the server reads slowly: wait for `onDrain`. */
  write(parts: readonly Buffer[]): boolean {
    const [first] = parts;
    if (this.#isOver || first === undefined) return true;
    return this.#socket.write(parts.length === 1 ? first : Buffer.concat(parts));
  }

  /** After sign-in: a new stream on the same connection (RFC 6120 §6.4.6). */
  restart(lang: string | undefined): void {
    this.#isReady = false;
    this.#parser = new StanzaStream(this.#options.serverLimits);
    if (!this.#isOver) this.#socket.write(this.#initiating.begin(lang));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends it: `clean` with the end of the stream, else like a cut cable, so that the session can be resumed. */
  end(clean: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const socket = this.#socket;
    if (!clean) return void socket.destroy();
    socket.resume();
    socket.end(STREAM_CLOSE);
    const cancel = this.#options.clock.after(CLOSE_MS, () => socket.destroy());
    socket.once('close', cancel);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    try {
      this.#parser.write(chunk, (event) => this.#handle(event));
      if (this.#isTlsDue) this.#startTls();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#fail(error.message, error);
    }
    this.#listener?.onRead();
  };

  #handle(event: StreamEvent): void {
    if (this.#isOver) return;
    if (this.#isTlsDue)
      throw new StreamError('policy-violation', 'order', 'something follows proceed in the clear');
    if (this.#isReady) return this.#listener?.onEvent(event);
    for (const action of this.#initiating.handle(event)) {
      if (action.kind === 'write') this.#socket.write(action.text);
      else if (action.kind === 'start-tls') this.#isTlsDue = true;
      else this.#ready(action.header, action.features);
    }
  }

  #ready(header: StreamHeader, features: Element): void {
    this.#isReady = true;
    this.#first = { header, features };
    if (this.#listener === undefined) this.#settle?.done();
    else this.#listener.onReady(header, features);
  }

  #startTls(): void {
    this.#isTlsDue = false;
    if (!this.#parser.isBetweenElements)
      throw new StreamError('policy-violation', 'order', 'something follows proceed in the clear');
    const tcp = this.#socket;
    const { name } = this.node;
    tcp.off('data', this.#onData);
    tcp.pause();
    const socket: TLSSocket = connectTls({
      socket: tcp,
      servername: this.#domain,
      secureContext: contextOf(this.node),
      // RFC 6120 §13.7.2.1 wants the domain; servers of a cluster often have only their own name. Either proves them.
      checkServerIdentity: (_host, certificate) =>
        checkServerIdentity(name, certificate) && checkServerIdentity(this.#domain, certificate),
    });
    this.#socket = socket;
    this.#parser = new StanzaStream(this.#options.serverLimits);
    socket.on('error', (error) => this.#fail(`TLS failed: ${error.message}`, error));
    socket.once('close', () => {
      this.#lost();
      tcp.destroy();
    });
    socket.on('drain', () => this.#listener?.onDrain());
    socket.on('data', this.#onData);
    socket.once('secureConnect', () => socket.write(this.#initiating.secured()));
  }

  #fail(words: string, cause?: unknown): void {
    this.#settle?.fail(new InsideError(`${this.node.name}: ${words}`, cause));
    this.#lost();
    this.#socket.destroy();
  }

  #lost(): void {
    this.#settle?.fail(new InsideError(`${this.node.name}: the server ended the connection`));
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener?.onLost();
  }
}
