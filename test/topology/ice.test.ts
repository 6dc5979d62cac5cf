// ICE passthrough between two baresips outside, call control over TLS: media leaves the pair where there is another way,
// by their own network or by the edge's TURN relay, and stays where there is none. Packets of the link are counted at the inner firewall.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { EDGE_NAME } from './addresses.ts';
import { establish, hangUp, talk } from './conversation.ts';
import { breakLinks, countLinkMedia, healLinks, joinHomes, letRelaysIn, readInner } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { linksUp, outsidePhone, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';

const CALLER_HZ = 440;
const CALLEE_HZ = 880;
const TURN_USER = { name: 'ice', password: 'relay-secret' };
const SERVER = { uri: `turn:${EDGE_NAME}:3478`, user: TURN_USER.name, password: TURN_USER.password };

const able = canRun('ICE passthrough through the topology', STAGE_PROGRAMS);

describe.skipIf(!able)('ICE passthrough', () => {
  let stage: Stage;
  let linkMedia: () => number;

  beforeAll(async () => {
    stage = await setStage('ice', {
      edge: (folder) => {
        const file = path.join(folder, 'turn-password');
        writeFileSync(file, TURN_USER.password, { mode: 0o600 });
        const users = [{ name: TURN_USER.name, password: `file:${file}` }];
        // The internet of the topology lies in a range for benchmarks, which a relay does not speak to unasked.
        // COMPAT(baresip 1.0.0): gives up its relay when one permission of several is refused, even for a private address.
        return { turn: { enabled: true, users, allow: ['198.18.0.0/15', '10.77.0.0/16', '10.78.0.0/16'] } };
      },
      core: ({ chain, key }) => ({
        nodeSip: { transport: 'tls' },
        node: { 'ice-passthrough': true },
        media: { 'ice-passthrough': true, 'inside-encryption': 'on' },
        sip: { certificate: { chain: `file:${chain}`, key: `file:${key}` } },
      }),
    });
    linkMedia = countLinkMedia(stage.ground.inner);
  });

  afterAll(async () => stage?.close());

  const phones = async (server?: typeof SERVER): Promise<[Baresip, Baresip]> => {
    const ice = server === undefined ? {} : { server };
    return [
      await outsidePhone(stage, 'client', { user: '1001', speaks: { hz: CALLER_HZ }, ice }),
      await outsidePhone(stage, 'client2', { user: '1005', speaks: { hz: CALLEE_HZ }, ice }),
    ];
  };

  /** What core says of the calls it has: one word per leg. */
  const callTypes = async (): Promise<string[]> => {
    const status = (await stage.core.ask('/status')) ?? '{}';
    return [...status.matchAll(/"iceCallType": ?"(\w+)"/g)].map((match) => match[1]!);
  };

  /** A call in which ICE has concluded: how it goes, and how many packets cross the link in a second and a half of it. */
  async function call(
    noticedAfter: number,
    server?: typeof SERVER,
  ): Promise<{ types: string[]; linkPackets: number }> {
    const [caller, callee] = await phones(server);
    try {
      await establish(caller, callee, 20_000);
      await Promise.all([caller, callee].map((phone) => concluded(phone)));
      await talk(noticedAfter);
      const before = { link: linkMedia(), heard: await heard(caller, callee) };
      await talk(1.5);
      const linkPackets = linkMedia() - before.link;
      const after = await heard(caller, callee);
      const types = await callTypes();
      await hangUp(caller, callee);
      // Only what came with a right tag is decoded; the phone's recorder does not survive the offer that ICE makes.
      for (const end of [0, 1]) expect(after[end]! - before.heard[end]!).toBeGreaterThan(1.2);
      return { types, linkPackets };
    } finally {
      await Promise.all([caller.stop(), callee.stop()]);
    }
  }

  /** Until its ICE has found a pair: quickly where one works, after the last unanswered check where few do. */
  const concluded = (phone: Baresip): Promise<unknown> =>
    phone.process.said(/stream: mnat 'ice' connected/, { timeoutMs: 40_000 });

  const heard = (...ends: Baresip[]): Promise<number[]> =>
    Promise.all(ends.map((phone) => phone.decodedSeconds()));

  test('no way but through the pair: the link carries it', async () => {
    const { types, linkPackets } = await call(1);
    expect(linkPackets).toBeGreaterThan(150);
    expect(types).toEqual(['none', 'none']);
  });

  test('two NATs that let nobody in, and no media between edge and core: the edge’s TURN relay carries it', async () => {
    letRelaysIn(stage.ground.outer);
    // Broken just before the call: the link counts as up for four seconds, ports are opened, checks get nowhere.
    breakLinks(stage.ground.inner, ['media'], 'silence');
    const { types } = await call(1, SERVER).finally(() => healLinks(stage.ground.inner));
    expect(types).toEqual([expect.stringMatching(/relay/), expect.stringMatching(/relay/)]);
    await linksUp(stage.edge, stage.core);
  });

  test('one network: they speak to each other, neither edge nor core sees media', async () => {
    joinHomes(stage.ground.nat);
    // Their own addresses were their defaults: no word of it, core notices after five seconds without a packet.
    const { types, linkPackets } = await call(6.5);
    expect(types).toEqual(['host_to_host', 'host_to_host']);
    expect(linkPackets).toBeLessThan(10);
  });

  test('the calls are counted by type, and nothing came in through the inner firewall', async () => {
    const status = JSON.parse((await stage.core.ask('/status')) ?? '{}') as {
      icePassthrough: { now: { connected: number; optimized: number; types: Record<string, number> } };
    };
    const { connected, optimized, types } = status.icePassthrough.now;
    expect([connected, optimized, types['host_to_host']]).toEqual([6, 4, 2]);
    expect(await stage.core.ask('/metrics')).toMatch(/event="ice-call",reason="host_to_host"\} 2/);
    expect(readInner(stage.ground.inner).inward).toBe(0);
  });
});
