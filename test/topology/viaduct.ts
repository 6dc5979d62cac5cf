// Edge and core as an operator would run them: paired by `viaduct pair`, configured by files, started by the command.
// What they say of themselves comes from their own /status.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { ADDRESS, CORE_NAME, DOMAIN, EDGE_NAME, MEDIA_PORTS, UCM_NAME } from './addresses.ts';
import type { Namespace } from './network.ts';
import type { ProcessKeeper, StartedProcess } from './process-keeper.ts';
import { until } from './until.ts';

const COMMAND = fileURLToPath(new URL('../../bin/viaduct.mjs', import.meta.url));
const ADMIN = 'http://127.0.0.1:8090';

export interface PairFiles {
  readonly edge: string;
  readonly core: string;
}

/** Whose certificates the pair is given. */
export interface PairCertificates {
  readonly edge: { readonly chain: string; readonly key: string };
  /** PEM of the authority that signed the inside node. */
  readonly insideAuthority: string;
}

/** What a suite wants different in core's file: keys of `unified-cm[0]` and its `sip`, of `sip`, of `media`, of `xmpp`, and where state is kept. */
export interface CoreChanges {
  readonly stateDirectory?: string;
  readonly node?: Readonly<Record<string, unknown>>;
  readonly media?: Readonly<Record<string, unknown>>;
  readonly nodeSip?: Readonly<Record<string, unknown>>;
  readonly sip?: Readonly<Record<string, unknown>>;
  readonly xmpp?: Readonly<Record<string, unknown>>;
}

/** Pairs an edge and a core with the command and writes their configuration beside the zone files. */
export async function writePairFiles(
  keeper: ProcessKeeper,
  folder: string,
  certificates: PairCertificates,
  coreChanges: CoreChanges = {},
  edgeChanges: object = {},
): Promise<PairFiles> {
  const pair = path.join(folder, 'pair');
  mkdirSync(pair, { recursive: true });
  const edge = `${EDGE_NAME}=${ADDRESS.edgeInternal}`;
  await keeper.run(
    [
      process.execPath,
      COMMAND,
      'pair',
      '--zone',
      'inside',
      '--edge',
      edge,
      '--core',
      CORE_NAME,
      '--out',
      pair,
    ],
    {
      name: 'pair',
    },
  );
  const files = { edge: path.join(folder, 'edge.yaml'), core: path.join(folder, 'core.yaml') };
  writeFileSync(files.edge, stringify({ ...edgeSettings(folder, pair, certificates), ...edgeChanges }));
  writeFileSync(files.core, stringify(coreSettings(folder, pair, certificates, coreChanges)));
  await keeper.run([process.execPath, COMMAND, 'check', files.edge, files.core], { name: 'check' });
  return files;
}

function edgeSettings(folder: string, pair: string, certificates: PairCertificates): Record<string, unknown> {
  return {
    edge: { name: EDGE_NAME },
    zones: [path.join(pair, `${EDGE_NAME}.zone.yaml`)],
    listen: { external: ADDRESS.edgeExternal, internal: ADDRESS.edgeInternal },
    announce: ADDRESS.edgePublic,
    certificate: { chain: `file:${certificates.edge.chain}`, key: `file:${certificates.edge.key}` },
    media: { ports: `${MEDIA_PORTS.first}-${MEDIA_PORTS.last}` },
    log: { level: 'debug' },
  };
}

function coreSettings(
  folder: string,
  pair: string,
  certificates: PairCertificates,
  changes: CoreChanges,
): object {
  return {
    core: { name: CORE_NAME },
    zones: [path.join(pair, `${CORE_NAME}.zone.yaml`)],
    domains: [{ name: DOMAIN }],
    'unified-cm': [
      {
        publisher: UCM_NAME,
        authority: `file:${certificates.insideAuthority}`,
        sip: { ...changes.nodeSip },
        ...changes.node,
      },
    ],
    sip: { address: ADDRESS.core, ...changes.sip },
    xmpp: { ...changes.xmpp },
    media: { ...changes.media },
    'state-directory': changes.stateDirectory ?? path.join(folder, 'core-state'),
    log: { level: 'debug' },
  };
}

/** One of the two processes: start it, ask it, kill it. */
export class ViaductProcess {
  readonly role: 'edge' | 'core';
  readonly at: Namespace;
  readonly #keeper: ProcessKeeper;
  readonly #file: string;
  #process: StartedProcess | undefined;

  constructor(keeper: ProcessKeeper, role: 'edge' | 'core', at: Namespace, file: string) {
    this.#keeper = keeper;
    this.role = role;
    this.at = at;
    this.#file = file;
  }

  /** Starts it and waits until its admin listener answers. */
  async start(): Promise<void> {
    this.#process = this.#keeper.start([process.execPath, COMMAND, this.role, this.#file], {
      inside: this.at.exec,
      name: this.role,
    });
    await until(`${this.role} answers /status`, async () => (await this.ask('/status')) !== undefined, {
      deadlineMs: 15_000,
      everyMs: 50,
      detail: () => this.log(40),
    });
  }

  /** SIGKILL: no word to anyone. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  get pid(): number {
    return this.#process?.pid ?? -1;
  }

  get running(): boolean {
    return this.#process?.running === true;
  }

  /** The last lines of its log. */
  log(lines = 80): string {
    return this.#process?.tail(lines) ?? '';
  }

  output(): string {
    return this.#process?.output() ?? '';
  }

  /** An admin page as text; undefined when nobody answers. */
  async ask(page: '/status' | '/health' | '/metrics'): Promise<string | undefined> {
    if (this.#process !== undefined && !this.running) throw new Error(`${this.role} ended:\n${this.log()}`);
    const curl = ['curl', '--silent', '--fail', '--max-time', '2', `${ADMIN}${page}`];
    try {
      return await this.#keeper.run(curl, { inside: this.at.exec, name: 'ask' });
    } catch {
      return undefined;
    }
  }

  /** What it says of each plane of each link (`up`, `down` …) with the cause in words; empty while nobody answers. */
  async planes(): Promise<readonly PlaneState[]> {
    const status = JSON.parse((await this.ask('/status')) ?? '{}') as {
      zones?: { planes: Record<string, { state: string; cause?: string }> }[];
    };
    return (status.zones ?? []).flatMap(({ planes }) =>
      Object.entries(planes).map(([plane, { state, cause }]) => ({ plane, state, cause: cause ?? '' })),
    );
  }

  /** True when every plane of every link is up. */
  async linked(): Promise<boolean> {
    const planes = await this.planes();
    return planes.length > 0 && planes.every(({ state }) => state === 'up');
  }
}

/** One plane of one link as a process sees it. */
export interface PlaneState {
  readonly plane: string;
  readonly state: string;
  readonly cause: string;
}
