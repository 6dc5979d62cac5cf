// One session: the stream that edge opened on the link, the machine that decides, the stream to the server inside.
// Back-pressure both ways: whoever does not read leaves the other side unread, never a queue here.
import type { Duplex } from 'node:stream';
import type { Element } from 'ltx';
import {
  type SessionAction,
  type SessionInput,
  SessionProxy,
  type StreamCondition,
  StreamError,
  type StreamEvent,
  type StanzaRules,
  StanzaStream,
  type StreamHeader,
  WireBatch,
} from '../../xmpp/index.ts';
import { type Frame, FrameError, FrameReader, printFrame } from '../../zones/index.ts';
import type { CoreXmppOptions } from './core-xmpp-options.ts';
import type { InsideListener, InsideStream } from './inside-stream.ts';
import type { SignInPolicy } from './sign-in-policy.ts';

export interface CoreSessionOptions extends Pick<
  CoreXmppOptions,
  'signInLimits' | 'sessionLimits' | 'maxFrameBytes' | 'maxFailedSignIns' | 'count'
> {
  readonly policyOf: (domain: string) => 'allowed' | 'off' | 'unknown';
  readonly rulesOf: (domain: string) => StanzaRules;
  readonly signIn: SignInPolicy;
  /** Where edge says the client is. */
  readonly address: string | undefined;
  /** A connected server of the domain; undefined when there is none. */
  readonly openInside: (domain: string) => Promise<InsideStream | undefined>;
  /** Takes a place for a user; undefined when the user has too many sessions. */
  readonly enter: (user: string) => (() => void) | undefined;
  readonly onSignedIn: (user: string, node: string) => void;
  readonly onOver: (user: string | undefined) => void;
}

export class CoreSession implements InsideListener {
  readonly #link: Duplex;
  readonly #options: CoreSessionOptions;
  readonly #proxy: SessionProxy;
  readonly #frames: FrameReader;
  #parser: StanzaStream | undefined;
  #inside: InsideStream | undefined;
  #isSignedIn = false;
  #isOver = false;
  #leave: (() => void) | undefined;
  #user: string | undefined;
  readonly #toClient = new WireBatch();
  readonly #toServer = new WireBatch();

  constructor(link: Duplex, options: CoreSessionOptions) {
    this.#link = link;
    this.#options = options;
    const { address, maxFailedSignIns, policyOf, rulesOf, signIn } = options;
    this.#proxy = new SessionProxy({
      policyOf,
      rulesOf,
      maxFailedSignIns,
      areTokensChecked: signIn.areTokensChecked,
      mayTry: (user, domain) => signIn.mayTry(user, domain, address),
    });
    this.#frames = new FrameReader(options.maxFrameBytes);
    link.on('data', (chunk: Buffer) => this.#read(chunk));
    link.on('drain', () => this.#inside?.resume());
    link.once('end', () => {
      this.#run({ kind: 'client-lost' });
      link.end(); // the stream closes only when both ends have said so
    });
    link.once('close', () => this.#over());
  }

  end(condition: StreamCondition, text: string): void {
    this.#run({ kind: 'end', condition, text });
  }

  onReady(header: StreamHeader, features: Element): void {
    this.#run({ kind: 'server-ready', header, features });
  }

  onEvent(event: StreamEvent): void {
    this.#run({ kind: 'server', event }, false);
  }

  onRead(): void {
    this.#flush();
  }

  onLost(): void {
    this.#run({ kind: 'server-lost' });
  }

  onDrain(): void {
    this.#link.resume();
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.read(chunk)) this.#obey(frame);
    } catch (error) {
      if (error instanceof StreamError) {
        // Edge lets only what is well-formed and within its limits pass, so this is an edge that errs, or is captured.
        this.#options.count('stream-refused', error.fault);
        this.end(error.condition, error.message);
      } else if (error instanceof FrameError) {
        this.#options.count('frame-refused');
        this.#run({ kind: 'client-lost' });
        this.#link.destroy();
      } else throw error;
    }
    this.#flush();
  }

  #obey({ type, payload }: Frame): void {
    const { signInLimits, sessionLimits } = this.#options;
    switch (type) {
      case 'open':
        this.#parser = new StanzaStream(this.#isSignedIn ? sessionLimits : signInLimits);
        return this.#parse(this.#parser, payload);
      case 'elements':
        if (this.#parser === undefined) throw new FrameError('elements before a stream');
        return this.#parse(this.#parser, payload);
      case 'close':
        return this.#run({ kind: 'client', event: { kind: 'close' } });
      case 'lost':
        return this.#run({ kind: 'client-lost' });
      default:
        throw new FrameError('this frame is not for a core');
    }
  }

  #parse(parser: StanzaStream, payload: Buffer): void {
    parser.write(payload, (event) => this.#run({ kind: 'client', event }, false));
  }

  #run(input: SessionInput, flush = true): void {
    for (const action of this.#proxy.handle(input)) this.#do(action);
    if (flush) this.#flush();
  }

  #do(action: SessionAction): void {
    switch (action.kind) {
      case 'to-client':
        this.#toClient.add(action.text);
        return;
      case 'to-server':
        this.#toServer.add(action.text);
        return;
      case 'open-server':
        return this.#open(action.domain);
      case 'restart-server':
        this.#flush();
        return this.#inside?.restart(action.lang);
      case 'signed-in':
        return this.#signedIn(action.user, action.text);
      case 'end-server':
        this.#flush();
        return this.#inside?.end(action.clean);
      case 'end-client':
        return this.#endClient(action.text);
      case 'judge-token':
        return this.#judge(action.token, action.domain);
      case 'failed':
        return this.#options.signIn.failed(action.user, action.domain, this.#options.address);
      case 'count':
        return this.#options.count(action.event);
    }
  }

  #open(domain: string): void {
    void this.#options.openInside(domain).then((inside) => {
      if (inside === undefined) return this.#run({ kind: 'server-unreachable' });
      if (this.#proxy.phase === 'ended') return inside.end(true);
      this.#inside = inside;
      inside.listen(this);
    });
  }

  #judge(token: string, domain: string): void {
    void this.#options.signIn
      .judge(token, domain)
      .then((verdict) => this.#run({ kind: 'token-judged', verdict }));
  }

  #signedIn(user: string, text: string): void {
    const leave = this.#options.enter(user);
    if (leave === undefined) {
      this.#options.count('sessions-per-user');
      return this.end('policy-violation', 'this user has too many sessions');
    }
    this.#leave = leave;
    this.#user = user;
    this.#isSignedIn = true;
    this.#flush();
    this.#link.write(printFrame('signedIn', text));
    this.#options.onSignedIn(user, this.#inside?.node.name ?? '');
  }

  #flush(): void {
    if (!this.#toServer.isEmpty) {
      if (this.#inside?.write(this.#toServer.take()) === false) this.#link.pause();
    }
    if (!this.#toClient.isEmpty) {
      const frame = printFrame('write', this.#toClient.take());
      if (!this.#link.destroyed && !this.#link.write(frame)) this.#inside?.pause();
    }
  }

  #endClient(text: string): void {
    this.#flush();
    if (!this.#link.destroyed) this.#link.end(printFrame('end', text));
    this.#link.resume();
  }

  /** The link's stream is gone, for whatever reason: nothing of the session stays. */
  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#run({ kind: 'client-lost' });
    this.#leave?.();
    this.#options.onOver(this.#user);
  }
}
