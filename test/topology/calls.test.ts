// Registration and calls through edge and core, between baresip outside and baresip inside, Kamailio as call control,
// behind a firewall that lets nothing in. Sound is measured at both ends.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { startCapture } from '../interop/capture.ts';
import { measure } from '../interop/tone.ts';
import { ADDRESS, UCM_NAME } from './addresses.ts';
import { establish, expectClean, hangUp, heardBy, marks, talk } from './conversation.ts';
import { readInner } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { insidePhone, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';

const OUTSIDE_HZ = 440;
const INSIDE_HZ = 880;

const able = canRun('calls through the topology', STAGE_PROGRAMS);

describe.skipIf(!able)('calls', () => {
  let stage: Stage;
  let outside: Baresip;
  let inside: Baresip;

  beforeAll(async () => {
    stage = await setStage('calls');
    inside = await insidePhone(stage, { user: '1002', speaks: { hz: INSIDE_HZ } });
    outside = await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: OUTSIDE_HZ } });
  });

  afterAll(async () => stage?.close());

  test('the registrar challenged the phone itself, and holds core as its address', async () => {
    const said = stage.kamailio.output();
    expect(said).toMatch(/TEST request REGISTER sip:ucm\.corp\.test\S* from sip:1001@ucm\.corp\.test/);
    expect(said).toMatch(
      new RegExp(
        `TEST contact <sip:1001-\\S+@${ADDRESS.core}:5060;transport=tcp;orig-hostport=${ADDRESS.client}:`,
      ),
    );
  });

  test('outside calls inside: ten seconds of tone each way', async () => {
    await establish(outside, inside);
    await talk(10.8);
    await hangUp(outside, inside);
    expectClean(heardBy(inside, OUTSIDE_HZ, 10.5), 10);
    expectClean(heardBy(outside, INSIDE_HZ, 10.5), 10);
  });

  test('inside calls outside, and outside hangs up', async () => {
    await establish(inside, outside);
    await talk(3.3);
    await hangUp(outside, inside);
    expectClean(heardBy(inside, OUTSIDE_HZ, 3), 2.5);
    expectClean(heardBy(outside, INSIDE_HZ, 3), 2.5);
  });

  test('outside calls inside, and inside hangs up', async () => {
    await establish(outside, inside);
    await hangUp(inside, outside);
  });

  test('the caller gives up before anyone answers', async () => {
    const since = marks(outside, inside);
    await outside.command('dial', `sip:1002@${UCM_NAME}`);
    await inside.happened('CALL_INCOMING', since.callee);
    await outside.happened('CALL_RINGING', since.caller);
    await outside.command('hangup');
    await inside.happened('CALL_CLOSED', since.callee);
  });

  test.each([
    ['outside', 'inside'],
    ['inside', 'outside'],
  ])('%s calls and %s declines', async (from) => {
    const [caller, callee] = from === 'outside' ? [outside, inside] : [inside, outside];
    const since = marks(caller, callee);
    await caller.command('dial', `sip:${callee.options.user}@${UCM_NAME}`);
    await callee.happened('CALL_INCOMING', since.callee);
    await callee.command('hangup');
    const closed = await caller.happened('CALL_CLOSED', since.caller);
    expect(closed.param).toMatch(/486/);
  });

  test('a number that nobody has is not found', async () => {
    const since = outside.mark();
    await outside.command('dial', `sip:1999@${UCM_NAME}`);
    expect((await outside.happened('CALL_CLOSED', since)).param).toMatch(/404/);
  });

  test('two phones outside call each other', async () => {
    const other = await outsidePhone(stage, 'client2', { user: '1005', speaks: { hz: INSIDE_HZ } });
    await establish(outside, other);
    await talk(3.3);
    await hangUp(outside, other);
    expectClean(heardBy(other, OUTSIDE_HZ, 3), 2.5);
    expectClean(heardBy(outside, INSIDE_HZ, 3), 2.5);
    await other.stop();
  });

  test.each(['outside', 'inside'])(
    'hold and resume by the phone %s: silence, then the tone again',
    async (who) => {
      const [holder, held] = who === 'outside' ? [outside, inside] : [inside, outside];
      const capture = await startCapture(stage.keeper, {
        folder: stage.folder.path,
        at: stage.ground.phone,
        device: 'eth0',
        filter: 'udp',
        name: `hold-by-${who}`,
      });
      await establish(outside, inside);
      await talk(2);
      await holder.command('hold');
      await talk(2);
      const before = await Promise.all([outside.decodedSeconds(), inside.decodedSeconds()]);
      await holder.command('resume');
      await talk(3);
      const after = await Promise.all([outside.decodedSeconds(), inside.decodedSeconds()]);
      await hangUp(held, holder);
      const { samples, sampleRate } = await capture.soundTo(ADDRESS.phone);
      const heard = (fromSeconds: number, toSeconds: number): number =>
        measure(samples, sampleRate, { hz: OUTSIDE_HZ, fromSeconds, toSeconds }).continuity;
      expect(heard(0.3, 1.8)).toBeGreaterThanOrEqual(0.99);
      expect(heard(2.5, 3.7)).toBe(0);
      expect(heard(4.5, 6.3)).toBeGreaterThanOrEqual(0.99);
      expect(after[0] - before[0]).toBeGreaterThan(2.5);
      expect(after[1] - before[1]).toBeGreaterThan(2.5);
    },
  );

  test('nothing crossed the inner firewall inward but replies to what core opened', () => {
    const counted = readInner(stage.ground.inner);
    expect(counted.inward).toBe(0);
    expect(counted.notAllowedOutward).toBe(0);
    expect(counted.replies).toBeGreaterThan(1000);
    expect(counted.openedByCore).toBeGreaterThan(0);
  });

  test('no call left a media port behind', async () => {
    const status = (await stage.edge.ask('/status')) ?? '';
    expect(/"lent": (\d+)/.exec(status)?.[1]).toBe('0');
  });
});
