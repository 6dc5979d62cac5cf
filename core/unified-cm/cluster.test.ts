import { describe, expect, test } from 'vitest';
import { startTestUds, type TestUds } from './test-uds.ts';

const states = (uds: TestUds): Record<string, string> =>
  Object.fromEntries(uds.unifiedCm.nodes().map((node) => [node.name, node.reach.state]));

async function started(...clusters: Parameters<typeof startTestUds>): Promise<TestUds> {
  const uds = startTestUds(...clusters);
  uds.unifiedCm.start();
  await uds.settle();
  return uds;
}

describe('discovery', () => {
  test('before it, there is the publisher only, and nothing is discovered', () => {
    const uds = startTestUds();
    expect(states(uds)).toEqual({ 'ucm1.example.com': 'unknown' });
    expect(uds.unifiedCm.discovered('d')).toBe(false);
  });

  test('takes the list of the publisher and asks every node whether it lives', async () => {
    const uds = await started();
    expect(states(uds)).toEqual({ 'ucm1.example.com': 'up', 'ucm2.example.com': 'up' });
    expect(uds.unifiedCm.discovered('d')).toBe(true);
    expect(uds.asked).toEqual([
      'ucm1.example.com servers',
      'ucm1.example.com version',
      'ucm2.example.com version',
    ]);
  });

  test('asks another node when the publisher is silent', async () => {
    const uds = await started({ staticNodes: [{ name: 'ucm2.example.com', kind: 'unified-cm' }] });
    uds.silent.add('ucm1.example.com');
    uds.servers = ['ucm1.example.com', 'ucm2.example.com', 'ucm3.example.com'];
    uds.clock.advance(300_000);
    await uds.settle();
    expect(states(uds)).toEqual({
      'ucm1.example.com': 'down',
      'ucm2.example.com': 'up',
      'ucm3.example.com': 'up',
    });
  });

  test('nodes come and go with the list', async () => {
    const uds = await started();
    uds.servers = ['ucm1.example.com', 'ucm3.example.com'];
    uds.clock.advance(300_000);
    await uds.settle();
    expect(Object.keys(states(uds))).toEqual(['ucm1.example.com', 'ucm3.example.com']);
  });

  test('the last list stays while nobody answers, and failures are asked again with back-off', async () => {
    const uds = await started();
    uds.silent.add('ucm1.example.com').add('ucm2.example.com');
    uds.clock.advance(300_000);
    await uds.settle();
    expect(states(uds)).toEqual({ 'ucm1.example.com': 'down', 'ucm2.example.com': 'down' });
    for (const waitMs of [5000, 10_000, 20_000, 40_000, 40_000]) {
      const before = uds.asked.length;
      uds.clock.advance(waitMs - 1);
      await uds.settle();
      expect(uds.asked.length).toBe(before);
      uds.clock.advance(1);
      await uds.settle();
      expect(uds.asked.length).toBeGreaterThan(before);
    }
    uds.silent.clear();
    uds.clock.advance(40_000);
    await uds.settle();
    expect(states(uds)).toEqual({ 'ucm1.example.com': 'up', 'ucm2.example.com': 'up' });
  });

  test('a core that starts during an outage serves as soon as it is over', async () => {
    const uds = startTestUds();
    uds.silent.add('ucm1.example.com');
    uds.unifiedCm.start();
    await uds.settle();
    const credentials = { user: 'alice', password: 'wonderland' };
    expect(await uds.unifiedCm.checkPassword('d', credentials)).toMatchObject({ kind: 'unreachable' });
    uds.silent.clear();
    expect(await uds.unifiedCm.checkPassword('d', credentials)).toMatchObject({ kind: 'ok' });
    uds.clock.advance(5000);
    await uds.settle();
    expect(uds.unifiedCm.discovered('d')).toBe(true);
  });

  test('a stream of failed requests does not put the retry off', async () => {
    const uds = await started();
    uds.silent.add('ucm2.example.com');
    for (let i = 0; i < 10; i++) {
      uds.unifiedCm.noteFailure({ name: 'ucm2.example.com', cluster: 'c1' }, `try ${i}`);
      uds.clock.advance(500);
    }
    uds.silent.clear();
    await uds.settle();
    expect(states(uds)['ucm2.example.com']).toBe('up');
  });

  test('close ends the timers', async () => {
    const uds = await started();
    uds.unifiedCm.close();
    expect(uds.clock.pending).toBe(0);
  });
});

describe('addresses', () => {
  test('are pinned at discovery and are names of the node for lanes', async () => {
    const uds = await started();
    expect(uds.unifiedCm.nodes()[0]).toMatchObject({
      addresses: ['10.0.0.1'],
      aliases: ['ucm1.example.com', '10.0.0.1'],
    });
  });
  test('stay when DNS falls silent', async () => {
    const uds = await started();
    uds.unresolved.add('ucm1.example.com');
    uds.clock.advance(300_000);
    await uds.settle();
    expect(uds.unifiedCm.nodes()[0]).toMatchObject({ addresses: ['10.0.0.1'], reach: { state: 'up' } });
  });
  test('follow at the next discovery', async () => {
    const uds = await started();
    uds.addresses.set('ucm1.example.com', ['10.0.0.9']);
    uds.clock.advance(300_000);
    await uds.settle();
    expect(uds.unifiedCm.nodes()[0]?.aliases).toEqual(['ucm1.example.com', '10.0.0.9']);
  });
  test('a name that DNS does not know is said to be so', async () => {
    const uds = startTestUds();
    uds.unresolved.add('ucm2.example.com');
    uds.unifiedCm.start();
    await uds.settle();
    expect(uds.unifiedCm.nodes()[1]?.reach).toMatchObject({
      state: 'down',
      cause: 'ucm2.example.com:8443 is not in DNS',
    });
  });
  test('a fixed one is not looked up', async () => {
    const uds = startTestUds({
      staticNodes: [{ name: 'imp.example.com', kind: 'im-presence', address: '10.0.0.7' }],
    });
    uds.unresolved.add('imp.example.com');
    uds.unifiedCm.start();
    await uds.settle();
    expect(uds.unifiedCm.nodes()[2]).toMatchObject({ name: 'imp.example.com', addresses: ['10.0.0.7'] });
  });
});

describe('what follows from the nodes', () => {
  test('SIP zones, one per way that is on', async () => {
    const uds = await started({ sip: { tcpPort: 5060, tlsPort: 5061, oauthPort: 5091 } });
    expect(uds.unifiedCm.sipZones().map(({ zone, transport, port }) => [zone, transport, port])).toEqual([
      ['CEtcp-ucm1.example.com', 'tcp', 5060],
      ['CEtls-ucm1.example.com', 'tls', 5061],
      ['CEOAuth-ucm1.example.com', 'tls', 5091],
      ['CEtcp-ucm2.example.com', 'tcp', 5060],
      ['CEtls-ucm2.example.com', 'tls', 5061],
      ['CEOAuth-ucm2.example.com', 'tls', 5091],
    ]);
  });

  test('the same objects until something changes', async () => {
    const uds = await started();
    let changes = 0;
    uds.unifiedCm.onChange(() => (changes += 1));
    const before = [uds.unifiedCm.sipZones(), uds.unifiedCm.allowList(), uds.unifiedCm.nodes()];
    uds.clock.advance(300_000);
    await uds.settle();
    expect([uds.unifiedCm.sipZones(), uds.unifiedCm.allowList(), uds.unifiedCm.nodes()]).toEqual(before);
    expect(uds.unifiedCm.sipZones()).toBe(before[0]);
    expect(changes).toBe(0);
    uds.unifiedCm.noteFailure({ name: 'ucm2.example.com', cluster: 'c1' }, 'gone');
    expect(uds.unifiedCm.nodes()[1]?.reach.state).toBe('down');
    expect(uds.unifiedCm.sipZones()).toBe(before[0]);
    expect(uds.unifiedCm.allowList()).toBe(before[1]);
    changes = 0;
    uds.servers = ['ucm1.example.com'];
    uds.clock.advance(300_000);
    await uds.settle();
    expect(uds.unifiedCm.sipZones()).not.toBe(before[0]);
    expect(changes).toBe(1);
  });

  test('the allow list lets in to a node once it is discovered', async () => {
    const uds = startTestUds();
    const request = {
      deployment: 'd',
      protocol: 'https',
      port: 8443,
      path: '/cucm-uds/version',
      method: 'GET',
    } as const;
    const outcome = () => uds.unifiedCm.allowList().decide({ ...request, host: 'ucm2.example.com' }).outcome;
    expect(outcome()).toBe('unlisted');
    uds.unifiedCm.start();
    await uds.settle();
    expect(outcome()).toBe('listed');
  });

  test('homes', async () => {
    const uds = await started({ staticNodes: [{ name: 'imp.example.com', kind: 'im-presence' }] });
    expect(uds.unifiedCm.homeOf('c1')).toEqual({
      cluster: 'c1',
      node: 'ucm1.example.com',
      udsServers: ['ucm1.example.com', 'ucm2.example.com'],
      udsPort: 8443,
      tftpServers: ['ucm1.example.com', 'ucm2.example.com'],
      imPresenceServers: ['imp.example.com'],
    });
    uds.unifiedCm.noteFailure({ name: 'ucm1.example.com', cluster: 'c1' }, 'gone');
    expect(uds.unifiedCm.homeOf('c1')?.node).toBe('ucm2.example.com');
    expect(uds.unifiedCm.homeOf('c9')).toBeUndefined();
  });

  test.each([
    [['ucm1.example.com', '10.0.0.5'], ['ucm1.example.com']],
    [
      ['10.0.0.5', '10.0.0.6'],
      ['10.0.0.5', '10.0.0.6'],
    ],
  ])('of the nodes %j clients are told %j', async (servers, told) => {
    const uds = startTestUds();
    uds.servers = servers;
    uds.unifiedCm.start();
    await uds.settle();
    expect(uds.unifiedCm.homeOf('c1')?.udsServers).toEqual(told);
  });

  test('named TFTP servers only serve files', async () => {
    const uds = await started({ tftp: ['Files.example.com'] });
    expect(uds.unifiedCm.homeOf('c1')?.tftpServers).toEqual(['Files.example.com']);
    const kinds = uds.unifiedCm.nodes().map(({ name, kinds }) => [name, kinds.join()]);
    expect(kinds).toEqual([
      ['ucm1.example.com', 'unified-cm'],
      ['ucm2.example.com', 'unified-cm'],
      ['files.example.com', 'tftp'],
    ]);
  });
});

test('a question ends when its time is over, however many nodes there are', async () => {
  const uds = await started();
  uds.servers.push('ucm3.example.com');
  uds.clock.advance(300_000);
  await uds.settle();
  uds.asked.length = 0;
  uds.silent.add('ucm1.example.com').add('ucm2.example.com').add('ucm3.example.com');
  uds.onAsked = () => uds.clock.advance(4000);
  await uds.unifiedCm.checkPassword('d', { user: 'alice', password: 'x' });
  expect(uds.asked.filter((line) => line.includes('clusterUser'))).toHaveLength(2);
});
