// Core's media room: the anchor that SIP talks to, the edges it reaches, and the engine's events on their way to the
// sessions they belong to. Bounded by sessions in all and per user; every port is given back when a session ends.
import {
  EngineWatch,
  PortPairs,
  printPcap,
  type EngineEvent,
  type FlowId,
  type MediaEngine,
} from '../../media/index.ts';
import { idleRequest } from '../../zones/media-link/index.ts';
import type { EdgeIdentity } from '../sip/edge-identity.ts';
import type { MediaAnchor, MediaSession, MediaStart } from '../sip/media-anchor.ts';
import { CallMedia } from './call-media.ts';
import { candidatePolicy } from './candidate-policy.ts';
import type { CoreMediaOptions, EdgeControl } from './core-media-options.ts';
import { EdgeSide } from './edge-side.ts';
import type { CaptureView, Component, LineHost, MediaLine } from './media-line.ts';
import type { IceReading } from './ice-section.ts';
import { MediaRefusal } from './media-refusal.ts';

interface Entry {
  readonly call: CallMedia;
  readonly key: string;
  readonly edge: EdgeSide;
}

interface FlowOwner {
  readonly call: CallMedia;
  readonly probe: { readonly line: MediaLine; readonly component: Component } | undefined;
}

/** Six edges may each announce an address per family; an edge that changes its own all the time is not followed. */
const maxAnchors = 64;

/** What an operator asks to see of a call. */
export interface CaptureOrder {
  readonly callId: string;
  readonly view: CaptureView;
  readonly ms: number;
  /** Who asks, for the log. */
  readonly by: string;
}

const MAX_CAPTURES = 4;

export class CoreMedia implements MediaAnchor {
  readonly #options: CoreMediaOptions;
  readonly #engine: MediaEngine;
  readonly #insidePorts: PortPairs;
  readonly #edges = new Map<string, EdgeSide>();
  readonly #sessions = new Map<string, Entry>();
  readonly #perKey = new Map<string, number>();
  readonly #byFlow = new Map<FlowId, FlowOwner>();
  readonly #iceReading: IceReading;
  /** Addresses that edges announce for media. */
  readonly #anchors = new Set<string>();
  readonly #epoch: string;
  readonly #watch: EngineWatch;
  #capturing = 0;
  #closed = false;

  /** Plugs for the control channel, by message type. */
  readonly controlHandlers: Record<string, (body: unknown, from: EdgeControl) => unknown> = {
    'media.idle': (body, from) => {
      const entry = this.#sessions.get(idleRequest.parse(body).session);
      return { keep: entry?.edge.name === from.peer.name };
    },
  };

  constructor(options: CoreMediaOptions) {
    this.#options = options;
    this.#iceReading = {
      isDenied: candidatePolicy(options.deniedCandidates),
      isAnchor: (address) => this.#anchors.has(address),
      count: options.count,
    };
    this.#watch = new EngineWatch(options);
    this.#engine = options.createEngine((event) => this.#onEvent(event));
    const { insideAddress: boundAddress, portQuarantineMs: quarantineMs } = options;
    this.#insidePorts = new PortPairs(this.#engine, { ...options, boundAddress, quarantineMs });
    this.#epoch = options.randomBytes(16).toString('base64url');
  }

  /**
   * An edge's control channel is up. Resolves once its links are announced. Failing is logged, reported and tried
   * again for as long as the channel lives.
   */
  async peerUp(control: EdgeControl): Promise<void> {
    if (this.#closed) return;
    const { name } = control.peer;
    const edge = this.#edges.get(name) ?? this.#addEdge(name);
    try {
      const lost = await edge.connect(control, () => this.#sessionsOf(edge));
      for (const id of lost) this.#lost(id);
    } catch (error) {
      if (!edge.isCurrent(control)) return;
      this.#options.log.warn({ edge: name, err: error }, 'media link could not be set up');
      this.#options.reportMedia(name, {
        state: 'down',
        cause: `the media link could not be set up: ${reasonOf(error)}`,
      });
      this.#options.after(this.#options.linkDeadMs, () => {
        if (edge.isCurrent(control)) void this.peerUp(control);
      });
    }
  }

  #addEdge(name: string): EdgeSide {
    // Links are dialled from the link address, inside legs bound to the inside address, both from one port range.
    const edge = new EdgeSide(name, this.#epoch, this.#engine, this.#linkPorts(), this.#options);
    this.#edges.set(name, edge);
    return edge;
  }

  #linkPorts(): PortPairs {
    if (this.#options.linkAddress === this.#options.insideAddress) return this.#insidePorts;
    const { linkAddress: boundAddress, portQuarantineMs: quarantineMs } = this.#options;
    return new PortPairs(this.#engine, { ...this.#options, boundAddress, quarantineMs });
  }

  peerDown(peer: { readonly name: string }): void {
    this.#edges.get(peer.name)?.disconnected();
  }

  #sessionsOf(edge: EdgeSide): string[] {
    return [...this.#sessions].filter(([, entry]) => entry.edge === edge).map(([id]) => id);
  }

  #lost(id: string): void {
    const entry = this.#sessions.get(id);
    if (entry === undefined) return;
    this.#options.count('media-session-lost');
    this.#options.onLost({ callId: entry.call.callId, key: entry.key });
  }

  open(call: MediaStart, edge: EdgeIdentity): MediaSession {
    const side = this.#edges.get(edge.name);
    if (side === undefined || this.#closed) return refusing(new MediaRefusal('no-link', 'Media link down'));
    const held = this.#perKey.get(call.key) ?? 0;
    const { maxSessions, maxSessionsPerKey } = this.#options;
    if (this.#sessions.size >= maxSessions || held >= maxSessionsPerKey) {
      this.#options.count('media-session-refused', 'too-many-sessions');
      return refusing(new MediaRefusal('too-many-sessions', 'Too many calls'));
    }
    this.#perKey.set(call.key, held + 1);
    const id = this.#options.randomBytes(12).toString('base64url');
    const session = this.#newSession(id, call, side);
    this.#sessions.set(id, { call: session, key: call.key, edge: side });
    return session;
  }

  #newSession(id: string, { callId, key, mayPassIce = false }: MediaStart, edge: EdgeSide): CallMedia {
    const { insideAddress, insideEncryption, randomBelow, onInactive, onIceCall, count } = this.#options;
    const session: CallMedia = new CallMedia({
      callId,
      insideAddress,
      insideEncryption,
      mayPassIce: mayPassIce && insideEncryption !== 'off',
      iceReading: this.#iceReading,
      onAnchor: (address) => {
        if (this.#anchors.size < maxAnchors) this.#anchors.add(address);
      },
      randomBelow,
      host: this.#host(id, edge, () => session),
      onClosed: () => {
        if (session.isConnected) onIceCall(session.ice.summary());
        this.#ended(id);
      },
      onInactive: () => onInactive({ callId, key }),
      count: (event, reason) => {
        if (reason === 'ports-exhausted') this.#watch.portsExhausted(this.#options);
        count(event, reason);
      },
    });
    return session;
  }

  #host(id: string, edge: EdgeSide, session: () => CallMedia): LineHost {
    let streams = 0;
    return {
      engine: this.#engine,
      ports: this.#insidePorts,
      edge,
      session: id,
      inactivityMs: this.#options.inactivityMs,
      randomBytes: this.#options.randomBytes,
      dscp: this.#options.dscp,
      nextStream: () => streams++ % 0x10000,
      watch: (flow, probe) => {
        this.#byFlow.set(flow, { call: session(), probe });
        session().flowActive(flow);
      },
      unwatch: (flow) => {
        this.#byFlow.delete(flow);
        session().flowGone(flow);
      },
    };
  }

  #ended(id: string): void {
    const entry = this.#sessions.get(id);
    if (entry === undefined) return;
    this.#sessions.delete(id);
    const held = this.#perKey.get(entry.key) ?? 1;
    if (held > 1) this.#perKey.set(entry.key, held - 1);
    else this.#perKey.delete(entry.key);
    // A close that cannot be told is made good by the next claim or by edge's idle question.
    entry.edge.request('media.close', { session: id }).catch(() => {});
  }

  #onEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'stun':
        for (const edge of this.#edges.values()) if (edge.hear(event)) return;
        return;
      case 'proven':
        return this.#proven(event.flow, event.token);
      case 'check':
        return this.#checked(event.flow, event.token, event.bytes);
      case 'idle':
        return this.#byFlow.get(event.flow)?.call.flowIdle(event.flow);
      case 'active':
        return this.#byFlow.get(event.flow)?.call.flowActive(event.flow);
      case 'bad-tags':
        this.#byFlow.get(event.flow)?.call.badTags();
        return this.#options.count('media-bad-tags');
      default:
        return this.#watch.hear(event);
    }
  }

  #checked(flow: FlowId, token: number, check: Buffer): void {
    const probe = this.#byFlow.get(flow)?.probe;
    if (probe?.line.provesSource(probe.component, check) === true) this.#proven(flow, token);
    else this.#options.count('media-check-refused');
  }

  #proven(flow: FlowId, token: number): void {
    const probe = this.#byFlow.get(flow)?.probe;
    if (probe === undefined) return;
    probe.line.latch(probe.component, token).then(
      (latched) => this.#options.count('media-latch', latched ? 'latched' : 'forgotten'),
      () => this.#options.count('media-latch', 'failed'), // the next packet proves it again
    );
  }

  async close(reason: string): Promise<void> {
    this.#closed = true;
    for (const { call } of this.#sessions.values()) call.close(reason);
    for (const edge of this.#edges.values()) edge.close();
    await this.#engine.close();
  }

  /**
   * Keeps packets of a call for so long and gives them as a pcap file; undefined when there is no such call. Rejects
   * EngineError `full`, MediaRefusal. Who asked is logged: what is kept may be speech.
   */
  async capture(order: CaptureOrder): Promise<Buffer | undefined> {
    const { callId, view, ms, by } = order;
    const calls = [...this.#sessions.values()].flatMap(({ call }) => (call.callId === callId ? [call] : []));
    if (calls.length === 0) return undefined;
    if (this.#capturing >= MAX_CAPTURES) throw new MediaRefusal('too-many-sessions', 'Too many captures');
    this.#capturing += 1;
    this.#options.count('media-capture', view);
    this.#options.log.warn({ callId, view, ms, by }, 'packets of a call are captured for an operator');
    try {
      for (const call of calls) call.startCapture(view);
      await new Promise<void>((resolve) => void this.#options.after(ms, resolve));
    } catch (error) {
      for (const call of calls) call.stopCapture();
      throw error;
    } finally {
      this.#capturing -= 1;
    }
    const packets = calls.flatMap((call) => call.stopCapture());
    return printPcap(packets, this.#options.timeOfDay() - this.#options.now());
  }

  /** Handles in use: what the leak test reads. */
  sizes(): { sessions: number; keys: number; engine: ReturnType<MediaEngine['sizes']>; watched: number } {
    const { size: sessions } = this.#sessions;
    return { sessions, keys: this.#perKey.size, engine: this.#engine.sizes(), watched: this.#byFlow.size };
  }

  /** Edges, links and sessions with their counters, for the admin page. */
  status(): object {
    return {
      edges: [...this.#edges.values()].map((edge) => edge.status()),
      engine: { ...this.#engine.sizes(), shards: this.#engine.shards, ...this.#watch.status() },
      ports: this.#insidePorts.sizes(),
      sessions: [...this.#sessions.values()].map(({ call }) => call.status()),
    };
  }
}

/** A session that refuses everything with the same words. */
function refusing(refusal: MediaRefusal): MediaSession {
  return {
    offer: () => Promise.reject(refusal),
    answer: () => Promise.reject(refusal),
    rollback: () => {},
    connected: () => {},
    iceCallType: () => 'none',
    close: () => {},
    status: () => ({ refused: refusal.code }),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}
