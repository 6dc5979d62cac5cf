// Edge's and core's media rooms in one process, joined by a control channel that carries JSON as zones does, with
// real UDP on loopback between them and to the test's own phones. Timers are the test's: nothing waits by the clock.
import { randomBytes, randomInt } from 'node:crypto';
import { CoreMedia, type CoreMediaOptions, type EdgeControl } from '../../core/media/index.ts';
import { EdgeMedia, type EdgeMediaOptions } from '../../edge/media/index.ts';
import { createPortableEngine, type EngineEvent, type MediaEngine } from '../../media/index.ts';

export const EDGE = { name: 'edge.example', zone: 'inside', zoneId: 1 };
const CORE = 'core.inside';

/** One clock and its timers; `step` moves time and runs what falls due. */
export class StepClock {
  now = 1_000_000;
  readonly #due: { at: number; action: () => void }[] = [];

  readonly after = (ms: number, action: () => void): (() => void) => {
    const entry = { at: this.now + ms, action };
    this.#due.push(entry);
    return () => {
      const index = this.#due.indexOf(entry);
      if (index >= 0) this.#due.splice(index, 1);
    };
  };

  readonly every = (ms: number, action: () => void): (() => void) => {
    const tick = (): void => {
      cancel = this.after(ms, tick);
      action();
    };
    let cancel = this.after(ms, tick);
    return () => cancel();
  };

  step(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#due.filter((entry) => entry.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#due.splice(this.#due.indexOf(next), 1);
      this.now = next.at;
      next.action();
    }
    this.now = end;
  }
}

function engineOn(clock: StepClock, onEvent: (event: EngineEvent) => void): MediaEngine {
  return createPortableEngine({
    now: () => clock.now,
    timeOfDay: () => clock.now,
    shards: 2,
    every: clock.every,
    randomToken: () => randomBytes(4).readUInt32BE(0),
    onEvent,
    sweepMs: 1000,
    limits: {
      maxPorts: 2000,
      maxFlows: 8000,
      maxLinks: 8,
      maxSourcesPerKey: 16,
      stunPerSecond: 100,
      trunkBufferBytes: 1 << 20,
      maxCaptureBytes: 1 << 23,
    },
  });
}

export interface PairOptions {
  /** Third byte of the loopback addresses 127.0.x.1 to .3, so that test files do not meet. */
  readonly network: number;
  readonly core?: Partial<CoreMediaOptions>;
  readonly edge?: Partial<EdgeMediaOptions>;
  /** Address and ports that core dials instead of edge's own. */
  readonly dial?: { address: string; ports: readonly number[] };
  /** One more port that core dials, where nobody answers. */
  readonly deadPort?: number;
}

export class MediaPair {
  readonly clock = new StepClock();
  readonly events: string[] = [];
  readonly reports: string[] = [];
  /** What core says of its links beside `reports`. */
  readonly causes: string[] = [];
  readonly edge: EdgeMedia;
  readonly core: CoreMedia;
  dial: { address: string; ports: readonly number[] };
  /** Requests of this type to edge fail while set. */
  failing: string | undefined;
  #connected = false;

  private constructor(options: PairOptions) {
    const address = (host: number): string => `127.0.${options.network}.${host}`;
    const common = {
      firstPort: 20002,
      lastPort: 21001,
      portQuarantineMs: 1000,
      dscp: { audio: 46, video: 34, other: 0 },
      now: () => this.clock.now,
      after: this.clock.after,
      randomBelow: (limit: number) => randomInt(limit),
      log: { info: () => {}, warn: () => {} },
    };
    this.edge = new EdgeMedia({
      ...common,
      createEngine: (onEvent) => engineOn(this.clock, onEvent),
      boundAddress: address(1),
      announcedAddress: address(1),
      linkAddress: address(1),
      linkPorts: [0, 0],
      maxPendingSources: 8,
      probePacketsPerSecond: 50,
      maxStreamsPerSession: 32,
      maxSessionsPerCore: 1000,
      idleAfterMs: 120_000,
      controlLostGraceMs: 30_000,
      linkDeadMs: 4000,
      reportMedia: (_core, status) => this.reports.push(`edge ${status.state}`),
      count: (event, reason) => this.events.push(`edge ${event} ${reason ?? ''}`.trim()),
      ...options.edge,
    });
    this.dial = options.dial ?? { address: address(1), ports: [] };
    this.core = new CoreMedia({
      ...common,
      createEngine: (onEvent) => engineOn(this.clock, onEvent),
      insideAddress: address(2),
      linkAddress: address(3),
      insideEncryption: 'off',
      timeOfDay: () => this.clock.now,
      deniedCandidates: [],
      onIceCall: (call) => this.events.push(`ice ${call.type}, offered by ${call.offers}`),
      inactivityMs: 60_000,
      helloIntervalMs: 1500,
      linkDeadMs: 4000,
      linkRebindMs: 10_000,
      requestTimeoutMs: 2000,
      maxSessions: 1000,
      maxSessionsPerKey: 1000,
      randomBytes: (bytes) => randomBytes(bytes),
      locateEdge: async () => this.dial,
      reportMedia: (_edge, status) => {
        this.reports.push(`core ${status.state}`);
        this.causes.push(status.cause);
      },
      onInactive: ({ callId }) => this.events.push(`inactive ${callId}`),
      onLost: ({ callId }) => this.events.push(`lost ${callId}`),
      count: (event, reason) => this.events.push(`core ${event} ${reason ?? ''}`.trim()),
      ...options.core,
    });
  }

  /** Both rooms up, control connected, every link proven. */
  static async open(options: PairOptions): Promise<MediaPair> {
    const pair = new MediaPair(options);
    await pair.edge.listen();
    if (options.dial === undefined) {
      const bound = pair.edge.linkAddresses();
      const dead = options.deadPort === undefined ? [] : [options.deadPort];
      pair.dial = { address: bound[0]!.address, ports: [...bound.map(({ port }) => port), ...dead] };
    }
    await pair.connect();
    if (options.deadPort === undefined) await pair.linksUp();
    return pair;
  }

  /** The control channel comes up, fresh. */
  async connect(): Promise<void> {
    this.#connected = true;
    const carry = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;
    const toCore: EdgeControl = {
      peer: { name: CORE },
      request: async (type, body) => {
        if (!this.#connected) throw new Error('closed');
        return carry(await this.core.controlHandlers[type]!(carry(body), { ...toCore, peer: EDGE }));
      },
    };
    const toEdge: EdgeControl = {
      peer: EDGE,
      request: async (type, body) => {
        if (!this.#connected || type === this.failing) throw new Error('closed');
        const reply = carry(await this.edge.controlHandlers[type]!(carry(body), toCore));
        if (!this.#connected) throw new Error('closed');
        return reply;
      },
    };
    await this.core.peerUp(toEdge);
  }

  disconnect(): void {
    this.#connected = false;
    this.core.peerDown(EDGE);
    this.edge.peerDown({ name: CORE });
  }

  /** Resolves once every link is up; lets time pass meanwhile, because only a hello brings a link up. */
  async linksUp(): Promise<void> {
    const links = (): { up: boolean }[] =>
      (this.core.status() as { edges: { links: { up: boolean }[] }[] }).edges.flatMap((edge) => edge.links);
    while (links().length === 0 || !links().every((link) => link.up)) await this.run(500);
  }

  /** Lets time pass with the sockets served in between, as it does in life. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.step(Math.min(500, ms - passed));
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async close(): Promise<void> {
    await this.core.close('test over');
    await this.edge.close('test over');
  }
}
