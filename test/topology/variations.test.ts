// The same road where the operator chose otherwise: call control over TLS, Path in place of a rewritten Contact, and an
// inner firewall that hides core's address.
import { afterEach, describe, expect, test } from 'vitest';
import { ADDRESS } from './addresses.ts';
import { establish, expectClean, hangUp, heardBy, talk } from './conversation.ts';
import { readInner } from './firewalls.ts';
import { canRun } from './requirements.ts';
import {
  insidePhone,
  outsidePhone,
  setStage,
  STAGE_PROGRAMS,
  type Stage,
  type StageChanges,
} from './stage.ts';

const able = canRun('variations of the road', STAGE_PROGRAMS);

describe.skipIf(!able)('the same road', () => {
  let stage: Stage | undefined;

  afterEach(async () => {
    await stage?.close();
    stage = undefined;
  });

  test.each<[string, string, StageChanges, string, RegExp?]>([
    [
      'call control over TLS',
      'tls',
      {
        core: ({ chain, key }) => ({
          nodeSip: { transport: 'tls' },
          sip: { certificate: { chain: `file:${chain}`, key: `file:${key}` } },
        }),
      },
      `TEST contact <sip:1001-\\S+@${ADDRESS.core}:5061;transport=tls;orig-hostport=${ADDRESS.client}:`,
    ],
    [
      'Path in place of a rewritten Contact',
      'path',
      { core: () => ({ sip: { 'path-headers': true } }) },
      `TEST contact <sip:1001-\\S+@${ADDRESS.client}:\\d+;transport=tls>\\S* expires \\S+ path <sip:\\S*@?${ADDRESS.core}`,
    ],
    [
      'a state directory that cannot be written',
      'state',
      { core: () => ({ stateDirectory: '/dev/null/viaduct' }) },
      'TEST contact <sip:1001-',
      /state directory does not work; going on in memory/,
    ],
    [
      'core hidden by NAT',
      'hidden',
      { hidesCore: true },
      `TEST contact <sip:1001-\\S+@${ADDRESS.core}:5060;transport=tcp;orig-hostport=${ADDRESS.client}:`,
    ],
  ])('%s: register, and a call each way', async (_name, label, changes, registered, told) => {
    stage = await setStage(label, changes);
    const inside = await insidePhone(stage, { user: '1002', speaks: { hz: 880 } });
    const outside = await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: 440 } });
    expect(stage.kamailio.output()).toMatch(new RegExp(registered));
    for (const [caller, callee] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      await establish(caller, callee);
      await talk(1.8);
      await hangUp(caller, callee);
      expectClean(heardBy(inside, 440, 1.6), 1);
      expectClean(heardBy(outside, 880, 1.6), 1);
    }
    if (told !== undefined) expect(stage.core.output()).toMatch(told);
    expect(readInner(stage.ground.inner).inward).toBe(0);
  });
});
