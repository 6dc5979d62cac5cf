// The relay of the test's own loses and delays as it is told; a call through it still has sound.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { startBadNetwork } from './bad-network.ts';
import { establish, hangUp, heardBy, talk } from './conversation.ts';
import { Misfortune } from './impair-relay.ts';
import { canRun } from './requirements.ts';
import { insidePhone, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';

const able = canRun('a call over a bad network', STAGE_PROGRAMS);

test('misfortune loses its share and delays within its bounds', () => {
  const fate = new Misfortune({ loss: 0.02, delayMs: 10, jitterMs: 40, seed: 7 });
  const fates = Array.from({ length: 10_000 }, () => fate.next());
  const delays = fates.filter((one) => one !== undefined);
  expect(fates.length - delays.length).toBeGreaterThan(150);
  expect(fates.length - delays.length).toBeLessThan(250);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...delays)).toBeLessThan(50);
});

describe.skipIf(!able)('2 % loss and 40 ms jitter between client and edge', () => {
  let stage: Stage;
  let outside: Baresip;
  let inside: Baresip;

  beforeAll(async () => {
    stage = await setStage('bad');
    inside = await insidePhone(stage, { user: '1002', speaks: { hz: 880 } });
  });

  afterAll(async () => stage?.close());

  test('a call has sound both ways', async () => {
    const network = await startBadNetwork(stage.keeper, stage.ground, {
      loss: 0.02,
      delayMs: 10,
      jitterMs: 40,
      seed: 1,
      tcp: [5061],
    });
    outside = await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: 440 } });
    await establish(outside, inside);
    await talk(8);
    await hangUp(outside, inside);
    const counted = await network.end();
    expect(counted.lost).toBeGreaterThan(3);
    // Each lost packet of 20 ms spoils up to two windows of 25 ms, and reordering within the jitter buffer none.
    for (const heard of [heardBy(inside, 440, 7.5), heardBy(outside, 880, 7.5)]) {
      expect(heard.seconds).toBeGreaterThan(6);
      expect(heard.continuity).toBeGreaterThan(0.85);
      expect(heard.longestGapMs).toBeLessThan(300);
    }
  });
});
