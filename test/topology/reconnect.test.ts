// A phone outside loses its TLS connection in mid-call and comes back over a new one: the sound goes on, and hanging up
// works from either side once it has registered again.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { establish, expectClean, hangUp, heardBy, talk } from './conversation.ts';
import { healClients, resetClients } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { insidePhone, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';
import { until } from './until.ts';

const able = canRun('a phone that reconnects', [...STAGE_PROGRAMS, 'ss']);

describe.skipIf(!able)('a phone that reconnects in mid-call', () => {
  let stage: Stage;
  let outside: Baresip;
  let inside: Baresip;

  beforeAll(async () => {
    stage = await setStage('reconnect');
    inside = await insidePhone(stage, { user: '1002', speaks: { hz: 880 } });
    outside = await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: 440 }, registerSeconds: 8 });
  });

  afterAll(async () => stage?.close());

  /** The phone's connection dies under it; the firewall lets edge hear of it, or resets what tells it. */
  async function reconnect(edgeHears: boolean): Promise<void> {
    if (!edgeHears) resetClients(stage.ground.outer);
    const since = outside.mark();
    stage.ground.client.run('ss', '--kill', 'state', 'established', 'dport', '=', ':5061');
    if (!edgeHears) healClients(stage.ground.outer);
    await outside.happened('REGISTER_OK', since, 15_000);
  }

  test.each<['outside' | 'inside', 'outside' | 'inside', boolean]>([
    ['outside', 'outside', true],
    ['outside', 'inside', false],
    ['inside', 'outside', false],
    ['inside', 'inside', true],
  ])(
    '%s calls, %s hangs up; edge hears that the connection died: %s',
    async (whoCalls, whoHangsUp, hears) => {
      const phones = { outside, inside };
      const callee = whoCalls === 'outside' ? inside : outside;
      await establish(phones[whoCalls], callee);
      await talk(1);
      await reconnect(hears);
      await talk(1);
      await hangUp(phones[whoHangsUp], whoHangsUp === 'outside' ? inside : outside);
      expectClean(heardBy(inside, 440, 60), 1.5);
      expectClean(heardBy(outside, 880, 60), 1.5);
      const lent = async (): Promise<boolean> =>
        /"lent": (\d+)/.exec((await stage.edge.ask('/status')) ?? '')?.[1] === '0';
      await until('no media port is lent', lent, { deadlineMs: 5000, everyMs: 50 });
    },
  );

  test('core says where the registration moved', () => {
    expect(stage.core.output()).toMatch(/registration moved/);
  });
});
