// Flows long enough that the native engine gives them a socket of their own beside the port: who may send to the port and
// what arrives stays as it was, whatever changes.
import { afterEach, describe, expect, test } from 'vitest';
import type { LoopbackEndpoint } from './loopback-endpoint.ts';
import type { NativeEngine } from './native/native-engine.ts';
import { ENGINES } from './test-engines.ts';
import { closeRigs, openPath, openRig, rtpPacket, type Rig } from './test-rig.ts';

afterEach(closeRigs);

/** Both directions of a call between two endpoints, through one port each way. */
async function openCall(rig: Rig): Promise<{
  /** Sends until a socket of its own is worth it, and sees each packet arrive. */
  talk: (packets?: number) => Promise<void>;
  answer: () => Promise<void>;
  path: Awaited<ReturnType<typeof openPath>>;
  back: number;
  outside: Awaited<ReturnType<Rig['port']>>;
}> {
  const path = await openPath(rig);
  const outside = await rig.port();
  const { engine } = rig;
  // What leaves to the device does so from `outside`, where the device's answers come to.
  engine.changeFlow(path.flow, { rtp: { kind: 'port', port: outside.id, remote: path.to.address } });
  const accept = { kind: 'exact', source: path.to.address } as const;
  const rtp = { kind: 'port', port: path.port.id, remote: path.from.address } as const;
  const input = { kind: 'port', port: outside.id, accept } as const;
  const back = engine.addFlow({ input, content: 'rtp', unprotect: [], rtp, idleAfterMs: 0 });
  let sequence = 0;
  const passes = async (
    from: LoopbackEndpoint,
    at: { address: string; port: number },
    to: LoopbackEndpoint,
  ): Promise<void> => {
    const packet = rtpPacket(++sequence);
    await from.send(packet, at);
    expect((await to.next()).bytes).toEqual(packet);
  };
  return {
    path,
    back,
    outside,
    talk: async (packets = 120) => {
      for (let count = 0; count < packets; count++) await passes(path.from, path.port.bound, path.to);
    },
    answer: () => passes(path.to, outside.bound, path.from),
  };
}

describe.each(ENGINES)('%s engine', (_name, open) => {
  test('strangers are refused and probed as before, the accepted source is heard', async () => {
    const rig = openRig(open);
    const { talk, answer, back, outside } = await openCall(rig);
    await talk();
    await answer();
    const stranger = await rig.endpoint();
    await stranger.send(rtpPacket(1), outside.bound);
    await expect.poll(() => rig.engine.counters(back).drops['foreign-source'], { interval: 1 }).toBe(1);
    await talk(1);
    await answer();
    expect(rig.events.filter(({ type }) => type === 'port-failed')).toEqual([]);
  });

  test('the device moves to another port: packets follow, the former one is a stranger', async () => {
    const rig = openRig(open);
    const { talk, path, back, outside } = await openCall(rig);
    await talk();
    const moved = await rig.endpoint();
    rig.engine.changeFlow(path.flow, { rtp: { kind: 'port', port: outside.id, remote: moved.address } });
    rig.engine.changeFlow(back, { accept: { kind: 'exact', source: moved.address } });
    for (let count = 0; count < 120; count++) {
      await path.from.send(rtpPacket(count), path.port.bound);
      expect((await moved.next()).from).toEqual(outside.bound);
      await moved.send(rtpPacket(count), outside.bound);
      await path.from.next();
    }
    const refused = rig.engine.counters(back).drops['foreign-source'];
    await path.to.send(rtpPacket(1), outside.bound);
    await expect
      .poll(() => rig.engine.counters(back).drops['foreign-source'], { interval: 1 })
      .toBe(refused + 1);
  });

  test('the device goes away and comes back: nothing is told, nothing is lost for good', async () => {
    const rig = openRig(open);
    const { talk, path, outside } = await openCall(rig);
    await talk();
    const { address } = path.to;
    path.to.close();
    for (let count = 0; count < 10; count++) await path.from.send(rtpPacket(count), path.port.bound);
    await expect.poll(() => rig.engine.counters(path.flow).packetsIn, { interval: 1 }).toBe(130);
    expect(rig.events).toEqual([]);
    const back = await rig.endpoint(address.address);
    rig.engine.changeFlow(path.flow, { rtp: { kind: 'port', port: outside.id, remote: back.address } });
    await path.from.send(rtpPacket(500), path.port.bound);
    expect((await back.next()).bytes).toEqual(rtpPacket(500));
  });

  test('its port closes, and another takes the number', async () => {
    const rig = openRig(open);
    const { talk, path, back, outside } = await openCall(rig);
    await talk();
    rig.engine.removeFlow(back);
    rig.engine.removeFlow(path.flow);
    rig.engine.closePort(outside.id);
    const again = await rig.engine.openPort({ bind: outside.bound, use: 'media' });
    expect(again.bound).toEqual(outside.bound);
  });
});

describe.skipIf(ENGINES.length < 2)('native engine', () => {
  test('its thread dies in the middle: both directions go on', async () => {
    const rig = openRig(ENGINES[1]![1]);
    const { talk, answer } = await openCall(rig);
    for (const how of ['throw', 'end', 'throw'] as const) {
      await talk();
      await answer();
      const told = rig.events.length;
      (rig.engine as NativeEngine).disturb(0, how);
      await expect.poll(() => rig.events.length, { interval: 1 }).toBe(told + 1);
      await answer();
      await talk(1);
    }
  });
});
