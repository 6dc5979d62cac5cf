// Network namespaces of one test run: made, joined by veth pairs, given names by /etc/netns, removed at the end and
// after a crash of an earlier run. No interface, address or packet ever exists in the machine's own namespace,
// so runs beside each other cannot meet.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onLastWords } from './last-words.ts';

const PREFIX = 'vdt';

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function removeNamespace(name: string): void {
  try {
    ip('netns', 'del', name);
  } catch {
    // Gone already.
  }
  rmSync(path.join('/etc/netns', name), { recursive: true, force: true });
}

/** Ends what still runs in a namespace of ours whose test is gone: nobody else ever starts anything there. */
function endInhabitants(name: string): void {
  try {
    const pids = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
    for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
  } catch {
    // The namespace or the process is gone already.
  }
}

/** Removes what runs left behind whose process is gone; the pid is part of each name. */
function removeOrphans(): void {
  const names = ['/run/netns', '/etc/netns'].flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder) : [],
  );
  for (const name of new Set(names)) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    endInhabitants(name);
    removeNamespace(name);
  }
}

/** One namespace. `exec` are the words that run a command in it. */
export class Namespace {
  readonly name: string;
  readonly exec: readonly string[];
  #links = 0;

  constructor(name: string) {
    this.name = name;
    this.exec = ['ip', 'netns', 'exec', name];
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }

  /** Runs a short command inside and returns what it printed; throws when it fails. */
  run(...command: string[]): string {
    const [program = '', ...args] = [...this.exec, ...command];
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Feeds `input` to a short command inside. */
  feed(input: string, ...command: string[]): string {
    const [program = '', ...args] = [...this.exec, ...command];
    return execFileSync(program, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  }

  address(device: string, address: string): void {
    ip('-n', this.name, 'addr', 'add', address, 'dev', device);
  }

  route(destination: string, via: string): void {
    ip('-n', this.name, 'route', 'add', destination, 'via', via);
  }

  forwardPackets(): void {
    this.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
  }

  /** A bridge named `device` with an address; interfaces join it through `Network.join`'s `bridge`. */
  bridge(device: string, address: string): void {
    ip('-n', this.name, 'link', 'add', device, 'type', 'bridge');
    ip('-n', this.name, 'link', 'set', device, 'up');
    this.address(device, address);
  }

  /** What this namespace resolves names by; both files exist only for commands run inside. */
  names(files: { nameserver?: string; hosts?: Readonly<Record<string, string>> }): void {
    const folder = path.join('/etc/netns', this.name);
    mkdirSync(folder, { recursive: true });
    const server =
      files.nameserver === undefined ? '' : `nameserver ${files.nameserver}\noptions timeout:2 attempts:2\n`;
    writeFileSync(path.join(folder, 'resolv.conf'), server);
    const hosts = Object.entries({ localhost: '127.0.0.1', ...files.hosts });
    writeFileSync(
      path.join(folder, 'hosts'),
      hosts.map(([name, address]) => `${address} ${name}\n`).join(''),
    );
  }

  nextDevice(): string {
    return `eth${this.#links++}`;
  }
}

/** One end of a link: where it is, its address with prefix length, or the bridge it joins. */
export interface LinkEnd {
  readonly at: Namespace;
  readonly device?: string;
  readonly address?: string;
  readonly bridge?: string;
}

/** All namespaces of one run. */
export class Network {
  readonly #namespaces: Namespace[] = [];
  readonly #forget: () => void;
  readonly #label: string;

  /** `label` tells two networks of one process apart. */
  constructor(label: string) {
    this.#label = label;
    removeOrphans();
    this.#forget = onLastWords(() => this.#removeAll());
  }

  namespace(name: string): Namespace {
    const made = new Namespace(`${PREFIX}${process.pid}-${this.#label}-${name}`);
    this.#namespaces.push(made);
    return made;
  }

  /** Joins two namespaces by a veth pair. */
  join(left: LinkEnd, right: LinkEnd): void {
    const ends = [left, right].map((end) => ({ ...end, device: end.device ?? end.at.nextDevice() }));
    const [a, b] = ends as [(typeof ends)[0], (typeof ends)[0]];
    ip(
      'link',
      'add',
      a.device,
      'netns',
      a.at.name,
      'type',
      'veth',
      'peer',
      'name',
      b.device,
      'netns',
      b.at.name,
    );
    for (const end of ends) {
      if (end.bridge !== undefined) ip('-n', end.at.name, 'link', 'set', end.device, 'master', end.bridge);
      if (end.address !== undefined) end.at.address(end.device, end.address);
      ip('-n', end.at.name, 'link', 'set', end.device, 'up');
    }
  }

  remove(): void {
    this.#removeAll();
    this.#forget();
  }

  #removeAll(): void {
    for (const one of this.#namespaces.splice(0)) removeNamespace(one.name);
  }
}
