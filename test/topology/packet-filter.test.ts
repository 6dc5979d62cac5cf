// A banned address in nftables: its packets end before edge sees them, an office behind its NAT does not when one of its
// people is out, and neither a restart of edge nor of core lets anybody in.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADDRESS, DOMAIN } from './addresses.ts';
import { curl, lane } from './curl.ts';
import { canRun } from './requirements.ts';
import { linksUp, setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';
import { until } from './until.ts';

const COMMAND = fileURLToPath(new URL('../../bin/viaduct.mjs', import.meta.url));
const SETTINGS = `${lane(DOMAIN)}/get_edge_config/`;
/** What the operator adds: one rule that counts and drops. The sets are edge's. */
const RULES = `table inet viaduct {
  set banned4 { type ipv4_addr; flags timeout; }
  chain keep_out {
    type filter hook prerouting priority raw; policy accept;
    ip saddr @banned4 counter drop
  }
}
`;
const attacker = `address:${ADDRESS.internetNearOuter}`;

describe.skipIf(!canRun('Banned addresses in nftables', STAGE_PROGRAMS))('a banned address', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await setStage('nft', {
      edge: {
        'intrusion-protection': { categories: { 'http-protocol': { 'trigger-level': 2 } }, nftables: {} },
      },
    });
    stage.ground.edge.feed(RULES, 'nft', '-f', '-');
  });
  afterAll(async () => stage?.close());

  /** Exit code of a connection attempt from the internet: 0 connected, 28 no answer. */
  function knock(): number | null {
    const { exec } = stage.ground.internet;
    const url = `https://${ADDRESS.edgePublic}:8443/`;
    const command = [...exec, 'curl', '--silent', '--insecure', '--max-time', '2', url];
    return spawnSync(command[0] ?? '', command.slice(1)).status;
  }

  /** What is no HTTP, over TLS: one breach of protocol. */
  function offend(): void {
    const { exec } = stage.ground.internet;
    const to = `${ADDRESS.edgePublic}:8443`;
    const command = [...exec, 'openssl', 's_client', '-quiet', '-connect', to];
    spawnSync(command[0] ?? '', command.slice(1), { input: 'GET / HTTP/1.1\nHost: x\n\n', timeout: 10_000 });
  }

  const bannedInKernel = (): string =>
    stage.ground.edge.run('nft', 'list', 'set', 'inet', 'viaduct', 'banned4');
  const droppedPackets = (): number =>
    Number(
      /counter packets (\d+)/.exec(stage.ground.edge.run('nft', 'list', 'table', 'inet', 'viaduct'))?.[1],
    );
  const inSet = (is: boolean) =>
    until(
      `the set ${is ? 'holds' : 'does not hold'} the attacker`,
      () => Promise.resolve(bannedInKernel().includes(ADDRESS.internetNearOuter) === is),
      { deadlineMs: 15_000, detail: () => `${bannedInKernel()}\n${stage.edge.log(20)}` },
    );
  const bans = (role: 'edge' | 'core', ...words: string[]): Promise<string> =>
    stage.keeper.run([process.execPath, COMMAND, 'bans', ...words], {
      inside: stage.ground[role].exec,
      name: 'bans',
    });

  test('is dropped by the kernel, and edge hears nothing of it', async () => {
    expect(knock()).toBe(0);
    offend();
    offend();
    await inSet(true);
    const before = droppedPackets();
    const heard = await stage.edge.ask('/metrics');
    expect(knock()).toBe(28);
    expect(droppedPackets()).toBeGreaterThan(before);
    const turnedAway = /reason="banned"\} (\d+)/;
    expect(turnedAway.exec((await stage.edge.ask('/metrics')) ?? '')?.[1]).toBe(
      turnedAway.exec(heard ?? '')?.[1],
    );
    expect(await bans('core')).toContain(attacker);
  });

  test('is out again after a restart of edge, which core reminds, and of core, which kept it', async () => {
    await stage.core.kill();
    await stage.core.start();
    await linksUp(stage.edge, stage.core, 20_000);
    expect(await bans('core')).toContain(attacker);
    await stage.edge.kill();
    await stage.edge.start();
    await inSet(true);
    expect(knock()).toBe(28);
  });

  test('comes in when an operator at core says so', async () => {
    await linksUp(stage.edge, stage.core, 20_000);
    await bans('core', 'unblock', attacker);
    await inSet(false);
    expect(knock()).toBe(0);
  });

  test('an office keeps its line when one of its people is out', async () => {
    for (let i = 0; i < 5; i += 1)
      expect((await curl(stage, SETTINGS, { user: `alice:guess${i}` })).status).toBe(401);
    expect((await curl(stage, SETTINGS, { user: 'alice:wonderland' })).status).toBe(429);
    expect((await curl(stage, SETTINGS, { user: 'bob:builder' })).status).toBe(200);
    expect(bannedInKernel()).not.toContain(ADDRESS.natPublic);
    expect(await bans('core')).toContain(`user:default:alice@${ADDRESS.natPublic}`);
  });
});
