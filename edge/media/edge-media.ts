// Edge's media room: what core asks for over the control channel, and what the engine tells.
// Trusts a core only for its own sessions and links. Decides nothing: where a client is, core says by token. Bounded
// by port pairs, sessions per core and streams per session; what nobody claims is closed.
import {
  EngineError,
  EngineWatch,
  PortPairs,
  PortPoolError,
  type BoundPair,
  type EngineEvent,
  type FlowId,
  type MediaEngine,
} from '../../media/index.ts';
import {
  claimRequest,
  closeRequest,
  idleReply,
  latchRequest,
  linkRequest,
  openRequest,
  type LatchRequest,
  type LinkRequest,
  type OpenReply,
  type OpenRequest,
} from '../../zones/media-link/index.ts';
import { EdgeMediaRefusal, type CoreControl, type EdgeMediaOptions } from './edge-media-options.ts';
import { EdgeSession } from './edge-session.ts';
import { EdgeStream } from './edge-stream.ts';
import { LinkDoor } from './link-door.ts';

type Handler = (body: unknown, from: CoreControl) => unknown;

/** What edge knows of one core. */
interface CoreState {
  readonly sessions: Map<string, EdgeSession>;
  epoch: string | undefined;
  control: CoreControl | undefined;
  cancelGrace: (() => void) | undefined;
  /** Sessions named so far by a claim in parts. */
  claimed: Set<string>;
}

export class EdgeMedia {
  readonly #options: EdgeMediaOptions;
  readonly #engine: MediaEngine;
  readonly #ports: PortPairs;
  readonly #links: LinkDoor;
  readonly #watch: EngineWatch;
  readonly #cores = new Map<string, CoreState>();
  readonly #byFlow = new Map<FlowId, { readonly session: EdgeSession; readonly stream: EdgeStream }>();
  #cancelSweep: () => void = () => {};
  #closed = false;

  /** Plugs for the control channel, by message type. */
  readonly controlHandlers: Record<string, Handler> = {
    'media.link': (body, from) => this.#counted(() => this.#link(linkRequest.parse(body), from)),
    'media.open': (body, from) => this.#counted(() => this.#open(openRequest.parse(body), from)),
    'media.latch': (body, from) => this.#counted(() => this.#latch(latchRequest.parse(body), from)),
    'media.close': (body, from) => this.#counted(() => this.#close(closeRequest.parse(body), from)),
    'media.claim': (body, from) => this.#counted(() => this.#claim(claimRequest.parse(body), from)),
  };

  constructor(options: EdgeMediaOptions) {
    this.#options = options;
    this.#watch = new EngineWatch(options);
    this.#engine = options.createEngine((event) => this.#onEvent(event));
    this.#ports = new PortPairs(this.#engine, { ...options, quarantineMs: options.portQuarantineMs });
    this.#links = new LinkDoor(this.#engine, options);
  }

  /** Binds the link ports. Rejects EngineError when one cannot be bound. */
  async listen(): Promise<void> {
    await this.#links.listen();
    this.#sweepSoon();
  }

  /** The link ports actually bound. */
  linkAddresses(): readonly { readonly address: string; readonly port: number }[] {
    return this.#links.bound;
  }

  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelSweep();
    for (const [name, core] of this.#cores) {
      core.cancelGrace?.();
      this.#closeSessions(name, core, () => true, reason);
    }
    await this.#engine.close();
  }

  /** The control channel of a core is gone: its streams live on for the grace period. */
  peerDown(peer: { readonly name: string }): void {
    const core = this.#cores.get(peer.name);
    if (core === undefined || this.#closed) return;
    core.control = undefined;
    core.cancelGrace?.();
    core.cancelGrace = this.#options.after(this.#options.controlLostGraceMs, () =>
      this.#giveUp(peer.name, core),
    );
  }

  #giveUp(name: string, core: CoreState): void {
    this.#closeSessions(name, core, () => true, 'core did not come back');
    this.#links.closeLinks(name, undefined);
    this.#cores.delete(name);
  }

  async #counted<T>(action: () => T | Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const reason = reasonOf(error);
      this.#options.count('media-refused', reason);
      if (reason === 'ports-exhausted') this.#watch.portsExhausted(this.#options);
      throw error;
    }
  }

  #link(request: LinkRequest, from: CoreControl): { fresh: boolean; shards: number } {
    const name = from.peer.name;
    const core = this.#coreOf(from);
    if (core.epoch !== undefined && core.epoch !== request.epoch) {
      this.#closeSessions(name, core, () => true, 'core has restarted');
      this.#links.closeLinks(name, request.epoch);
    }
    core.epoch = request.epoch;
    return { ...this.#links.announce(name, request), shards: this.#engine.shards };
  }

  #coreOf(from: CoreControl): CoreState {
    if (this.#closed) throw new EdgeMediaRefusal('closed', 'edge is shutting down');
    const fresh = {
      sessions: new Map(),
      epoch: undefined,
      control: from,
      cancelGrace: undefined,
      claimed: new Set<string>(),
    };
    const core: CoreState = this.#cores.get(from.peer.name) ?? fresh;
    core.control = from;
    this.#cores.set(from.peer.name, core);
    return core;
  }

  async #open(request: OpenRequest, from: CoreControl): Promise<OpenReply> {
    const core = this.#coreOf(from);
    const { link, shard } = this.#links.engineLink(from.peer.name, request.link);
    const session = this.#sessionFor(core, request, from.peer.name);
    session.opening.add(request.stream);
    try {
      const ports = await this.#ports.open(request.content !== 'opaque', 'media', shard);
      if (session.closed) {
        this.#ports.close(ports);
        throw new EdgeMediaRefusal('closed', 'the session was closed meanwhile');
      }
      this.#addStream(session, request, ports, link);
      const { rtp: rtpPort, rtcp: rtcpPort } = ports.pair;
      return { address: this.#options.announcedAddress, rtpPort, rtcpPort };
    } finally {
      session.opening.delete(request.stream);
      if (session.empty) this.#forget(core, session);
    }
  }

  #sessionFor(core: CoreState, request: OpenRequest, name: string): EdgeSession {
    const known = core.sessions.get(request.session);
    if (known === undefined && core.sessions.size >= this.#options.maxSessionsPerCore) {
      throw new EdgeMediaRefusal('too-many-sessions', 'this core has all the sessions it may have');
    }
    const session = known ?? new EdgeSession(request.session, name);
    if (session.streams.has(request.stream) || session.opening.has(request.stream)) {
      throw new EdgeMediaRefusal('stream-taken', 'this stream is open already');
    }
    if (session.streams.size + session.opening.size >= this.#options.maxStreamsPerSession) {
      throw new EdgeMediaRefusal('too-many-streams', 'this session has all the streams it may have');
    }
    core.sessions.set(session.id, session);
    return session;
  }

  #addStream(session: EdgeSession, request: OpenRequest, ports: BoundPair, link: number): void {
    try {
      const stream = new EdgeStream(request, ports, link, this.#engine, this.#options);
      session.add(stream);
      for (const flow of stream.flows()) this.#byFlow.set(flow, { session, stream });
    } catch (error) {
      this.#ports.close(ports);
      throw error;
    }
  }

  #latch(request: LatchRequest, from: CoreControl): { latched: boolean } {
    const session = this.#coreOf(from).sessions.get(request.session);
    const source = session?.streams.get(request.stream)?.latch(request.component, request.token);
    this.#options.count('media-latch', source === undefined ? 'forgotten' : 'latched');
    if (session === undefined || source === undefined) return { latched: false };
    session.proven(source.address);
    return { latched: true };
  }

  #close(request: { session: string; stream?: number | undefined }, from: CoreControl): object {
    const core = this.#coreOf(from);
    const session = core.sessions.get(request.session);
    if (session === undefined) return {};
    if (request.stream === undefined) {
      this.#closeSession(core, session);
    } else {
      const stream = session.streams.get(request.stream);
      if (stream !== undefined) this.#closeStream(session, stream);
      if (session.empty) this.#forget(core, session);
    }
    return {};
  }

  #claim(
    request: { epoch: string; sessions: string[]; last: boolean },
    from: CoreControl,
  ): { unknown: string[] } {
    const core = this.#coreOf(from);
    if (core.epoch !== request.epoch) throw new EdgeMediaRefusal('unknown-epoch', 'announce a link first');
    core.cancelGrace?.();
    core.cancelGrace = undefined;
    for (const id of request.sessions) if (core.sessions.has(id)) core.claimed.add(id);
    if (request.last) {
      const { claimed } = core;
      core.claimed = new Set();
      this.#closeSessions(
        from.peer.name,
        core,
        (session) => !claimed.has(session.id),
        'core no longer has it',
      );
    }
    return { unknown: request.sessions.filter((id) => !core.sessions.has(id)) };
  }

  #closeSessions(
    name: string,
    core: CoreState,
    which: (session: EdgeSession) => boolean,
    reason: string,
  ): void {
    const sessions = [...core.sessions.values()].filter(which);
    for (const session of sessions) this.#closeSession(core, session);
    if (sessions.length > 0) {
      this.#options.log.info({ core: name, sessions: sessions.length, reason }, 'media sessions closed');
    }
  }

  #closeSession(core: CoreState, session: EdgeSession): void {
    for (const stream of session.streams.values()) this.#closeStream(session, stream);
    this.#forget(core, session);
  }

  #forget(core: CoreState, session: EdgeSession): void {
    session.closed = true;
    if (core.sessions.get(session.id) === session) core.sessions.delete(session.id);
  }

  #closeStream(session: EdgeSession, stream: EdgeStream): void {
    for (const flow of stream.flows()) this.#byFlow.delete(flow);
    stream.closeFlows();
    this.#ports.close(stream.ports);
    session.streams.delete(stream.request.stream);
  }

  #onEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'stun':
        return this.#links.hello(event);
      case 'source':
        return this.#byFlow.get(event.flow)?.stream.sourceSeen(event.flow, event.source);
      case 'idle':
        return this.#idle(event.flow);
      default:
        return this.#watch.hear(event);
    }
  }

  /** A flow is idle. Only core knows whether the call still lives: a held call may be silent for hours. */
  #idle(flow: FlowId): void {
    const session = this.#byFlow.get(flow)?.session;
    if (session === undefined || session.closed) return;
    const core = this.#cores.get(session.core);
    if (core?.control === undefined) return; // the grace period decides
    core.control.request('media.idle', { session: session.id }).then(
      (reply) => {
        const { success, data } = idleReply.safeParse(reply);
        if (!success || data.keep || session.closed) return;
        this.#options.count('media-reaped');
        this.#closeSession(core, session);
      },
      () => {}, // the control channel is failing: the grace period decides
    );
  }

  #sweepSoon(): void {
    this.#cancelSweep = this.#options.after(1000, () => {
      this.#links.sweep();
      this.#sweepSoon();
    });
  }

  /** Handles in use: what the leak test reads. */
  sizes(): {
    sessions: number;
    engine: ReturnType<MediaEngine['sizes']>;
    pairs: ReturnType<PortPairs['sizes']>;
  } {
    const sessions = [...this.#cores.values()].reduce((sum, core) => sum + core.sessions.size, 0);
    return { sessions, engine: this.#engine.sizes(), pairs: this.#ports.sizes() };
  }

  /** Links and sessions with their counters, for the admin page. */
  status(): object {
    const sessions = [...this.#cores].flatMap(([name, core]) =>
      [...core.sessions.values()].map((session) => ({
        core: name,
        session: session.id,
        streams: [...session.streams.values()].map((stream) => stream.status()),
      })),
    );
    const engine = { ...this.#engine.sizes(), shards: this.#engine.shards, ...this.#watch.status() };
    return { engine, links: this.#links.status(), ports: this.#ports.sizes(), sessions };
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof EdgeMediaRefusal) return error.reason;
  if (error instanceof PortPoolError) return 'ports-exhausted';
  return error instanceof EngineError ? error.code : 'bad-message';
}
