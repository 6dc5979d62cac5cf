// Both packet engines in a namespace of their own whose interface goes down and comes back, whose address is taken away
// and given again, to which datagrams come from port 0. Marks of packets are what the kernel on the other side counts.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadBinding } from '../../media/native/binding.ts';
import type { EngineEvent, FlowCounters } from '../../media/index.ts';
import type { FaultOrder, FaultReport } from './engine-under-fault.ts';
import type { PeerReport, PeerTask } from './media-peer.ts';
import { Network, type Namespace } from './network.ts';
import { canRun } from './requirements.ts';

const HERE = '10.99.1.1';
const THERE = '10.99.1.2';
const COMPILER = '/usr/bin/gcc';
const ready = canRun('media engine and interfaces that go down', ['nft']) && existsSync(COMPILER);
const missing = 'missing' in loadBinding();
if (missing) process.stderr.write('skipped: native media engine under faults: it was not built\n');
const KINDS: readonly FaultOrder['engine'][] = missing ? ['portable'] : ['native', 'portable'];

const children: ChildProcess[] = [];
let folder: string;
let network: Network;
let inside: Namespace;
let outside: Namespace;

function start(
  at: Namespace,
  file: string,
  argument: string,
  onReport: (report: object) => void,
): ChildProcess {
  const [program = '', ...args] = at.exec;
  const script = [process.execPath, path.join(import.meta.dirname, file), argument];
  const child = spawn(program, [...args, ...script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.on('message', (report) => onReport(report as object));
  children.push(child);
  return child;
}

/** The engine and the two ends of its calls, at work. */
class Stage {
  readonly events: EngineEvent[] = [];
  readonly came = [0, 0];
  ports: readonly number[] = [];
  #counters: readonly FlowCounters[] = [];
  #peerPorts: readonly number[] = [];
  #engine: ChildProcess | undefined;
  #peer: ChildProcess | undefined;

  async open(engine: FaultOrder['engine']): Promise<void> {
    this.#peer = start(outside, 'media-peer.ts', THERE, (message) => {
      const report = message as PeerReport;
      if ('ports' in report) this.#peerPorts = report.ports;
      else this.came[report.came]! += 1;
    });
    await expect.poll(() => this.#peerPorts.length, { interval: 10, timeout: 10_000 }).toBe(2);
    const ports = [this.#peerPorts[0]!, this.#peerPorts[1]!] as const;
    const order: FaultOrder = { engine, address: HERE, peer: THERE, ports };
    this.#engine = start(inside, 'engine-under-fault.ts', JSON.stringify(order), (message) => {
      const report = message as FaultReport;
      if ('ports' in report) this.ports = report.ports;
      else if ('event' in report) this.events.push(report.event);
      else this.#counters = report.counters;
    });
    await expect.poll(() => this.ports.length, { interval: 10, timeout: 10_000 }).toBe(2);
  }

  send(): void {
    this.#peer?.send({ host: HERE, targets: this.ports } satisfies PeerTask);
  }

  /** Sends until both calls are heard at their other end. */
  async flows(): Promise<void> {
    const before = [...this.came];
    await expect
      .poll(() => (this.send(), this.came.every((count, index) => count > before[index]!)), {
        interval: 20,
        timeout: 10_000,
      })
      .toBe(true);
  }

  async counters(): Promise<readonly FlowCounters[]> {
    this.#counters = [];
    this.#engine?.send('counters');
    await expect.poll(() => this.#counters.length, { interval: 5 }).toBe(2);
    return this.#counters;
  }
}

describe.skipIf(!ready)('media engines under faults', () => {
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'viaduct-faults-'));
    execFileSync(COMPILER, ['-o', path.join(folder, 'forge'), path.join(import.meta.dirname, 'forge-udp.c')]);
    network = new Network('faults');
    [inside, outside] = [network.namespace('inside'), network.namespace('outside')];
    network.join(
      { at: inside, device: 'eth0', address: `${HERE}/24` },
      { at: outside, device: 'eth0', address: `${THERE}/24` },
    );
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  afterAll(() => {
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  describe.each(KINDS)('%s engine', (kind) => {
    test('the interface goes down and up: told by name, both calls go on', async () => {
      const stage = new Stage();
      await stage.open(kind);
      await stage.flows();
      for (let times = 0; times < 2; times++) {
        inside.run('ip', 'link', 'set', 'eth0', 'down');
        stage.send();
        inside.run('ip', 'link', 'set', 'eth0', 'up');
        await stage.flows();
      }
      expect(stage.events.filter(({ type }) => type === 'shard')).toEqual([]);
    });

    test('its route is gone while packets come: the errno is told, then all is well again', async () => {
      const stage = new Stage();
      await stage.open(kind);
      await stage.flows();
      inside.run('ip', 'route', 'del', '10.99.1.0/24');
      const told = (): unknown => (stage.send(), stage.events.find(({ type }) => type === 'port-failed'));
      await expect.poll(told, { interval: 20, timeout: 10_000 }).toMatchObject({ code: 'ENETUNREACH' });
      inside.run('ip', 'route', 'add', '10.99.1.0/24', 'dev', 'eth0', 'src', HERE);
      await stage.flows();
    });

    test('its address is taken away and given back: the calls go on', async () => {
      const stage = new Stage();
      await stage.open(kind);
      await stage.flows();
      inside.run('ip', 'addr', 'del', `${HERE}/24`, 'dev', 'eth0');
      stage.send();
      inside.run('ip', 'addr', 'add', `${HERE}/24`, 'dev', 'eth0');
      await stage.flows();
    });

    test('a datagram from port 0 is dropped as it comes', async () => {
      const stage = new Stage();
      await stage.open(kind);
      const forge = (from: string): void =>
        void outside.run(path.join(folder, 'forge'), THERE, from, HERE, String(stage.ports[0]));
      forge('0');
      forge('9999');
      await expect.poll(async () => (await stage.counters())[0]!.packetsIn, { interval: 20 }).toBe(1);
      expect(stage.events.filter(({ type }) => type === 'source')).toMatchObject([
        { source: { address: THERE, port: 9999 } },
      ]);
    });
  });

  test.skipIf(missing)('packets bear the marks of their calls', async () => {
    const rules = ['ef', 'af41', 'cs0'].map((mark) => `ip dscp ${mark} udp length 180 counter`).join('\n');
    const chain = `chain in { type filter hook input priority 0;\n${rules}\n}\n`;
    outside.feed(`table inet marks {\n${chain}}\n`, 'nft', '-f', '-');
    const stage = new Stage();
    await stage.open('native');
    await stage.flows();
    const counted = outside.run('nft', 'list', 'table', 'inet', 'marks');
    outside.run('nft', 'delete', 'table', 'inet', 'marks');
    expect(counted).toMatch(/dscp ef .* packets [1-9]/);
    expect(counted).toMatch(/dscp af41 .* packets [1-9]/);
    expect(counted).toMatch(/dscp cs0 .* packets 0 /);
  });
});
