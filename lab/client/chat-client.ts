// A chat client as small as can be: STARTTLS with the name verified, SASL PLAIN, binding, then stanzas (RFC 6120, 6121).
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Element } from 'ltx';
import {
  InitiatingStream,
  NS_BIND,
  NS_SASL,
  STREAM_CLOSE,
  StreamError,
  type StreamEvent,
  type StreamLimits,
  StreamParser,
} from '../../xmpp/index.ts';

export interface ChatClientOptions {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string;
  readonly domain: string;
  /** What the server's certificate must cover. */
  readonly serverName: string;
  /** PEM. */
  readonly authority: string;
  readonly user: string;
  readonly password: string;
  /** Whom to act as; absent: oneself. */
  readonly authorizeAs?: string;
  /** Another mechanism than PLAIN, with its first message. */
  readonly proof?: { readonly mechanism: string; readonly message: string };
  readonly timeoutMs: number;
}

/** What went wrong, in words; `condition` is the server's own word where there is one. */
export class ChatError extends Error {
  readonly condition: string;
  constructor(message: string, condition = '') {
    super(message);
    this.name = 'ChatError';
    this.condition = condition;
  }
}

const LIMITS: StreamLimits = {
  maxElementLength: 262_144,
  maxDepth: 64,
  maxAttributes: 64,
  maxElements: 4096,
};

interface Waiting {
  readonly fits: (element: Element) => boolean;
  readonly resolve: (element: Element) => void;
  readonly reject: (error: ChatError) => void;
}

/** Signs in and binds a resource. Rejects with ChatError. */
export async function connectChat(options: ChatClientOptions): Promise<ChatClient> {
  const client = new ChatClient(options);
  try {
    await client.signIn();
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

export class ChatClient {
  readonly #options: ChatClientOptions;
  readonly #stream: InitiatingStream;
  #socket: Socket;
  #parser = new StreamParser(LIMITS);
  #isOpening = true;
  #held: Element[] = [];
  #waiting: Waiting[] = [];
  #ended: ChatError | undefined;

  constructor(options: ChatClientOptions) {
    this.#options = options;
    this.#stream = new InitiatingStream(options.domain);
    const { host, port, localAddress } = options;
    this.#socket = connectTcp({ host, port, localAddress, noDelay: true });
    this.#listen(this.#socket);
    this.#socket.write(this.#stream.begin());
  }

  /** The whole way to a bound resource. */
  async signIn(): Promise<void> {
    const { user, password, authorizeAs = '' } = this.#options;
    await this.next('features', ({ name }) => name === 'stream:features');
    const { mechanism, message } = this.#options.proof ?? {
      mechanism: 'PLAIN',
      message: `${authorizeAs}\0${user}\0${password}`,
    };
    const encoded = Buffer.from(message).toString('base64');
    this.send(new Element('auth', { xmlns: NS_SASL, mechanism }).t(encoded));
    const answer = (): Promise<Element> => this.next('a verdict', ({ attrs }) => attrs.xmlns === NS_SASL);
    let verdict = await answer();
    if (verdict.name === 'challenge') {
      // RFC 7628 §3.2.3: why the token is no good; the failure follows.
      this.send(new Element('response', { xmlns: NS_SASL }).t('AQ=='));
      verdict = await answer();
    }
    if (verdict.name !== 'success') throw refusedBy(verdict);
    this.#parser = new StreamParser(LIMITS);
    this.#isOpening = true;
    this.#socket.write(this.#stream.begin());
    await this.next('features', ({ name }) => name === 'stream:features');
    const bind = new Element('iq', { type: 'set', id: 'bind' });
    bind.c('bind', { xmlns: NS_BIND }).c('resource').t('viaduct');
    this.send(bind);
    const bound = await this.next('a bound resource', ({ attrs }) => attrs.id === 'bind');
    if (bound.attrs.type !== 'result') throw new ChatError('no resource was bound');
  }

  send(element: Element): void {
    this.#socket.write(element.toString());
  }

  /** The next element that fits, also one that has come already. */
  next(what: string, fits: (element: Element) => boolean): Promise<Element> {
    const at = this.#held.findIndex(fits);
    if (at >= 0) return Promise.resolve(this.#held.splice(at, 1)[0] ?? new Element('none'));
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const { timeoutMs } = this.#options;
      const timer = setTimeout(
        () => reject(new ChatError(`${what} did not come in ${timeoutMs} ms`)),
        timeoutMs,
      );
      const settle =
        <T>(done: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          done(value);
        };
      this.#waiting.push({ fits, resolve: settle(resolve), reject: settle(reject) });
    });
  }

  close(): void {
    this.#socket.end(STREAM_CLOSE);
  }

  #listen(socket: Socket): void {
    socket.on('error', (error) => this.#end(new ChatError(error.message)));
    socket.on('close', () => this.#end(new ChatError('the connection was closed')));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  #read(chunk: Buffer): void {
    try {
      this.#parser.write(chunk, (event) => this.#handle(event));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#end(new ChatError(error.message, error.condition));
    }
  }

  #handle(event: StreamEvent): void {
    if (this.#ended !== undefined || (event.kind === 'close' && !this.#isOpening)) return;
    if (event.kind === 'element' && (event.local === 'error' || !this.#isOpening))
      return this.#arrived(event.element);
    for (const action of this.#stream.handle(event)) {
      if (action.kind === 'write') this.#socket.write(action.text);
      else if (action.kind === 'start-tls') this.#startTls();
      else {
        this.#isOpening = false;
        this.#arrived(action.features);
      }
    }
  }

  #startTls(): void {
    const { authority, serverName } = this.#options;
    const tcp = this.#socket;
    tcp.removeAllListeners('data');
    const socket = connectTls({ socket: tcp, servername: serverName, ca: authority, minVersion: 'TLSv1.3' });
    this.#parser = new StreamParser(LIMITS);
    this.#socket = socket;
    this.#listen(socket);
    socket.once('secureConnect', () => socket.write(this.#stream.secured()));
  }

  #arrived(element: Element): void {
    if (element.name === 'stream:error') return this.#end(refusedBy(element));
    const waiting = this.#waiting.find(({ fits }) => fits(element));
    if (waiting === undefined) return void this.#held.push(element);
    this.#waiting = this.#waiting.filter((one) => one !== waiting);
    waiting.resolve(element);
  }

  #end(error: ChatError): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}

function refusedBy(element: Element): ChatError {
  const condition = element.getChildElements()[0]?.getName() ?? 'no reason';
  return new ChatError(`refused: ${condition}`, condition);
}
