// The peers among themselves, without Viaduct: phones, registrar and measuring instruments are right before anything is
// said about what stands between them.
import { setTimeout as duration } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Network, type Namespace } from '../topology/network.ts';
import { ProcessKeeper } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { makeRunFolder } from '../topology/run-folder.ts';
import { startBaresip, type Baresip } from './baresip.ts';
import { startKamailio } from './kamailio.ts';
import { startCapture } from './capture.ts';
import { listen, measure } from './tone.ts';

const DOMAIN = 'ucm.corp.test';
const able = canRun('phones and registrar among themselves', ['baresip', 'kamailio', 'tcpdump']);

describe.skipIf(!able)('two phones and Kamailio', () => {
  const folder = makeRunFolder('phones');
  const keeper = new ProcessKeeper(folder.path);
  const network = new Network('phones');
  let caller: Baresip;
  let callee: Baresip;
  let right: Namespace;

  beforeAll(async () => {
    const ucm = network.namespace('ucm');
    const left = network.namespace('left');
    right = network.namespace('right');
    ucm.bridge('lan0', '10.30.0.20/24');
    network.join({ at: left, address: '10.30.0.21/24' }, { at: ucm, bridge: 'lan0' });
    network.join({ at: right, address: '10.30.0.22/24' }, { at: ucm, bridge: 'lan0' });
    await startKamailio(keeper, { folder: folder.path, at: ucm, address: '10.30.0.20', domains: [DOMAIN] });
    const common = {
      folder: folder.path,
      domain: DOMAIN,
      outbound: 'sip:10.30.0.20:5060;transport=tcp',
      transport: 'tcp',
    } as const;
    const speaking = { at: left, address: '10.30.0.21', user: '1001', speaks: { hz: 440 } } as const;
    const answering = { at: right, address: '10.30.0.22', user: '1002', speaks: { hz: 880 } } as const;
    caller = await startBaresip(keeper, { ...common, ...speaking });
    callee = await startBaresip(keeper, { ...common, ...answering });
    await Promise.all([caller.registered(), callee.registered()]);
  });

  afterAll(async () => {
    await keeper.stopAll();
    network.remove();
    folder.remove();
  });

  async function establish(): Promise<void> {
    const since = { caller: caller.mark(), callee: callee.mark() };
    await caller.command('dial', `sip:1002@${DOMAIN}`);
    await callee.happened('CALL_INCOMING', since.callee);
    await callee.command('accept');
    await caller.happened('CALL_ESTABLISHED', since.caller);
  }

  async function hangUp(): Promise<void> {
    const since = callee.mark();
    await caller.command('hangup');
    await callee.happened('CALL_CLOSED', since);
  }

  test('a tone goes there and back', async () => {
    await establish();
    await duration(2000);
    await hangUp();
    for (const [phone, hz] of [[caller, 880] as const, [callee, 440] as const]) {
      const heard = listen(phone.recording(), { hz, fromSeconds: 0.5, toSeconds: 1.5 });
      expect(heard.continuity).toBeGreaterThan(0.97);
      expect(heard.rms).toBeGreaterThan(7000);
    }
  });

  test('hold and resume: silence on the wire, then the tone again, and decoding goes on', async () => {
    const capture = await startCapture(keeper, {
      folder: folder.path,
      at: right,
      device: 'eth0',
      filter: 'udp',
      name: 'right',
    });
    await establish();
    await duration(2000);
    await caller.command('hold');
    await duration(1500);
    const decodedBefore = await callee.decodedSeconds();
    await caller.command('resume');
    await duration(2000);
    expect((await callee.decodedSeconds()) - decodedBefore).toBeGreaterThan(1.7);
    await hangUp();
    const { samples, sampleRate } = await capture.soundTo('10.30.0.22');
    const heard = (from: number, to: number): number =>
      measure(samples, sampleRate, { hz: 440, fromSeconds: from, toSeconds: to }).continuity;
    expect(heard(0, 1.8)).toBeGreaterThan(0.97);
    expect(heard(2.2, 3.3)).toBe(0);
    expect(heard(3.7, 5.3)).toBeGreaterThan(0.97);
  });
});
