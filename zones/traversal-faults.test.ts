// A zone under faults: cables cut and frozen, processes stopped and killed, peers that misbehave after login. Links
// come back by themselves, in any order, and status says what was wrong.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from './clock.ts';
import type { ZoneStatus } from './peer.ts';
import { Cable } from './test-cable.ts';
import { printFrame } from './control/frame.ts';
import { connectSsh } from './ssh/client.ts';
import { type EdgeSshLink, SshServer } from './ssh/server.ts';
import {
  CORE,
  EDGE,
  Recorder,
  clientOptions,
  pairForTest,
  serverOptions,
  silentLog,
  sshClientOptions,
  sshServerOptions,
  zoneOf,
} from './test-zone.ts';
import { createTraversalClient } from './traversal-client.ts';
import { createTraversalServer } from './traversal-server.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Change {
  readonly server?: Parameters<typeof serverOptions>[2];
  readonly client?: Parameters<typeof clientOptions>[3];
}

/** A pair whose two links run over cables. */
async function cabledPair(change: Change = {}) {
  const pair = await pairForTest();
  const [atEdge, atCore] = [new Recorder(), new Recorder()];
  const server = createTraversalServer(serverOptions(zoneOf(pair, EDGE), atEdge, change.server));
  await server.listen();
  const ssh = new Cable(server.addresses().ssh);
  const sip = new Cable(server.addresses().sip);
  const ports = { ssh: await ssh.listen(), sip: await sip.listen() };
  const client = createTraversalClient(clientOptions(zoneOf(pair, CORE), ports, atCore, change.client));
  closers.push(
    () => server.close('test over'),
    () => Promise.all([ssh.close(), sip.close()]),
    () => client.close('test over'),
  );
  const up = allUp(atEdge, atCore);
  client.start();
  await up;
  return { pair, server, client, atEdge, atCore, ssh, sip };
}

const allUp = (atEdge: Recorder, atCore: Recorder) =>
  Promise.all([
    atEdge.next(`up ${CORE}`),
    atEdge.next(`sip ${CORE}`),
    atCore.next('up '),
    atCore.next('sip '),
  ]);

const planes = (status: readonly ZoneStatus[]) => [
  status[0]?.planes.https.state,
  status[0]?.planes.sip.state,
];

describe('links that die', () => {
  it.each([
    [['ssh']],
    [['sip']],
    [['ssh', 'sip']],
    [['sip', 'ssh']],
    [['ssh', 'ssh', 'sip', 'ssh']],
  ] as const)('come back in any order: %o', async (order) => {
    const { server, client, atEdge, atCore, ...cables } = await cabledPair();
    for (const plane of order) {
      const word = plane === 'ssh' ? 'up ' : 'sip ';
      const back = Promise.all([atEdge.next(word), atCore.next(word)]);
      cables[plane].cut();
      await back;
    }
    expect([planes(server.status()), planes(client.status())]).toEqual([
      ['up', 'up'],
      ['up', 'up'],
    ]);
    expect(server.cores()).toHaveLength(1);
    expect(
      await client
        .edges()[0]
        ?.control.request('none', 1)
        .catch((error: { code: string }) => error.code),
    ).toBe('unknown-type');
  });

  it('leave the other plane alone', async () => {
    const { atEdge, atCore, ssh } = await cabledPair();
    const back = Promise.all([atEdge.next('up '), atCore.next('up ')]);
    ssh.cut();
    await back;
    expect(atEdge.sockets).toHaveLength(1);
    expect(atEdge.sockets[0]?.destroyed).toBe(false);
  });

  it('by freezing are found at both ends, and come back when the cable does', async () => {
    const { server, client, atEdge, atCore, ssh } = await cabledPair();
    const down = Promise.all([atEdge.next('down '), atCore.next('down ')]);
    ssh.freeze();
    await down;
    expect(server.status()[0]?.planes.https).toMatchObject({
      state: 'down',
      cause: 'peer has been silent for 0.4 s',
    });
    expect(client.status()[0]?.planes.https.cause).toBe('peer has been silent for 0.4 s');
    expect(server.cores()).toEqual([]);
    const back = Promise.all([atEdge.next('up '), atCore.next('up ')]);
    ssh.cut();
    ssh.thaw();
    await back;
  });

  it('tell their pending requests', async () => {
    const never = { controlHandlers: { slow: () => new Promise(() => {}) } };
    const { server, ssh } = await cabledPair({ client: never });
    const answer = server.cores()[0]?.control.request('slow', 1);
    ssh.cut();
    await expect(answer).rejects.toMatchObject({ code: 'closed' });
  });

  it('with the edge, come back when a new edge listens there', async () => {
    const { pair, server, client, atCore } = await cabledPair();
    const { ssh, sip } = server.addresses();
    const down = atCore.next('down ');
    await server.close('killed');
    await down;
    const atEdge = new Recorder();
    const again = createTraversalServer(
      serverOptions(zoneOf(pair, EDGE), atEdge, { sshPort: ssh, sipPort: sip }),
    );
    closers.splice(-1, 0, () => again.close('test over'));
    const back = allUp(atEdge, atCore);
    await again.listen();
    await back;
    expect(planes(client.status())).toEqual(['up', 'up']);
  });
});

describe('a core process', () => {
  it('stopped is found dead, continued comes back, killed is gone, started anew is back', async () => {
    const pair = await pairForTest();
    const atEdge = new Recorder();
    const server = createTraversalServer(serverOptions(zoneOf(pair, EDGE), atEdge));
    await server.listen();
    closers.push(() => server.close('test over'));
    const start = async () => {
      const known = atEdge.next('up ');
      const child = spawn(process.execPath, [path.join(import.meta.dirname, 'test-core-process.ts')], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      closers.push(() => child.kill('SIGKILL'));
      child.stdin.end(JSON.stringify({ zone: zoneOf(pair, CORE), ports: server.addresses() }));
      // core may know of its link a moment before edge does
      await Promise.all([once(child.stdout, 'data'), known]);
      return child;
    };
    const first = await start();
    const silent = atEdge.next('down ');
    first.kill('SIGSTOP');
    await silent;
    expect(server.status()[0]?.planes.https.cause).toBe('peer has been silent for 0.4 s');
    const back = atEdge.next('up ');
    first.kill('SIGCONT');
    await back;
    const killed = atEdge.next('down ');
    first.kill('SIGKILL');
    await killed;
    await start();
    expect(planes(server.status())).toEqual(['up', 'up']);
  }, 15_000);
});

describe('status', () => {
  it('says what is wrong while nothing listens, and logs it once', async () => {
    const pair = await pairForTest();
    const atCore = new Recorder();
    const lines: string[] = [];
    const failed = countdown(8);
    const client = createTraversalClient(
      clientOptions(zoneOf(pair, CORE), { ssh: 1, sip: 1 }, atCore, {
        log: { ...silentLog, warn: (_fields, text) => lines.push(text) },
        count: (event) => event === 'link-failed' && failed.hit(),
      }),
    );
    client.start();
    await failed.done;
    expect(client.status()[0]?.planes.https).toMatchObject({
      state: 'down',
      cause: '127.0.0.1 port 1: nothing listens there (connection refused)',
    });
    expect(lines).toEqual(['https link is down', 'sip link is down']);
    await client.close('test over');
  });

  it('of edge says why a core that was paired anew cannot come in', async () => {
    const { pair, server, atEdge } = await startEdge();
    const anew = zoneOf(await pairForTest(), CORE);
    const refused = Promise.all([
      atEdge.next('count ssh-refused key'),
      atEdge.next('count sip-link-refused authority'),
    ]);
    const zone = { ...zoneOf(pair, CORE), identity: anew.identity };
    const client = createTraversalClient(clientOptions(zone, server.addresses(), new Recorder()));
    closers.push(() => client.close('test over'));
    client.start();
    await refused;
    const [status] = server.status();
    expect(status?.planes.https.cause).toMatch(
      /refused a login as this core: core's SSH key is SHA256:.*paired anew\?/,
    );
    expect(status?.planes.sip.cause).toContain("is not signed by this pair's authority");
  });

  it('warns of clocks and configurations that differ, and of certificates about to end', async () => {
    const pair = await pairForTest({ days: 1, now: Date.now() - 80_000_000 });
    const [atEdge, atCore] = [new Recorder(), new Recorder()];
    const server = createTraversalServer(
      serverOptions(zoneOf(pair, EDGE), atEdge, {
        clock: { ...systemClock, wall: () => Date.now() + 94_000 },
        status: { clockWarnMs: 10_000, expiryWarnDays: 30, configHash: 'other' },
      }),
    );
    await server.listen();
    const measured = countdown(1);
    const client = createTraversalClient(
      clientOptions(zoneOf(pair, CORE), server.addresses(), atCore, {
        log: { ...silentLog, warn: (_fields, text) => void (text.includes('clock') && measured.hit()) },
      }),
    );
    closers.push(
      () => server.close('test over'),
      () => client.close('test over'),
    );
    client.start();
    await measured.done;
    expect(client.status()[0]?.warnings).toEqual([
      "clock differs by 94 s (the peer's is ahead): set both by NTP",
      'the two sides run different zone configurations',
      'the certificate of core.inside ends in 0 days: renew it with viaduct renew',
    ]);
  });

  it('of media comes from the media room', async () => {
    const { server } = await cabledPair();
    server.reportMedia(CORE, { state: 'up', cause: '2 shards' });
    server.reportMedia('nobody', { state: 'up', cause: '' });
    expect(server.status().map((status) => [status.peer, status.planes.media.cause])).toEqual([
      [CORE, '2 shards'],
    ]);
  });
});

describe('a peer that misbehaves after login', () => {
  it('by a malformed frame to edge loses the link, and is counted', async () => {
    const { pair, server, atEdge } = await startEdge();
    const link = await connectSsh(sshClientOptions(zoneOf(pair, CORE), server.addresses().ssh));
    const counted = atEdge.next('count control-broken frame-length');
    link.control.write('GET / HTTP/1.1\r\n\r\n');
    await counted;
    expect(await link.closed).not.toBe('');
    expect(atEdge.seen).not.toContain(`up ${CORE}`);
  });

  it('by a malformed frame to core loses the link, and is counted', async () => {
    const pair = await pairForTest();
    const [captured, atCore] = [new Recorder(), new Recorder()];
    const onLink = (link: EdgeSshLink): void =>
      void link.control.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    const server = new SshServer(sshServerOptions(zoneOf(pair, EDGE), captured, { onLink }));
    await server.listen();
    const said = countdown(1);
    const log = {
      ...silentLog,
      warn: (fields: object) =>
        void (JSON.stringify(fields).includes('claims 4294967295 bytes') && said.hit()),
    };
    const client = createTraversalClient(
      clientOptions(zoneOf(pair, CORE), { ssh: server.port, sip: 1 }, atCore, { log }),
    );
    closers.push(
      () => server.close(),
      () => client.close('test over'),
    );
    const counted = atCore.next('count control-broken frame-length');
    client.start();
    await counted;
    await said.done;
    expect(client.edges()).toEqual([]);
  });

  it('by a flood of requests whose answers it does not read loses the link, not our memory', async () => {
    const { pair, server, atEdge } = await startEdge({ controlHandlers: { big: () => 'x'.repeat(60_000) } });
    const link = await connectSsh(sshClientOptions(zoneOf(pair, CORE), server.addresses().ssh));
    const broken = atEdge.next('count control-broken overrun');
    const hello = { protocol: 1, name: CORE, software: '', configHash: '', wallTimeMs: 0 };
    link.control.write(printFrame({ v: 1, kind: 'notify', id: 0, type: 'hello', body: hello }));
    for (let id = 1; id < 500; id += 1)
      link.control.write(printFrame({ v: 1, kind: 'request', id, type: 'big', body: 1 }));
    await broken; // this side never reads: the window fills, then the queue of the control channel
    link.close('test over');
  });

  it('by connecting again replaces its older connection', async () => {
    const { pair, server, atEdge } = await cabledPair();
    const twin = createTraversalClient(clientOptions(zoneOf(pair, CORE), server.addresses(), new Recorder()));
    closers.push(() => twin.close('test over'));
    const replaced = atEdge.next(`down ${CORE}: replaced by a newer connection`);
    twin.start();
    await replaced;
    expect(server.cores().length).toBeLessThanOrEqual(1);
  });
});

async function startEdge(change: Change['server'] = {}) {
  const pair = await pairForTest();
  const atEdge = new Recorder();
  const server = createTraversalServer(serverOptions(zoneOf(pair, EDGE), atEdge, change));
  await server.listen();
  closers.push(() => server.close('test over'));
  return { pair, server, atEdge };
}

function countdown(times: number) {
  let left = times;
  let done = (): void => {};
  const promise = new Promise<void>((resolve) => (done = resolve));
  return { hit: () => void ((left -= 1) === 0 && done()), done: promise };
}
