// Flows whose keys lie with the two ends, on every engine: STUN and SRTP go on as they came, tags are still checked,
// and what comes from an unproven source is told to whoever can judge it.
import { afterEach, describe, expect, test } from 'vitest';
import { METHOD, printStun } from '../turn/index.ts';
import type { EngineEvent, FlowSpec } from './engine.ts';
import { LoopbackEndpoint } from './loopback-endpoint.ts';
import { SUITES } from './srtp-suites.ts';
import { SrtpSender } from './srtp.ts';
import { ENGINES } from './test-engines.ts';

const LIMITS = {
  maxPorts: 8,
  maxFlows: 8,
  maxLinks: 4,
  maxSourcesPerKey: 4,
  stunPerSecond: 10,
  trunkBufferBytes: 65536,
  maxCaptureBytes: 1 << 20,
};
const [CHANNEL, PROBE] = [0x4000, 0x4001];
const BIND = { address: '127.0.0.1', port: 0 };

const check = (id: number): Buffer =>
  printStun(
    { class: 'request', method: METHOD.binding, transactionId: Buffer.alloc(12, id), attributes: [] },
    {},
  );

function rtp(sequence: number): Buffer {
  const packet = Buffer.alloc(40);
  packet[0] = 0x80;
  packet.writeUInt16BE(sequence, 2);
  packet.writeUInt32BE(77, 8);
  return packet;
}

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

describe.each(ENGINES)('%s engine', (_name, open) => {
  /** An edge's flow and a core's two on one engine: client port → link → far port, and the probe channel beside. */
  async function path() {
    const events: EngineEvent[] = [];
    const { engine } = open(LIMITS, (event) => events.push(event));
    cleanups.push(() => engine.close());
    const [client, far, stranger] = await Promise.all([1, 2, 3].map(() => LoopbackEndpoint.open()));
    cleanups.push(() => [client, far, stranger].forEach((end) => end!.close()));
    const [door, out] = await Promise.all([1, 2].map(() => engine.openPort({ bind: BIND, use: 'media' })));
    const [edge, core] = await Promise.all([1, 2].map(() => engine.openPort({ bind: BIND, use: 'trunk' })));
    const toCore = engine.addLink(edge!.id, core!.bound);
    const fromEdge = engine.addLink(core!.id, edge!.bound);
    const flow = (spec: Pick<FlowSpec, 'input'> & Partial<FlowSpec>) =>
      engine.addFlow({ content: 'passthrough', unprotect: [], idleAfterMs: 0, ...spec });
    const channel = { kind: 'channel', link: toCore, channel: CHANNEL } as const;
    const onward = { kind: 'port', port: out!.id, remote: far!.address } as const;
    const ways = {
      atEdge: flow({
        input: { kind: 'port', port: door!.id, accept: { kind: 'exact', source: client!.address } },
        probe: { link: toCore, channel: PROBE, maxSources: 4, packetsPerSecond: 10 },
        rtp: channel,
        rtcp: channel,
      }),
      atCore: flow({
        input: { kind: 'channel', link: fromEdge, channel: CHANNEL, tokened: false },
        rtp: onward,
        rtcp: onward,
      }),
      probe: flow({ input: { kind: 'channel', link: fromEdge, channel: PROBE, tokened: true }, rtp: onward }),
    };
    return { engine, events, client: client!, far: far!, stranger: stranger!, door: door!.bound, ...ways };
  }

  test('a check of the proven source goes on byte for byte; one of a stranger is told with its token', async () => {
    const { engine, events, client, far, stranger, door, atEdge, probe } = await path();
    await client.send(check(1), door);
    expect((await far.next()).bytes).toEqual(check(1));
    await stranger.send(check(2), door);
    await expect.poll(() => events.filter(({ type }) => type === 'check').length, { interval: 1 }).toBe(1);
    const [told] = events.filter((event) => event.type === 'check');
    expect(told).toMatchObject({ flow: probe, bytes: check(2) });
    expect(engine.tokenSource(atEdge, told!.token)).toEqual(stranger.address);
    await stranger.send(check(3), door);
    await client.send(check(4), door);
    expect((await far.next()).bytes).toEqual(check(4));
    expect(events.filter(({ type }) => type === 'check')).toHaveLength(1); // once per second and source
  });

  test.each(SUITES.map((suite) => [suite.name, suite] as const))(
    '%s: a right tag goes on as it came, a wrong one is dropped, a replay too',
    async (name, suite) => {
      const { engine, client, far, door, atCore } = await path();
      const master = { key: Buffer.alloc(suite.keyBytes, 1), salt: Buffer.alloc(suite.saltBytes, 2) };
      const crypto = engine.addCrypto({ direction: 'unprotect', suite: name, master });
      engine.changeFlow(atCore, { unprotect: [crypto] });
      const sender = new SrtpSender({ suite, master, maxSources: 4 });
      const sealed = (sequence: number): Buffer => sender.protectRtp(rtp(sequence), 0) as Buffer;
      const first = sealed(1);
      await client.send(first, door);
      expect((await far.next()).bytes).toEqual(first);
      const forged = Buffer.from(sealed(2));
      forged[forged.length - 1]! ^= 1;
      await client.send(forged, door);
      await client.send(first, door);
      const last = sealed(3);
      await client.send(last, door);
      expect((await far.next()).bytes).toEqual(last);
      expect(engine.counters(atCore).drops).toMatchObject({ 'bad-tag': 1, replay: 1 });
    },
  );

  test('without keys to check, packets of the proven source go on; other bytes never do', async () => {
    const { engine, client, far, door, atEdge } = await path();
    await client.send(Buffer.from('neither RTP nor STUN, long enough'), door);
    await client.send(rtp(9), door);
    expect((await far.next()).bytes).toEqual(rtp(9));
    expect(engine.counters(atEdge).drops['not-rtp']).toBe(1);
  });
});
