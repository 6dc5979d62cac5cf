// Scripted dialogues through edge and core: what is passed on untouched, and methods no phone of ours sends. The
// same scripts pass between the peers alone (test/interop/scripts-and-registrar.test.ts).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSipp, startStunnel, type SippRun } from '../interop/sipp.ts';
import { ADDRESS, EDGE_NAME, UCM_NAME } from './addresses.ts';
import { signIn } from './curl.ts';
import { readInner } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';
import { until } from './until.ts';

const STUNNEL = `${ADDRESS.client}:5070`;
const able = canRun('scripts through the topology', [...STAGE_PROGRAMS, 'sipp', 'stunnel']);

describe.skipIf(!able)('scripted dialogues', () => {
  let stage: Stage;
  let route = '';

  beforeAll(async () => {
    stage = await setStage('scripts');
    await startStunnel(stage.keeper, {
      folder: stage.folder.path,
      at: stage.ground.client,
      accept: STUNNEL,
      connect: `${EDGE_NAME}:5061`,
      checkHost: EDGE_NAME,
      authority: stage.publicAuthority.certificate,
    });
    const { settings } = await signIn(stage, 'alice:wonderland');
    const told = /<route>(.*?)<\/route>/.exec(settings)?.[1] ?? '';
    route = told.replaceAll('&lt;', '<').replaceAll('&gt;', '>');
  });

  afterAll(async () => stage?.close());

  const script = async (scenario: string, calls = 1): Promise<SippRun> => {
    const outside = scenario.endsWith('.inside') ? undefined : STUNNEL;
    const place = outside === undefined ? 'script' : 'client';
    return startSipp(stage.keeper, {
      folder: stage.folder.path,
      at: stage.ground[place],
      address: ADDRESS[place],
      port: outside === undefined ? 5060 : 5080,
      ...(outside === undefined ? {} : { towards: outside }),
      scenario,
      calls,
      user: outside === undefined ? '2001' : '1003',
      domain: UCM_NAME,
      route,
    });
  };

  test('the settings carry the Route that every script below uses', () => {
    expect(route).toMatch(/^<sip:[^;>]+;transport=tls;zone-id=1;directed;lr>$/);
  });

  test('sign on, ask, sign off', async () => {
    await (await script('register-and-leave')).finished();
    expect(stage.kamailio.output()).toMatch(
      new RegExp(
        `TEST contact <sip:1003-Ab\\.C@${ADDRESS.core}:5060;transport=tcp;orig-hostport=${ADDRESS.client}:5080>;\\+sip\\.instance=`,
      ),
    );
  });

  test.each(['options', 'message', 'subscribe', 'reliable', 'late-offer', 'many-lines', 'refer'])(
    '%s',
    async (name) => {
      const inside = await script(`${name}.inside`);
      const outside = await script(`${name}.outside`);
      await Promise.all([outside.finished(), inside.finished()]);
    },
  );

  test('sixty calls, five at a time, leave nothing open', async () => {
    const inside = await script('short-call.inside', 60);
    const outside = await script('short-call.outside', 60);
    await Promise.all([outside.finished(), inside.finished()]);
    const free = async (): Promise<boolean> => /"lent": 0\b/.test((await stage.edge.ask('/status')) ?? '');
    await until('every media port is given back', free);
  });

  test.each([
    ['a request before registering', 'unregistered', 403],
    ["another one's name", 'impostor', 403],
    ['a foreign target', 'foreign-target', 403],
    ['a Route into the inside', 'route-inside', 403],
    ['an offer without encryption', 'unencrypted', 488],
  ])('refused: %s', async (_name, scenario) => {
    const before = stage.kamailio.output().length;
    await (await script(scenario)).finished();
    expect(stage.kamailio.output().slice(before)).not.toMatch(/TEST request (MESSAGE|OPTIONS|INVITE)/);
  });

  test('nothing crossed the inner firewall inward but replies', () => {
    expect(readInner(stage.ground.inner)).toMatchObject({ inward: 0, notAllowedOutward: 0 });
  });
});
