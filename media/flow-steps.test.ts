// What a flow can be told to do with packets besides forwarding them, on every engine: rewriting, measuring, showing.
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ENGINES } from './test-engines.ts';
import { closeRigs, masterOf, openPath, openRig, rtpPacket, taken } from './test-rig.ts';
import { rewriteRtcp, rewriteRtp, type Rewrite } from './rewrite.ts';
import { findSuite } from './srtp-suites.ts';
import { SrtpReceiver, SrtpSender } from './srtp.ts';

afterEach(closeRigs);

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const REWRITE: Rewrite = {
  ssrcs: [
    [7, 0x70],
    [8, 0x80],
  ],
  payloadTypes: [
    [0, 96],
    [96, 0],
  ],
};
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** Name, before, after: | V P count | type | length | … */
const RTCP_ROWS = [
  [
    'SR with two blocks',
    `82c80012 00000007 ${'00'.repeat(20)} 00000008 ${'11'.repeat(20)} 00000009 ${'22'.repeat(20)}`,
    `82c80012 00000070 ${'00'.repeat(20)} 00000080 ${'11'.repeat(20)} 00000009 ${'22'.repeat(20)}`,
  ],
  [
    'RR with a block',
    `81c90007 00000008 00000007 ${'11'.repeat(20)}`,
    `81c90007 00000080 00000070 ${'11'.repeat(20)}`,
  ],
  [
    'SDES with two chunks',
    '82ca0006 00000007 0103 6162 6300 0000 00000008 0102 7879 00000000',
    '82ca0006 00000070 0103 6162 6300 0000 00000080 0102 7879 00000000',
  ],
  ['SDES whose item overruns', '82ca0002 00000007 01ff6162', '82ca0002 00000070 01ff6162'],
  ['BYE of two', '82cb0002 00000007 00000008', '82cb0002 00000070 00000080'],
  ['NACK', '81cd0003 00000007 00000008 00000007', '81cd0003 00000070 00000080 00000007'],
  ['PLI', '81ce0002 00000007 00000008', '81ce0002 00000070 00000080'],
  ['FIR', '84ce0004 00000007 00000000 00000008 01000000', '84ce0004 00000070 00000000 00000080 01000000'],
  ['APP', '80cc0002 00000007 00000008', '80cc0002 00000070 00000008'],
  ['XR', '80cf0001 00000008', '80cf0001 00000080'],
  ['compound', '80c90001 00000007 81cb0001 00000008', '80c90001 00000070 81cb0001 00000080'],
  ['a length that lies', '80c90009 00000007 81cb0001 00000008', '80c90009 00000007 81cb0001 00000008'],
  ['nobody known', '81cb0001 00000009', '81cb0001 00000009'],
] as const;

describe('rewrite', () => {
  test.each(RTCP_ROWS)('%s', (_name, before, after) => {
    const packet = hex(before);
    rewriteRtcp(packet, REWRITE);
    expect(packet.toString('hex')).toBe(hex(after).toString('hex'));
  });

  test('whatever comes, it throws nothing and keeps the length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 200 }), (bytes) => {
        rewriteRtcp(Buffer.from(bytes), REWRITE);
        rewriteRtp(Buffer.from(bytes), REWRITE);
      }),
    );
  });
});

describe.each(ENGINES)('%s engine', (_name, open) => {
  const rig = (): ReturnType<typeof openRig> => openRig(open);

  test('RTCP is rewritten as the rows say, whatever was received stays as it was', async () => {
    const { engine, ...rest } = rig();
    const { from, to, port } = await openPath({ engine, ...rest }, { rewrite: REWRITE });
    for (const [, before, after] of RTCP_ROWS) {
      await from.send(hex(before), port.bound);
      expect((await to.next()).bytes.toString('hex')).toBe(hex(after).toString('hex'));
    }
  });

  test('an opened packet gets another SSRC and payload type before it is sealed again', async () => {
    const bench = rig();
    const { engine } = bench;
    const protect = engine.addCrypto({ direction: 'protect', suite: SUITE, master: masterOf(SUITE, 9) });
    const opens = engine.addCrypto({ direction: 'unprotect', suite: SUITE, master: masterOf(SUITE) });
    const { flow, from, to, port } = await openPath(bench, { unprotect: [opens], protect, rewrite: REWRITE });
    const options = { suite: findSuite(SUITE)!, maxSources: 4 };
    const sender = new SrtpSender({ ...options, master: masterOf(SUITE) });
    const receiver = new SrtpReceiver({ ...options, master: masterOf(SUITE, 9) });
    await from.send(sender.protectRtp(rtpPacket(5, { ssrc: 7, type: 0x80 }), 0) as Buffer, port.bound);
    expect(receiver.unprotectRtp((await to.next()).bytes)).toMatchObject({
      packet: rtpPacket(5, { ssrc: 0x70, type: 0x80 | 96 }),
    });
    engine.changeFlow(flow, { rewrite: undefined, unprotect: [] });
    await from.send(rtpPacket(6, { ssrc: 8, type: 0x80 }), port.bound);
    expect(receiver.unprotectRtp((await to.next()).bytes)).toMatchObject({
      packet: rtpPacket(6, { ssrc: 8, type: 0x80 }),
    });
  });

  test.each([
    ['a DSCP of 64', { rtp: { kind: 'channel', link: 1, channel: 0x4000, dscp: 64 } }],
    ['no clock', { clockRate: 0 }],
    ['a payload type that looks like RTCP', { rewrite: { ssrcs: [], payloadTypes: [[0, 72]] } }],
    ['an SSRC of 33 bits', { rewrite: { ssrcs: [[2 ** 32, 0]], payloadTypes: [] } }],
    ['too many pairs', { rewrite: { ssrcs: Array.from({ length: 17 }, () => [1, 2]), payloadTypes: [] } }],
  ] as const)('%s is refused', async (_case, change) => {
    const bench = rig();
    const { flow } = await openPath(bench);
    const wrong = change as unknown as Parameters<typeof bench.engine.changeFlow>[1];
    expect(() => bench.engine.changeFlow(flow, wrong)).toThrow(RangeError);
  });

  test('loss and jitter are those of RFC 3550', async () => {
    const bench = rig();
    const { flow, from, port } = await openPath(bench, { clockRate: 8000 });
    // Sequence number, and milliseconds after the one before; 20 ms of speech in each.
    const rows = [
      [65_534, 20],
      [65_535, 20],
      [0, 36], // 16 ms late
      [3, 44], // two lost
      [2, 0], // one of them after all
      [9000, 20], // a jump nobody confirms
      [4, 20],
    ] as const;
    let sent = 0;
    for (const [sequence, afterMs] of rows) {
      bench.clock.now += afterMs;
      const timestamp = (sequence < 60_000 ? sequence + 65_536 : sequence) * 160;
      await from.send(rtpPacket(sequence, { timestamp }), port.bound);
      await taken(bench.engine, flow, ++sent);
    }
    // |D| in ms: 0, 16, |44 - 60|, |0 + 20|, |40 - 40|; J += (|D| - J) / 16
    const jitterMs = [0, 16, 16, 20, 0].reduce((jitter, apart) => jitter + (apart - jitter) / 16, 0);
    const counters = bench.engine.counters(flow);
    expect(counters.lost).toBe(1);
    expect(counters.jitterMs).toBeCloseTo(jitterMs, 9);
    await from.send(rtpPacket(100, { ssrc: 5 }), port.bound);
    await from.send(rtpPacket(102, { ssrc: 5 }), port.bound);
    await taken(bench.engine, flow, sent + 2);
    expect(bench.engine.counters(flow).lost).toBe(2);
  });

  test('a capture shows packets as they came, opened, or as they leave; the oldest gives way', async () => {
    const bench = rig();
    const { engine } = bench;
    const protect = engine.addCrypto({ direction: 'protect', suite: SUITE, master: masterOf(SUITE) });
    const { flow, from, to, port } = await openPath(bench, { protect });
    const id = engine.openCapture({ packets: 3, snapBytes: 16 });
    for (const view of ['in', 'plain', 'out'] as const) {
      engine.changeFlow(flow, { capture: { id, view } });
      bench.clock.now += 1;
      await from.send(rtpPacket({ in: 1, plain: 2, out: 3 }[view]), port.bound);
      await to.next();
    }
    const [came, plain, left] = engine.readCapture(id);
    expect(came).toMatchObject({ flow, length: 17, bytes: rtpPacket(1).subarray(0, 16), atMs: 1001 });
    expect(plain!.bytes).toEqual(rtpPacket(2).subarray(0, 16));
    expect(left).toMatchObject({ length: 27, atMs: 1003 });
    expect(left!.bytes.subarray(12)).not.toEqual(rtpPacket(3).subarray(12, 16));
    await from.send(rtpPacket(4), port.bound);
    await to.next();
    expect(engine.readCapture(id).map(({ bytes }) => bytes.readUInt16BE(2))).toEqual([2, 3, 4]);
    engine.changeFlow(flow, { capture: undefined });
    await from.send(rtpPacket(5), port.bound);
    await to.next();
    expect(engine.readCapture(id)).toHaveLength(3);
    engine.closeCapture(id);
    expect(() => engine.readCapture(id)).toThrow('no capture');
    expect(() => engine.changeFlow(flow, { capture: { id, view: 'in' } })).toThrow('no capture');
    expect(engine.sizes().captures).toBe(0);
  });

  test.each([
    [{ packets: 0, snapBytes: 10 }],
    [{ packets: 10, snapBytes: 0 }],
    [{ packets: 101, snapBytes: 100 }],
    [{ packets: 1, snapBytes: 65_536 }],
  ])('a capture of %j has no room', (spec) => {
    const { engine } = rig();
    expect(() => engine.openCapture(spec)).toThrow('no room for a capture');
    const half = { packets: 51, snapBytes: 100 };
    engine.openCapture(half);
    expect(() => engine.openCapture(half)).toThrow('no room for a capture');
  });

  test('nothing is sent to port 0, and it is counted', async () => {
    const bench = rig();
    const { flow, from, port } = await openPath(bench, {});
    const output = { kind: 'port', port: port.id, remote: { address: '127.0.0.1', port: 0 } } as const;
    bench.engine.changeFlow(flow, { rtp: output });
    await from.send(rtpPacket(1), port.bound);
    await expect.poll(() => bench.engine.counters(flow).drops['no-destination'], { interval: 1 }).toBe(1);
    expect(bench.engine.counters(flow).drops['send-failed']).toBe(0);
  });
});

describe.skipIf(ENGINES.length < 2)('both engines', () => {
  test('random RTCP is rewritten the same', async () => {
    const benches = ENGINES.map(([, open]) => openRig(open));
    const paths = [];
    for (const bench of benches) paths.push(await openPath(bench, { rewrite: REWRITE }));
    const word = fc.constantFrom('00000007', '00000008', '81ca0002', '84ce0003', '82cb0001', '0103abcd');
    for (const words of fc.sample(fc.array(word, { minLength: 2, maxLength: 12 }), 200)) {
      const packet = hex(`82${['c8', 'c9', 'ca', 'cb', 'cd', 'ce'][words.length % 6]}0002${words.join('')}`);
      for (const { from, port } of paths) await from.send(packet, port.bound);
      const [one, other] = [await paths[0]!.to.next(), await paths[1]!.to.next()];
      expect(other.bytes.toString('hex')).toBe(one.bytes.toString('hex'));
    }
  });
});
