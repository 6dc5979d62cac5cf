// The peers among themselves, without Viaduct: phones, registrar and measuring instruments are right before anything is
// said about what stands between them.
import { setTimeout as duration } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Network } from '../topology/network.ts';
import { ProcessKeeper } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { makeRunFolder } from '../topology/run-folder.ts';
import { startBaresip, type Baresip } from './baresip.ts';
import { startKamailio } from './kamailio.ts';
import { listen } from './tone.ts';

const DOMAIN = 'ucm.corp.test';

describe.skipIf(!canRun('phones and registrar among themselves', ['baresip', 'kamailio']))(
  'two phones and Kamailio',
  () => {
    const runFolder = makeRunFolder('phones');
    const folder = runFolder.path;
    const keeper = new ProcessKeeper(folder);
    const network = new Network('phones');
    let caller: Baresip;
    let callee: Baresip;

    beforeAll(async () => {
      const lan = network.namespace('lan');
      lan.bridge('lan0', '10.30.0.1/24');
      const [ucm, left, right] = ['ucm', 'left', 'right'].map((name, index) => {
        const made = network.namespace(name);
        network.join({ at: made, address: `10.30.0.${20 + index}/24` }, { at: lan, bridge: 'lan0' });
        return made;
      }) as [Parameters<typeof network.join>[0]['at'], ...Parameters<typeof network.join>[0]['at'][]];
      await startKamailio(keeper, { folder, at: ucm, address: '10.30.0.20', domains: [DOMAIN] });
      const common = {
        folder,
        domain: DOMAIN,
        outbound: 'sip:10.30.0.20:5060;transport=tcp',
        transport: 'tcp',
      } as const;
      caller = await startBaresip(keeper, {
        ...common,
        at: left!,
        address: '10.30.0.21',
        user: '1001',
        speaks: { hz: 440 },
      });
      callee = await startBaresip(keeper, {
        ...common,
        at: right!,
        address: '10.30.0.22',
        user: '1002',
        speaks: 'loop',
      });
      await Promise.all([caller.registered(), callee.registered()]);
    });

    afterAll(async () => {
      await keeper.stopAll();
      network.remove();
      runFolder.remove();
    });

    test('a tone goes there and back', async () => {
      const since = { caller: caller.mark(), callee: callee.mark() };
      await caller.command('dial', `sip:1002@${DOMAIN}`);
      await callee.happened('CALL_INCOMING', since.callee);
      await callee.command('accept');
      await caller.happened('CALL_ESTABLISHED', since.caller);
      await duration(2000);
      await caller.command('hangup');
      await callee.happened('CALL_CLOSED', since.callee);
      for (const phone of [caller, callee]) {
        const heard = listen(phone.recording(), { hz: 440, fromSeconds: 0.5, toSeconds: 1.5 });
        expect(heard.continuity).toBeGreaterThan(0.97);
        expect(heard.rms).toBeGreaterThan(7000);
      }
    });
  },
);
