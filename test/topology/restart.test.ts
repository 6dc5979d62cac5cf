// Edge and core die without a word (SIGKILL) and return; the other one keeps running. Within five seconds of the return
// a phone registers and calls.
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { curl, lane } from './curl.ts';
import { ADDRESS, DOMAIN } from './addresses.ts';
import { establish, expectClean, hangUp, heardBy, talk } from './conversation.ts';
import { canRun } from './requirements.ts';
import { insidePhone, linksUp, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';
import { until } from './until.ts';

const SERVE_AGAIN_MS = 5000;
const able = canRun('edge and core killed', STAGE_PROGRAMS);

describe.skipIf(!able)('SIGKILL', () => {
  let stage: Stage;
  let inside: Baresip;

  beforeAll(async () => {
    stage = await setStage('restart');
    inside = await insidePhone(stage, { user: '1002', speaks: { hz: 880 } });
  });

  afterAll(async () => stage?.close());

  async function registerAndCall(user: string): Promise<void> {
    const phone = await outsidePhone(stage, 'client', { user, speaks: { hz: 440 } });
    await establish(phone, inside);
    await talk(1.8);
    await hangUp(phone, inside);
    expectClean(heardBy(inside, 440, 1.6), 1);
    await phone.stop();
  }

  test.each(['core', 'edge'] as const)('%s returns and serves again', async (role) => {
    const survivor = role === 'core' ? stage.edge : stage.core;
    const pid = survivor.pid;
    await stage[role].kill();
    await stage[role].start();
    await linksUp(stage.edge, stage.core, SERVE_AGAIN_MS);
    await registerAndCall(role === 'core' ? '1021' : '1022');
    expect(survivor.running && survivor.pid === pid).toBe(true);
  });

  test('without core, edge says so to HTTPS clients and stays up', async () => {
    await stage.core.kill();
    const answer = await curl(stage, `${lane(DOMAIN)}/get_edge_config/`, { user: 'alice:wonderland' });
    expect([502, 503]).toContain(answer.status);
    await stage.core.start();
    await linksUp(stage.edge, stage.core, SERVE_AGAIN_MS);
  });

  test('a registration outlives core: inside calls a phone that registered before', async () => {
    const journal = path.join(stage.folder.path, 'core-state/store.sqlite-wal');
    const written = (): number => (existsSync(journal) ? statSync(journal).mtimeMs : 0);
    const before = written();
    const phone = await outsidePhone(stage, 'client', { user: '1023', speaks: { hz: 440 } });
    // Written behind, within 100 ms: what is newer than that may be lost with the process.
    await until('the registration is journalled', () => written() > before);
    await stage.core.kill();
    await stage.core.start();
    await linksUp(stage.edge, stage.core, SERVE_AGAIN_MS);
    await establish(inside, phone);
    await talk(1.8);
    await hangUp(phone, inside);
    expectClean(heardBy(phone, 880, 1.6), 1);
    await phone.stop();
  });

  test.each(['outside', 'inside'])(
    'a call that loses core can be hung up from %s once it is back',
    async (who) => {
      const user = who === 'outside' ? '1025' : '1026';
      const phone = await outsidePhone(stage, 'client', { user, speaks: { hz: 440 } });
      await establish(phone, inside);
      await talk(0.5);
      await stage.core.kill();
      await stage.core.start();
      await linksUp(stage.edge, stage.core, SERVE_AGAIN_MS);
      await (who === 'outside' ? hangUp(phone, inside) : hangUp(inside, phone));
      await phone.stop();
    },
  );

  test('call control itself dies and returns: the next phone registers and calls', async () => {
    await stage.kamailio.stop('SIGKILL');
    await stage.startAgain.kamailio();
    const desk = await insidePhone(stage, {
      user: '1006',
      speaks: { hz: 880 },
      at: stage.ground.phone2,
      address: ADDRESS.phone2,
    });
    const phone = await outsidePhone(stage, 'client', { user: '1024', speaks: { hz: 440 } });
    await establish(phone, desk);
    await hangUp(desk, phone);
    await Promise.all([phone.stop(), desk.stop()]);
  });
});
