// Several shards of one engine: what a flow touches is of one of them; ports and keys move between them; a call's flow
// moves to another engine with not one tag lost. The native engine's threads die, stand still and come back.
import { afterEach, describe, expect, test } from 'vitest';
import type { NativeEngine } from './native/native-engine.ts';
import { SUITES } from './srtp-suites.ts';
import { SrtpReceiver, SrtpSender } from './srtp.ts';
import { ENGINES } from './test-engines.ts';
import { closeRigs, masterOf, openPath, openRig, rtpPacket, taken, type Rig } from './test-rig.ts';

afterEach(closeRigs);

const SUITE = SUITES[2]!;
const suite = SUITE.name;

describe.each(ENGINES)('%s engine', (_name, open) => {
  test('flows of two shards run side by side', async () => {
    const rig = openRig(open, 2);
    expect(rig.engine.shards).toBe(2);
    const paths = [await openPath(rig, {}, 0), await openPath(rig, {}, 1)];
    for (const [index, { from, to, port }] of paths.entries()) {
      await from.send(rtpPacket(index), port.bound);
      expect((await to.next()).bytes).toEqual(rtpPacket(index));
    }
  });

  test('what is of another shard is refused by name', async () => {
    const rig = openRig(open, 2);
    const { engine } = rig;
    const [first, second, trunk] = [await rig.port(), await rig.port('media', 1), await rig.port('trunk', 1)];
    const link = engine.addLink(trunk.id, undefined);
    const key = engine.addCrypto({ direction: 'protect', suite, master: masterOf(suite) });
    const capture = { id: engine.openCapture({ packets: 1, snapBytes: 1 }), view: 'in' } as const;
    const flowOn = (port: number): number =>
      engine.addFlow({
        input: { kind: 'port', port, accept: { kind: 'none' } },
        content: 'rtp',
        unprotect: [],
        idleAfterMs: 0,
      });
    const [one, other] = [flowOn(first.id), flowOn(second.id)];
    const remote = { address: '127.0.0.1', port: 9 };
    const wrong = expect.objectContaining({ code: 'wrong-shard' });
    expect(() => engine.changeFlow(one, { rtp: { kind: 'port', port: second.id, remote } })).toThrow(wrong);
    expect(() => engine.changeFlow(one, { rtcp: { kind: 'channel', link, channel: 0x4000 } })).toThrow(wrong);
    engine.changeFlow(one, { protect: key, capture });
    expect(() => engine.changeFlow(other, { protect: key })).toThrow(wrong);
    expect(() => engine.changeFlow(other, { capture })).toThrow(wrong);
    const elsewhere = await rig.port('trunk', 0);
    expect(() => engine.setLinkPort(link, elsewhere.id)).toThrow(wrong);
    await expect(rig.port('media', 2)).rejects.toMatchObject({ code: 'unknown-handle' });
    expect(() => engine.movePort(first.id, 1)).toThrow(expect.objectContaining({ code: 'input-taken' }));
    expect(() => engine.movePort(trunk.id, 0)).toThrow(expect.objectContaining({ code: 'input-taken' }));
    engine.changeFlow(one, { protect: undefined, capture: undefined });
    engine.changeFlow(other, { protect: key, capture });
    engine.removeFlow(one);
    engine.movePort(first.id, 1);
    flowOn(first.id);
  });

  test('a flow moves to another shard with its port and keys', async () => {
    const rig = openRig(open, 2);
    const { engine } = rig;
    const protect = engine.addCrypto({ direction: 'protect', suite, master: masterOf(suite) });
    const { flow, from, to, port } = await openPath(rig, { protect });
    const receiver = new SrtpReceiver({ suite: SUITE, master: masterOf(suite), maxSources: 1 });
    const arrives = async (sequence: number): Promise<void> => {
      await from.send(rtpPacket(sequence), port.bound);
      expect(receiver.unprotectRtp((await to.next()).bytes)).toMatchObject({ packet: rtpPacket(sequence) });
    };
    await arrives(65_535);
    engine.removeFlow(flow);
    engine.movePort(port.id, 1);
    const output = { kind: 'port', port: port.id, remote: to.address } as const;
    const input = { kind: 'port', port: port.id, accept: { kind: 'exact', source: from.address } } as const;
    engine.addFlow({ input, content: 'rtp', unprotect: [], protect, rtp: output, idleAfterMs: 0 });
    await arrives(0);
  });

  test.each([
    ['a day back', -86_400_000],
    ['a year ahead', 31_536_000_000],
  ])('the time of day is set %s: told, and no flow minds', async (_case, byMs) => {
    const rig = openRig(open);
    const { flow, from, to, port } = await openPath(rig, { idleAfterMs: 1000 });
    rig.clock.dayAheadMs = byMs;
    rig.sweep();
    rig.sweep();
    expect(rig.events).toEqual([{ type: 'clock-step', byMs }]);
    await from.send(rtpPacket(1), port.bound);
    expect((await to.next()).bytes).toEqual(rtpPacket(1));
    rig.clock.dayAheadMs += 900; // adjusted, not set
    rig.sweep();
    expect(rig.events).toHaveLength(1);
    expect(rig.engine.counters(flow).packetsOut).toBe(1);
  });
});

const PAIRS = ENGINES.flatMap(([from, openFrom]) =>
  ENGINES.map(([to, openTo]) => [from, to, openFrom, openTo] as const),
);

describe.each(PAIRS)('from the %s to the %s engine', (_from, _to, openFrom, openTo) => {
  test.each(SUITES.map((one) => one.name))('a live flow goes on, %s', async (name) => {
    const [before, after] = [openRig(openFrom), openRig(openTo)];
    const options = { suite: SUITES.find((one) => one.name === name)!, maxSources: 4 };
    const phone = new SrtpSender({ ...options, master: masterOf(name, 1) });
    const inside = new SrtpReceiver({ ...options, master: masterOf(name, 5) });
    const keys = (rig: Rig, former?: { engine: Rig['engine']; opens: number; seals: number }) => {
      const states = (crypto: number | undefined): ReturnType<Rig['engine']['cryptoStates']> =>
        former === undefined || crypto === undefined ? [] : former.engine.cryptoStates(crypto);
      const add = (direction: 'protect' | 'unprotect', fill: number, crypto: number | undefined): number =>
        rig.engine.addCrypto({
          direction,
          suite: name,
          master: masterOf(name, fill),
          states: states(crypto),
        });
      return {
        engine: rig.engine,
        opens: add('unprotect', 1, former?.opens),
        seals: add('protect', 5, former?.seals),
      };
    };
    const first = keys(before);
    const path = await openPath(before, { unprotect: [first.opens], protect: first.seals });
    const sealed = Array.from(
      { length: 40 },
      (_, index) => phone.protectRtp(rtpPacket(65_500 + index), 0) as Buffer,
    );
    const expectPlain = async (to: typeof path.to, index: number): Promise<void> => {
      expect(inside.unprotectRtp((await to.next()).bytes)).toMatchObject({
        packet: rtpPacket(65_500 + index),
      });
    };
    // The rollover lies behind, two packets are still under way when the call moves.
    const sentBefore = [...sealed.keys()].filter((index) => index < 38 && index !== 30 && index !== 37);
    for (const index of sentBefore) {
      await path.from.send(sealed[index]!, path.port.bound);
      await expectPlain(path.to, index);
    }
    before.engine.removeFlow(path.flow);
    const second = keys(after, first);
    const next = await openPath(after, { unprotect: [second.opens], protect: second.seals });
    for (const index of [30, 38, 37, 39]) {
      await next.from.send(sealed[index]!, next.port.bound);
      await expectPlain(next.to, index);
    }
    for (const index of [30, 29, 36, 39]) await next.from.send(sealed[index]!, next.port.bound);
    await taken(after.engine, next.flow, 8);
    expect(after.engine.counters(next.flow).drops).toMatchObject({ replay: 4, 'bad-tag': 0 });
  });
});

describe.skipIf(ENGINES.length < 2)('a thread of the native engine', () => {
  const openNative = (): Rig & { native: NativeEngine } => {
    const rig = openRig(ENGINES[1]![1], 2);
    return { ...rig, native: rig.engine as NativeEngine };
  };

  test.each(['throw', 'end'] as const)(
    'that dies (%s) is given anew: flows, keys and windows are as they were',
    async (how) => {
      const rig = openNative();
      const { engine, native, events } = rig;
      const protect = engine.addCrypto({ direction: 'protect', suite, master: masterOf(suite) });
      const [victim, bystander] = [await openPath(rig, { protect }), await openPath(rig, {}, 1)];
      const receiver = new SrtpReceiver({ suite: SUITE, master: masterOf(suite), maxSources: 1 });
      const arrives = async (sequence: number): Promise<void> => {
        await victim.from.send(rtpPacket(sequence), victim.port.bound);
        const { bytes } = await victim.to.next();
        expect(receiver.unprotectRtp(bytes)).toMatchObject({ packet: rtpPacket(sequence) });
        await bystander.from.send(rtpPacket(sequence), bystander.port.bound);
        expect((await bystander.to.next()).bytes).toEqual(rtpPacket(sequence));
      };
      await arrives(65_534);
      await arrives(65_535);
      for (const sequence of [0, 1, 2]) {
        const told = events.length;
        native.disturb(0, how);
        await expect.poll(() => events.length, { interval: 1 }).toBe(told + 1);
        const cause = how === 'throw' ? 'a test asked for it' : 'the thread was ended';
        expect(events.at(-1)).toEqual({ type: 'shard', shard: 0, state: 'restarted', cause });
        await arrives(sequence);
      }
      expect(engine.cryptoStates(protect)).toMatchObject([{ ssrc: 77, rtpIndex: 65_538 }]);
    },
  );

  test('that dies is not waited for by whoever asks it something, and closes', async () => {
    const { engine, native } = openNative();
    const key = engine.addCrypto({ direction: 'protect', suite, master: masterOf(suite) });
    for (let round = 0; round < 50; round++) {
      native.disturb(0, round % 2 === 0 ? 'throw' : 'end');
      expect(engine.cryptoStates(key)).toEqual([]);
    }
    native.disturb(0, 'throw');
    native.disturb(1, 'end');
    await engine.close();
  });

  test('that stands still is told, and that it moves again', async () => {
    const rig = openNative();
    rig.native.disturb(1, 1300);
    await expect
      .poll(() => (rig.sweep(), rig.events), { interval: 50, timeout: 4000 })
      .toMatchObject([
        { type: 'shard', shard: 1, state: 'stuck' },
        { type: 'shard', shard: 1, state: 'running' },
      ]);
  });
});
