// What a network does to media in the middle of a call: a stranger sprays the port of a stream, and the client's router
// changes its mapping. Packets with a good tag decide, and nothing else.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { ADDRESS } from './addresses.ts';
import { establish, expectClean, hangUp, heardBy, talk } from './conversation.ts';
import { rebindNat } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { insidePhone, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';

const able = canRun('media under attack', [...STAGE_PROGRAMS, 'conntrack']);

/** Sends 2,000 RTP-like packets in two seconds to a port, prints how many came back. */
const SPRAY = `const s=require('node:dgram').createSocket('udp4');let back=0,sent=0;s.on('message',()=>back++);
const packet=Buffer.alloc(182,7);packet[0]=0x80;packet[1]=0;
const timer=setInterval(()=>{for(let i=0;i<20;i++){packet.writeUInt16BE(sent++,2);s.send(packet,+process.argv[2],process.argv[1])}
if(sent>=2000){clearInterval(timer);setTimeout(()=>{console.log('sprayed '+sent+' back '+back);s.close()},300)}},20);`;

describe.skipIf(!able)('media in the middle of a call', () => {
  let stage: Stage;
  let outside: Baresip;
  let inside: Baresip;

  beforeAll(async () => {
    stage = await setStage('media');
    inside = await insidePhone(stage, { user: '1002', speaks: { hz: 880 } });
    outside = await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: 440 } });
  });

  afterAll(async () => stage?.close());

  test('a stranger who sprays the port gets nothing and disturbs nobody', async () => {
    await establish(outside, inside);
    await talk(0.5);
    const port = await outside.remoteMediaPort();
    const spray = [process.execPath, '-e', SPRAY, ADDRESS.edgePublic, String(port)];
    const said = await stage.keeper.run(spray, { inside: stage.ground.client2.exec, name: 'spray' });
    await hangUp(outside, inside);
    expect(said).toMatch(/^sprayed 2000 back 0$/m);
    expectClean(heardBy(inside, 440, 2.6), 2);
    expectClean(heardBy(outside, 880, 2.6), 2);
  });

  test("the client's router changes its mapping: the sound follows within a second", async () => {
    await establish(inside, outside);
    await talk(1.5);
    rebindNat(stage.ground.nat);
    await talk(2.5);
    await hangUp(inside, outside);
    for (const heard of [heardBy(inside, 440, 60), heardBy(outside, 880, 60)]) {
      expect(heard.seconds).toBeGreaterThan(2.4);
      expect(heard.continuity).toBeGreaterThan(0.95);
    }
  });
});
