// One media section of a call at work: inside ports on core, client ports on edge, channels between, flows that join
// them, and the keys of both legs. The anchor's path, node by node:
//
//   client ⇄ edge port ⇄ channel ⇄ unprotect/protect (client keys) ⇄ protect/unprotect (inside keys) ⇄ inside port
//
// Trusts no packet: client packets need a right tag, inside packets the signalled source. With ICE passthrough the keys
// lie with the two ends: tags are checked, packets go on as they came, and a connectivity check sealed for the far end
// proves a source too.
import type {
  Accept,
  BoundPair,
  CaptureId,
  ShownPacket,
  FlowChange,
  FlowId,
  FlowOutput,
  FlowSpec,
  MediaEngine,
  PortPairs,
} from '../../media/index.ts';
import type { TransportAddress } from '../../turn/index.ts';
import { latchReply, openReply, type MediaKind, type OpenReply } from '../../zones/media-link/index.ts';
import type { EdgeLink } from './edge-link.ts';
import type { EdgeSide } from './edge-side.ts';
import { CheckedSource } from './checked-source.ts';
import type { IceCredentials } from './ice-section.ts';
import { LegKeys, type LegCrypto } from './leg-keys.ts';
import { MediaRefusal } from './media-refusal.ts';

export type Component = 'rtp' | 'rtcp';

/** What a line needs of the room. */
export interface LineHost {
  readonly engine: MediaEngine;
  readonly ports: PortPairs;
  readonly edge: EdgeSide;
  readonly session: string;
  readonly inactivityMs: number;
  readonly randomBytes: (bytes: number) => Buffer;
  readonly dscp: Readonly<Record<MediaKind, number>>;
  readonly nextStream: () => number;
  /** Events of this flow belong to this session; a probe flow names its line and component. */
  readonly watch: (flow: FlowId, probe?: { readonly line: MediaLine; readonly component: Component }) => void;
  readonly unwatch: (flow: FlowId) => void;
}

/** What an agreed offer and answer say about a line. */
export interface LineAgreement {
  readonly client: LegCrypto;
  readonly inside: LegCrypto;
  readonly clientMux: boolean;
  readonly insideMux: boolean;
  /** Where the inside device wants packets, undefined on hold; and whether it names its source at all. */
  readonly rtp: TransportAddress | undefined;
  readonly rtcp: TransportAddress | undefined;
  readonly sendOnly: boolean;
  /** Of RTP timestamps in Hz. */
  readonly clockRate: number;
  /** Keys are the two ends'; undefined: they are ours. */
  readonly passthrough?: LinePassthrough | undefined;
}

/** What a line with end-to-end keys needs to know. */
export interface LinePassthrough {
  /** Credentials of both ends, where both do ICE. */
  readonly ice: { readonly client: IceCredentials; readonly inside: IceCredentials } | undefined;
  /** False once media has gone another way: from then on nobody here can know the packets' rollover counter. */
  readonly checksTags: boolean;
}

type Channels = Readonly<Record<'rtp' | 'rtcp' | 'rtpProbe' | 'rtcpProbe', number>>;

interface Resources {
  readonly inside: BoundPair;
  readonly link: EdgeLink;
  readonly channels: Channels;
  readonly stream: number;
  readonly edge: OpenReply;
}

interface LineFlows {
  readonly content: FlowSpec['content'];
  readonly idleAfterMs: number;
  /** From the client: both components, proven and probing. */
  readonly fromClient: readonly FlowId[];
  readonly fromInside: Readonly<Partial<Record<Component, FlowId>>>;
}

/** Which side of the client's encryption a capture looks at. */
export type CaptureView = 'wire' | 'plain';

/** Some 20 s of speech both ways; a slot holds what an Ethernet carries. */
const CAPTURE = { packets: 2000, snapBytes: 1500 };

/** Longer than a pause between talkspurts with comfort noise, shorter than most calls. */
const movedAfterMs = 5000;

export class MediaLine {
  readonly content: 'rtp' | 'opaque';
  readonly clientKeys: LegKeys;
  readonly insideKeys: LegKeys;
  readonly #host: LineHost;
  readonly #kind: MediaKind;
  #capture: CaptureId | undefined;
  /** What edge and our flows may meet: STUN only where ICE may pass. */
  readonly #edgeContent: 'rtp' | 'opaque' | 'passthrough';
  readonly #checked: Readonly<Record<Component, CheckedSource>> = {
    rtp: new CheckedSource(),
    rtcp: new CheckedSource(),
  };
  #resources: Resources | undefined;
  #flows: LineFlows | undefined;
  #agreement: LineAgreement | undefined;
  #closed = false;

  constructor(content: 'rtp' | 'opaque', kind: MediaKind, host: LineHost, mayPassIce = false) {
    this.content = content;
    this.#kind = kind;
    this.#host = host;
    this.#edgeContent = mayPassIce && content === 'rtp' ? 'passthrough' : content;
    this.clientKeys = new LegKeys(host.engine, host.randomBytes);
    this.insideKeys = new LegKeys(host.engine, host.randomBytes);
  }

  /** The port that inside devices are told. */
  get insidePort(): number {
    return this.#opened().inside.pair.rtp;
  }

  /** The address and port that the client is told. */
  get clientAddress(): TransportAddress {
    const { address, rtpPort } = this.#opened().edge;
    return { address, port: rtpPort };
  }

  /** What was agreed last; undefined before the first answer. */
  get agreement(): LineAgreement | undefined {
    return this.#agreement;
  }

  #opened(): Resources {
    if (this.#resources === undefined) throw new MediaRefusal('closed', 'Media closed');
    return this.#resources;
  }

  /** Takes ports on both machines; does nothing when they are held. Rejects MediaRefusal, PortPoolError, EngineError. */
  async open(): Promise<void> {
    if (this.#resources !== undefined) return;
    const link = this.#host.edge.bestLink();
    const inside = await this.#host.ports.open(this.content === 'rtp', 'media', link.engineShard);
    const channels = takeChannels(link);
    const stream = this.#host.nextStream();
    try {
      const edge = await this.#openEdge(link, channels, stream);
      if (this.#closed) throw new MediaRefusal('closed', 'Media closed');
      this.#resources = { inside, link, channels, stream, edge };
    } catch (error) {
      this.#host.ports.close(inside);
      releaseChannels(link, channels);
      throw error;
    }
  }

  async #openEdge(link: EdgeLink, channels: Channels, stream: number): Promise<OpenReply> {
    const { session, edge } = this.#host;
    const body = { session, stream, content: this.#edgeContent, kind: this.#kind, link: link.name, channels };
    const reply = openReply.safeParse(await edge.request('media.open', body));
    if (!reply.success) throw new MediaRefusal('edge-refused', 'Media not available', { cause: reply.error });
    return reply.data;
  }

  /** Makes the flows do what was agreed. */
  program(agreement: LineAgreement): void {
    const resources = this.#opened();
    this.#agreement = agreement;
    const content = agreement.passthrough === undefined ? this.content : 'passthrough';
    const idleAfterMs = this.#idleAfterMs(agreement);
    if (this.#flows?.content !== content || this.#flows.idleAfterMs !== idleAfterMs) this.#removeFlows();
    this.#flows ??= this.#addFlows(resources, content, idleAfterMs);
    if (agreement.passthrough !== undefined)
      return this.#programPassthrough(resources, agreement, this.#flows);
    const { client, inside } = agreement;
    const toInside = insideOutputs(resources, agreement);
    for (const flow of this.#flows.fromClient) {
      this.#change(flow, agreement, { unprotect: client.unprotect, protect: inside.protect, ...toInside });
    }
    const toClient = clientOutputs(resources, agreement);
    const { rtp, rtcp } = this.#flows.fromInside;
    const change = { unprotect: inside.unprotect, protect: client.protect, ...toClient };
    if (rtp !== undefined)
      this.#change(rtp, agreement, { accept: accept(agreement.rtp, agreement), ...change });
    const separate = agreement.insideMux ? undefined : agreement.rtcp;
    if (rtcp !== undefined) this.#change(rtcp, agreement, { accept: accept(separate, agreement), ...change });
  }

  /** Media has gone another way: should it come back, its rollover counter is not known here, only its ends can check. */
  trustEnds(): void {
    const agreement = this.#agreement;
    if (agreement?.passthrough?.checksTags !== true || agreement.passthrough.ice === undefined) return;
    this.program({ ...agreement, passthrough: { ...agreement.passthrough, checksTags: false } });
  }

  /** Each component goes straight through, whatever is in it: multiplexing was agreed between the two ends. */
  #programPassthrough(resources: Resources, agreement: LineAgreement, flows: LineFlows): void {
    const { link, channels, inside } = resources;
    const checksTags = agreement.passthrough?.checksTags === true;
    const straight = (output: FlowOutput | undefined): Pick<FlowSpec, 'rtp' | 'rtcp'> => ({
      rtp: output,
      rtcp: output,
    });
    const port = (id: number | undefined, remote: TransportAddress | undefined): FlowOutput | undefined =>
      id !== undefined && remote !== undefined ? { kind: 'port', port: id, remote } : undefined;
    const channel = (id: number): FlowOutput => ({ kind: 'channel', link: link.handle, channel: id });
    const [rtp, rtcp, rtpProbe, rtcpProbe] = flows.fromClient;
    const tags = (known: boolean): readonly number[] =>
      checksTags || !known ? agreement.client.unprotect : [];
    const toRtp = straight(port(inside.rtp, agreement.rtp));
    const toRtcp = straight(port(inside.rtcp, agreement.rtcp));
    this.#change(rtp!, agreement, { unprotect: tags(true), ...toRtp });
    this.#change(rtcp!, agreement, { unprotect: tags(true), ...toRtcp });
    this.#change(rtpProbe!, agreement, { unprotect: tags(false), ...toRtp });
    this.#change(rtcpProbe!, agreement, { unprotect: tags(false), ...toRtcp });
    const unprotect = checksTags ? agreement.inside.unprotect : [];
    const fromInside = (remote: TransportAddress | undefined, id: number): FlowChange => ({
      accept: accept(remote, agreement),
      unprotect,
      ...straight(channel(id)),
    });
    this.#change(flows.fromInside.rtp!, agreement, fromInside(agreement.rtp, channels.rtp));
    const rtcpFlow = flows.fromInside.rtcp;
    if (rtcpFlow !== undefined) this.#change(rtcpFlow, agreement, fromInside(agreement.rtcp, channels.rtcp));
  }

  /** Changes a flow; what leaves is marked as its kind is. */
  #change(flow: FlowId, { clockRate }: LineAgreement, change: FlowChange): void {
    const dscp = this.#host.dscp[this.#kind];
    const { rtp, rtcp } = change;
    this.#host.engine.changeFlow(flow, {
      ...change,
      clockRate,
      ...(rtp && { rtp: { ...rtp, dscp } }),
      ...(rtcp && { rtcp: { ...rtcp, dscp } }),
    });
  }

  /** Where both ends do ICE, silence soon means that they have found another way. */
  #idleAfterMs({ passthrough }: LineAgreement): number {
    const { inactivityMs } = this.#host;
    return passthrough?.ice === undefined ? inactivityMs : Math.min(inactivityMs, movedAfterMs);
  }

  #addFlows(resources: Resources, content: FlowSpec['content'], idleAfterMs: number): LineFlows {
    const { link, channels, inside } = resources;
    const add = (input: FlowSpec['input']): FlowId => this.#addFlow({ content, input, idleAfterMs });
    const fromChannel = (channel: number, tokened: boolean): FlowId =>
      add({ kind: 'channel', link: link.handle, channel, tokened });
    const fromPort = (port: number): FlowId => add({ kind: 'port', port, accept: { kind: 'none' } });
    if (content === 'opaque') {
      return {
        content,
        idleAfterMs,
        fromClient: [fromChannel(channels.rtp, false)],
        fromInside: { rtp: fromPort(inside.rtp) },
      };
    }
    const probes = [fromChannel(channels.rtpProbe, true), fromChannel(channels.rtcpProbe, true)];
    this.#host.watch(probes[0]!, { line: this, component: 'rtp' });
    this.#host.watch(probes[1]!, { line: this, component: 'rtcp' });
    return {
      content,
      idleAfterMs,
      fromClient: [fromChannel(channels.rtp, false), fromChannel(channels.rtcp, false), ...probes],
      fromInside: {
        rtp: fromPort(inside.rtp),
        ...(inside.rtcp !== undefined && { rtcp: fromPort(inside.rtcp) }),
      },
    };
  }

  #addFlow(spec: Pick<FlowSpec, 'content' | 'input' | 'idleAfterMs'>): FlowId {
    const { engine, watch } = this.#host;
    const flow = engine.addFlow({ ...spec, unprotect: [] });
    watch(flow);
    return flow;
  }

  /**
   * A connectivity check from a source that nobody has proven yet. True when it is sealed for the far end and its source
   * may be latched to: it is a check that this session has not met, and media is not flowing from another source.
   */
  provesSource(component: Component, check: Buffer): boolean {
    const ice = this.#agreement?.passthrough?.ice;
    if (ice === undefined || this.#flows === undefined) return false;
    const flow = this.#flows.fromClient[component === 'rtp' ? 0 : 1]!;
    const { packetsIn } = this.#host.engine.counters(flow);
    return this.#checked[component].admit(check, ice, packetsIn);
  }

  /** A probe's tag was right: edge may send there. Failing is fine, the next packet proves it again. */
  async latch(component: Component, token: number): Promise<boolean> {
    const { session, edge } = this.#host;
    const { stream } = this.#opened();
    const reply = await edge.request('media.latch', { session, stream, component, token });
    return latchReply.parse(reply).latched;
  }

  /** Gives everything back. `tellEdge` false when the whole session is being closed there. */
  close(tellEdge: boolean): void {
    this.#closed = true;
    this.stopCapture();
    this.#removeFlows();
    this.clientKeys.close();
    this.insideKeys.close();
    const resources = this.#resources;
    this.#resources = undefined;
    if (resources === undefined) return;
    this.#host.ports.close(resources.inside);
    releaseChannels(resources.link, resources.channels);
    const { session, edge } = this.#host;
    // A close that cannot be told is made good by the next claim or by edge's idle question.
    if (tellEdge) edge.request('media.close', { session, stream: resources.stream }).catch(() => {});
  }

  #removeFlows(): void {
    for (const flow of this.flows()) {
      this.#host.unwatch(flow);
      this.#host.engine.removeFlow(flow);
    }
    this.#flows = undefined;
  }

  /** Keeps the latest packets: `wire` as they are between client and us, `plain` without the client's encryption. */
  startCapture(view: CaptureView): void {
    if (this.#flows === undefined || this.#capture !== undefined) return;
    const { engine } = this.#host;
    const id = engine.openCapture(CAPTURE);
    this.#capture = id;
    const watch = (flows: readonly FlowId[], own: 'in' | 'out'): void => {
      for (const flow of flows)
        engine.changeFlow(flow, { capture: { id, view: view === 'wire' ? own : 'plain' } });
    };
    watch(this.#flows.fromClient, 'in');
    watch(Object.values(this.#flows.fromInside), 'out');
  }

  /** What was kept, shown between edge's port, which stands for the client, and the inside device. */
  stopCapture(): ShownPacket[] {
    const { engine } = this.#host;
    const [capture, flows, resources] = [this.#capture, this.#flows, this.#resources];
    if (capture === undefined) return [];
    const packets = engine.readCapture(capture);
    this.#capture = undefined;
    for (const flow of this.flows()) engine.changeFlow(flow, { capture: undefined });
    engine.closeCapture(capture);
    if (resources === undefined) return [];
    const client = this.clientAddress;
    const inside = this.#agreement?.rtp ?? { address: '0.0.0.0', port: resources.inside.pair.rtp };
    const fromClient = new Set(flows?.fromClient ?? []);
    return packets.map((packet) =>
      fromClient.has(packet.flow)
        ? { ...packet, from: client, to: inside }
        : { ...packet, from: inside, to: client },
    );
  }

  /** Flows by which the engine names this line in its events. */
  flows(): FlowId[] {
    if (this.#flows === undefined) return [];
    return [...this.#flows.fromClient, ...Object.values(this.#flows.fromInside)];
  }

  /** The path, and what each flow has taken and dropped. */
  status(): object {
    const resources = this.#resources;
    if (resources === undefined) return { content: this.content, path: 'closed' };
    const { engine } = this.#host;
    return {
      content: this.content,
      path: pathText(resources, this.#agreement),
      fromClient: this.#flows?.fromClient.map((flow) => engine.counters(flow)),
      fromInside: Object.values(this.#flows?.fromInside ?? {}).map((flow) => engine.counters(flow)),
    };
  }
}

function takeChannels(link: EdgeLink): Channels {
  return {
    rtp: link.acquireChannel(),
    rtcp: link.acquireChannel(),
    rtpProbe: link.acquireChannel(),
    rtcpProbe: link.acquireChannel(),
  };
}

function releaseChannels(link: EdgeLink, channels: Channels): void {
  for (const channel of Object.values(channels)) link.releaseChannel(channel);
}

/** Inside packets are taken from the address and port that was signalled; who only sends may use any port. */
function accept(source: TransportAddress | undefined, agreement: LineAgreement): Accept {
  if (source === undefined) return { kind: 'none' };
  return agreement.sendOnly ? { kind: 'address', address: source.address } : { kind: 'exact', source };
}

function insideOutputs(
  { inside }: Resources,
  { rtp, rtcp, insideMux }: LineAgreement,
): { rtp: FlowOutput | undefined; rtcp: FlowOutput | undefined } {
  const toRtp = rtp && ({ kind: 'port', port: inside.rtp, remote: rtp } as const);
  if (insideMux || inside.rtcp === undefined) return { rtp: toRtp, rtcp: insideMux ? toRtp : undefined };
  return { rtp: toRtp, rtcp: rtcp && { kind: 'port', port: inside.rtcp, remote: rtcp } };
}

function clientOutputs(
  { link, channels }: Resources,
  { clientMux }: LineAgreement,
): { rtp: FlowOutput; rtcp: FlowOutput } {
  const output = (channel: number): FlowOutput => ({ kind: 'channel', link: link.handle, channel });
  return { rtp: output(channels.rtp), rtcp: output(clientMux ? channels.rtp : channels.rtcp) };
}

function pathText(resources: Resources, agreement: LineAgreement | undefined): string {
  const { edge, channels, inside } = resources;
  const nodes = [
    'client',
    `edge ${edge.address}:${edge.rtpPort}`,
    `channel ${channels.rtp}`,
    agreement?.client.suite ?? 'not keyed',
    agreement?.inside.suite ?? 'RTP',
    `core port ${inside.pair.rtp}`,
    agreement?.rtp === undefined ? 'inside (held)' : `inside ${agreement.rtp.address}:${agreement.rtp.port}`,
  ];
  const keys = agreement?.passthrough === undefined ? '' : ' (keys end to end)';
  return `${nodes.join(' ⇄ ')}${keys}`;
}
