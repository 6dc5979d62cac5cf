// Real ICE stacks through our relay, between two homes behind symmetric NATs where nothing but a relay helps: Chromium over
// UDP, TCP, TLS and the port of HTTPS, with sound and a data channel; libnice's agents over UDP and TCP.
import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TEST_USER } from '../../turn/test-server.ts';
import { ProcessKeeper, type StartedProcess } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { makeRunFolder, type RunFolder } from '../topology/run-folder.ts';
import { until } from '../topology/until.ts';
import { type Baresip, startBaresip } from './baresip.ts';
import { TestAuthority } from './certificates.ts';
import { type IceReport, openIceBrowser } from './ice/ice-browser.ts';
import { buildIceNetwork, type IceNetwork, RELAY } from './ice/ice-network.ts';
import { listen } from './tone.ts';

const ready = canRun('ICE through the relay', [
  'nft',
  'chromium',
  'certutil',
  'openssl',
  'gcc',
  'pkg-config',
]);

interface RelayState {
  readonly allocations: readonly {
    readonly allocation: number;
    readonly client: string;
    readonly peers: readonly string[];
  }[];
  readonly counted: Readonly<Record<string, number>>;
}

describe.skipIf(!ready)('through the relay, behind symmetric NATs', () => {
  let folder: RunFolder;
  let network: IceNetwork;
  let keeper: ProcessKeeper;
  let relay: StartedProcess;
  let authority: TestAuthority;
  let agentFile: string;

  beforeAll(async () => {
    folder = makeRunFolder('ice');
    network = buildIceNetwork();
    keeper = new ProcessKeeper(folder.path);
    authority = new TestAuthority(folder.path, 'ice');
    const leaf = authority.issue(['turn.example.com', RELAY]);
    const script = path.join(import.meta.dirname, 'ice/relay-process.ts');
    relay = keeper.start([process.execPath, script, RELAY, leaf.chain, leaf.key], {
      inside: network.relay.exec,
      name: 'relay',
    });
    agentFile = path.join(folder.path, 'nice-agent');
    await keeper.run([
      'sh',
      '-c',
      `gcc -Wall -Werror -o ${agentFile} ${import.meta.dirname}/ice/nice-agent.c $(pkg-config --cflags --libs nice)`,
    ]);
    await until('the relay is open', () => relay.output().includes('open\n'), { detail: () => relay.tail() });
  });
  afterAll(async () => {
    await keeper.stopAll();
    network.remove();
    folder.remove();
  });

  let lastBefore = 0;
  beforeEach(async () => {
    lastBefore = Math.max(0, ...(await relayState()).allocations.map(({ allocation }) => allocation));
  });

  /** Allocations of this test: what an agent that was ended left behind is not its own. */
  async function ownAllocations(): Promise<RelayState['allocations']> {
    return (await relayState()).allocations.filter(({ allocation }) => allocation > lastBefore);
  }

  async function relayState(): Promise<RelayState> {
    const before = relay.output().length;
    relay.child.stdin?.write('?\n');
    await until('the relay answers', () => relay.output().slice(before).endsWith('\n'));
    return JSON.parse(relay.output().slice(before)) as RelayState;
  }

  test.each([
    ['UDP', 'udp'],
    ['TCP', 'tcp'],
  ])('libnice over %s', { timeout: 30_000 }, async (_name, kind) => {
    const [caller, callee] = network.homes.map((home, index) =>
      keeper.start(
        [
          agentFile,
          index === 0 ? 'caller' : 'callee',
          RELAY,
          '3478',
          TEST_USER.username,
          TEST_USER.password,
          kind,
        ],
        { inside: home.exec, name: `nice${index}` },
      ),
    ) as [StartedProcess, StartedProcess];
    const sdpOf = async (agent: StartedProcess): Promise<string> =>
      (await agent.said(/^sdp (\S+)$/m))[1] ?? '';
    const [offer, answer] = [await sdpOf(caller), await sdpOf(callee)];
    expect(Buffer.from(offer, 'base64').toString()).toMatch(/typ relay/);
    callee.child.stdin?.write(`${offer}\n`);
    caller.child.stdin?.write(`${answer}\n`);
    for (const agent of [caller, callee]) {
      await agent.said(/^pair relay relay$/m);
      await agent.said(/^heard 50$/m);
    }
    const clients = (await ownAllocations()).map(({ client }) => client);
    expect(clients.filter((client) => client.startsWith(`${kind} 203.0.113.10`))).toHaveLength(2);
    await Promise.all([caller.stop(), callee.stop()]);
  });

  describe('Chromium', () => {
    const browsers: Browser[] = [];
    let pages: Page[] = [];

    beforeAll(async () => {
      const opened = await Promise.all(
        network.homes.map((home, index) =>
          openIceBrowser(home, path.join(folder.path, `browser${index}`), authority.certificate),
        ),
      );
      browsers.push(...opened.map(({ browser }) => browser));
      pages = opened.map(({ page }) => page);
    }, 60_000);
    afterAll(async () => {
      await Promise.all(browsers.map((browser) => browser.close()));
    });
    afterEach(async () => {
      await Promise.all(pages.map((page) => call(page, 'end')));
      await until('nothing is left', async () => (await ownAllocations()).length === 0);
    });

    test.each([
      ['UDP', `turn:${RELAY}:3478?transport=udp`, 'udp'],
      ['TCP', `turn:${RELAY}:3478?transport=tcp`, 'tcp'],
      ['TLS', `turns:${RELAY}:5349?transport=tcp`, 'tls'],
      ['the port of HTTPS', `turns:${RELAY}:443?transport=tcp`, 'tls'],
    ])('sound and data over %s', { timeout: 30_000 }, async (_name, urls, protocol) => {
      const [caller, callee] = pages as [Page, Page];
      const server = { urls, username: TEST_USER.username, credential: TEST_USER.password };
      await Promise.all(pages.map((page) => call(page, 'begin', server)));
      const offer = await call<string>(caller, 'offer');
      await call(caller, 'accept', await call<string>(callee, 'answer', offer));
      let reports: IceReport[] = [];
      await until(
        'both hear and read each other',
        async () => {
          reports = await Promise.all(pages.map((page) => call<IceReport>(page, 'report')));
          return reports.every(
            ({ audioBytes, loudest, texts }) => audioBytes > 4_000 && loudest > 0 && texts.length > 0,
          );
        },
        { deadlineMs: 15_000, everyMs: 100, detail: () => `${JSON.stringify(reports)}\n${relay.tail()}` },
      );
      for (const report of reports) {
        expect(report).toMatchObject({ localType: 'relay', remoteType: 'relay', relayProtocol: protocol });
      }
      expect(reports.map(({ texts }) => texts)).toEqual([['pong'], ['ping', 'thanks']]);
      const used = (await ownAllocations()).filter(({ peers }) => peers.includes(RELAY));
      expect(used.length).toBeGreaterThanOrEqual(2);
      expect(used.every(({ client }) => client.startsWith(`${protocol} 203.0.113.10`))).toBe(true);
    });
  });

  test('baresip: a call whose sound goes through the relay alone', { timeout: 60_000 }, async () => {
    const addresses = network.joinForSignalling();
    const server = { uri: `turn:${RELAY}:3478`, user: TEST_USER.username, password: TEST_USER.password };
    const phoneAt = (index: 0 | 1, user: string, hz: number): Promise<Baresip> =>
      startBaresip(keeper, {
        folder: folder.path,
        at: network.homes[index],
        address: addresses[index],
        user,
        domain: addresses[index],
        outbound: `sip:${addresses[1 - index]};transport=tcp`,
        transport: 'tcp',
        registerSeconds: 0,
        speaks: { hz },
        ice: { server, rtcpMux: true },
      });
    const [caller, callee] = await Promise.all([phoneAt(0, 'anna', 440), phoneAt(1, 'ben', 880)]);
    const marks = [caller.mark(), callee.mark()] as const;
    await caller.command('dial', `sip:ben@${addresses[1]};transport=tcp`);
    await callee.happened('CALL_INCOMING', marks[1], 20_000);
    await callee.command('accept');
    await caller.happened('CALL_ESTABLISHED', marks[0]);
    await until(
      'both have heard three seconds',
      async () => {
        const heard = await Promise.all([caller.decodedSeconds(), callee.decodedSeconds()]);
        return heard.every((seconds) => seconds > 3);
      },
      {
        deadlineMs: 30_000,
        detail: () => `${caller.process.tail(60)}\n---\n${callee.process.tail(60)}\n${relay.tail()}`,
      },
    );
    const carried = (await ownAllocations()).filter(({ peers }) => peers.includes(RELAY));
    expect(carried.length).toBeGreaterThanOrEqual(2);
    await caller.command('hangup');
    await callee.happened('CALL_CLOSED', marks[1]);
    for (const [phone, hz] of [[caller, 880] as const, [callee, 440] as const]) {
      const sound = listen(phone.recording(), { hz, fromSeconds: 1, toSeconds: 2 });
      expect(sound.continuity).toBeGreaterThan(0.9);
    }
    await Promise.all([caller.stop(), callee.stop()]);
  });
});

/** Calls a function of the page's `ice`. */
async function call<Result = void>(page: Page, name: string, argument?: unknown): Promise<Result> {
  return page.evaluate<Result, readonly [string, unknown]>(
    ([method, value]) =>
      (globalThis as unknown as { ice: Record<string, (value: unknown) => Result> }).ice[method]!(value),
    [name, argument],
  );
}
