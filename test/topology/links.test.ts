// A call lives through the death of any plane of the link between edge and core: the sound goes on (or comes back, when it
// was the media plane that died), hang-up arrives, and the links return by themselves.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { establish, expectClean, hangUp, heardBy, talk } from './conversation.ts';
import { breakLinks, healLinks, readInner, type Plane } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { insidePhone, linksUp, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';
import { until } from './until.ts';

const able = canRun('calls while links die', STAGE_PROGRAMS);

describe.skipIf(!able)('links die during a call', () => {
  let stage: Stage;
  let outside: Baresip;
  let inside: Baresip;

  beforeAll(async () => {
    stage = await setStage('links');
    inside = await insidePhone(stage, { user: '1002', speaks: { hz: 880 } });
    outside = await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: 440 } });
  });

  afterAll(async () => stage?.close());

  /**
   * Both sides notice every plane that was broken within 5 s, also when not one packet tells them. Every one, because a
   * plane that is healed before it was noticed may still die of what it missed, in the middle of what comes next.
   */
  async function noticed(broken: readonly Plane[]): Promise<void> {
    const names = broken.map((plane) => (plane === 'ssh' ? 'https' : plane));
    const sick = async (): Promise<boolean> => {
      const sides = await Promise.all([stage.core.planes(), stage.edge.planes()]);
      return sides.every((planes) =>
        names.every((name) => planes.some(({ plane, state }) => plane === name && state !== 'up')),
      );
    };
    await until('edge and core notice', sick, { deadlineMs: 5500, everyMs: 50 });
  }

  test.each<[string, readonly Plane[], 'reset' | 'silence']>([
    ['SSH, by reset', ['ssh'], 'reset'],
    ['SIP, in silence', ['sip'], 'silence'],
    ['SSH and SIP, in silence', ['ssh', 'sip'], 'silence'],
  ])('%s: the sound never stops', async (_name, planes, how) => {
    await establish(outside, inside);
    await talk(1);
    breakLinks(stage.ground.inner, planes, how);
    await noticed(planes);
    healLinks(stage.ground.inner);
    await linksUp(stage.edge, stage.core, 5000);
    await talk(1);
    await hangUp(outside, inside);
    expectClean(heardBy(inside, 440, 60), 1.5);
    expectClean(heardBy(outside, 880, 60), 1.5);
  });

  test.each<[string, 'outside' | 'inside', 'reset' | 'silence']>([
    ['the phone inside', 'inside', 'reset'],
    ['the phone outside', 'outside', 'reset'],
    ['the phone inside', 'inside', 'silence'],
    ['the phone outside', 'outside', 'silence'],
  ])('%s (%s) hangs up while SIP is down by %s: the other hears of it', async (_name, who, how) => {
    const [gone, left] = who === 'outside' ? [outside, inside] : [inside, outside];
    await establish(outside, inside);
    breakLinks(stage.ground.inner, ['sip'], how);
    if (how === 'reset') await noticed(['sip']);
    const since = left.mark();
    await gone.command('hangup');
    await noticed(['sip']);
    healLinks(stage.ground.inner);
    await left.happened('CALL_CLOSED', since, 12_000);
    await linksUp(stage.edge, stage.core, 5000);
    const lent = async (): Promise<boolean> =>
      /"lent": (\d+)/.exec((await stage.edge.ask('/status')) ?? '')?.[1] === '0';
    await until('no media port is lent', lent, { deadlineMs: 5000, everyMs: 50 });
  });

  test('media, in silence: the sound comes back', async () => {
    await establish(inside, outside);
    await talk(1);
    breakLinks(stage.ground.inner, ['media'], 'silence');
    await noticed(['media']);
    healLinks(stage.ground.inner);
    await linksUp(stage.edge, stage.core, 5000);
    const before = await Promise.all([outside.decodedSeconds(), inside.decodedSeconds()]);
    await talk(3);
    const after = await Promise.all([outside.decodedSeconds(), inside.decodedSeconds()]);
    await hangUp(inside, outside);
    expect(after[0] - before[0]).toBeGreaterThan(2);
    expect(after[1] - before[1]).toBeGreaterThan(2);
  });

  test('and the firewall has let nothing in', () => {
    expect(readInner(stage.ground.inner).notAllowedOutward).toBe(0);
  });
});
