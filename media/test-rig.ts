// What the suites of engines stand on: an engine whose clock and sweep are the test's, endpoints around it, its events.
// Everything opened is closed by `closeRigs`.
import type { EngineEvent, FlowSpec, MediaEngine, OpenedPort, PortSpec } from './engine.ts';
import { LoopbackEndpoint } from './loopback-endpoint.ts';
import type { EngineLimits } from './portable-engine/portable-engine.ts';
import { findSuite, type SuiteName } from './srtp-suites.ts';
import type { ENGINES, TestEngine } from './test-engines.ts';

export const RIG_LIMITS: EngineLimits = {
  maxPorts: 40,
  maxFlows: 40,
  maxLinks: 8,
  maxSourcesPerKey: 4,
  stunPerSecond: 10,
  trunkBufferBytes: 1 << 18,
  maxCaptureBytes: 10_000,
};

export interface Rig extends TestEngine {
  readonly events: EngineEvent[];
  readonly endpoint: (address?: string) => Promise<LoopbackEndpoint>;
  readonly port: (use?: PortSpec['use'], shard?: number) => Promise<OpenedPort>;
}

const cleanups: (() => void | Promise<void>)[] = [];

/** For `afterEach`. */
export async function closeRigs(): Promise<void> {
  for (const cleanup of cleanups.splice(0)) await cleanup();
}

export function openRig(open: (typeof ENGINES)[number][1], shards = 1): Rig {
  const events: EngineEvent[] = [];
  const tested = open(RIG_LIMITS, (event) => events.push(event), shards);
  cleanups.push(() => tested.engine.close());
  return {
    ...tested,
    events,
    endpoint: async (address) => {
      const endpoint = await LoopbackEndpoint.open(address);
      cleanups.push(() => endpoint.close());
      return endpoint;
    },
    port: (use = 'media', shard = 0) =>
      tested.engine.openPort({ bind: { address: '127.0.0.1', port: 0 }, use, shard }),
  };
}

/** A flow from one endpoint by one port to another endpoint. */
export async function openPath(
  rig: Rig,
  part: Partial<FlowSpec> = {},
  shard = 0,
): Promise<{ flow: number; from: LoopbackEndpoint; to: LoopbackEndpoint; port: OpenedPort }> {
  const [from, to, port] = [await rig.endpoint(), await rig.endpoint(), await rig.port('media', shard)];
  const output = { kind: 'port', port: port.id, remote: to.address } as const;
  const accept = { kind: 'exact', source: from.address } as const;
  const spec = { content: 'rtp', unprotect: [], rtp: output, rtcp: output, idleAfterMs: 0, ...part } as const;
  const flow = rig.engine.addFlow({ ...spec, input: { kind: 'port', port: port.id, accept } });
  return { flow, from, to, port };
}

export function masterOf(suite: SuiteName, fill = 3): { key: Buffer; salt: Buffer } {
  const { keyBytes, saltBytes } = findSuite(suite)!;
  return { key: Buffer.alloc(keyBytes, fill), salt: Buffer.alloc(saltBytes, fill + 1) };
}

export function rtpPacket(
  sequence: number,
  { ssrc = 77, type = 0, timestamp = sequence * 160, text = 'voice' } = {},
): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), Buffer.from(text)]);
  packet[0] = 0x80;
  packet[1] = type;
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE(timestamp >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

/** Waits until the engine has dealt with so many packets of a flow. */
export async function taken(engine: MediaEngine, flow: number, packets: number): Promise<void> {
  while (engine.counters(flow).packetsIn < packets)
    await new Promise<void>((resolve) => void setImmediate(resolve));
}
