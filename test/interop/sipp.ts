// Debian's SIPp 3.6.1 as a scripted phone. It has no TLS, so stunnel stands before it outside; inside it speaks TCP.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Namespace } from '../topology/network.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';
import { scenarioXml } from './dialogue.ts';
import { passwordOf } from './kamailio.ts';

export interface SippOptions {
  readonly folder: string;
  readonly at: Namespace;
  /** Its own address, and where to connect to (`host:port`); a script that waits for requests has no `towards`. */
  readonly address: string;
  readonly port: number;
  readonly towards?: string;
  /** File name in `scenarios/`, without `.txt`. */
  readonly scenario: string;
  /** Who it is, and the registrar's name: `[user]` and `[ucm]` in the text. */
  readonly user: string;
  readonly domain: string;
  /** How often the dialogue is held, up to five at a time; once unless said. */
  readonly calls?: number;
  /** The Route it was told to use, as `[edge_route]`. */
  readonly route?: string;
}

/** One run of one scenario. */
export class SippRun {
  readonly process: StartedProcess;
  readonly #folder: string;

  constructor(process: StartedProcess, folder: string) {
    this.process = process;
    this.#folder = folder;
  }

  /** Resolves when the dialogue went as written; rejects with SIPp's own account when it did not. */
  async finished(): Promise<void> {
    const how = await this.process.ended;
    if (how !== 0) throw new Error(`${this.process.name} ended with ${how}:\n${this.trace()}`);
  }

  /** Errors and the messages as they were on the wire. */
  trace(): string {
    const files = readdirSync(this.#folder).filter((name) => name.endsWith('.log'));
    return files
      .map((name) => `${name}:\n${readFileSync(path.join(this.#folder, name), 'utf8').slice(-12_000)}`)
      .join('\n');
  }
}

/** Starts one dialogue; a script that waits for requests listens when this resolves. */
export async function startSipp(keeper: ProcessKeeper, options: SippOptions): Promise<SippRun> {
  const folder = path.join(options.folder, `sipp-${options.scenario}-${options.port}`);
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'scenario.xml');
  writeFileSync(file, scenarioXml(options.scenario));
  const words = [
    'sipp',
    ...(options.towards === undefined ? [] : [options.towards]),
    ...pairs({
      '-sf': file,
      '-t': 't1',
      '-m': String(options.calls ?? 1),
      '-l': '5',
      '-r': '20',
      '-timeout': '30',
      '-i': options.address,
      '-p': String(options.port),
      '-cid_str': '%u-%p@%s',
      '-error_file': path.join(folder, 'errors.log'),
      '-message_file': path.join(folder, 'messages.log'),
    }),
    ...Object.entries({ user: options.user, ucm: options.domain, edge_route: options.route ?? '' }).flatMap(
      ([key, value]) => ['-key', key, value],
    ),
    ...pairs({ '-au': options.user, '-ap': passwordOf(options.user), '-auth_uri': options.domain }),
    '-nostdin',
    '-timeout_error',
    '-trace_err',
    '-trace_msg',
  ];
  const inside = options.at.exec;
  const started = keeper.start(words, {
    inside,
    cwd: folder,
    name: `sipp-${options.scenario}`,
    env: { TERM: 'dumb' },
  });
  if (options.towards === undefined) await listening(options);
  return new SippRun(started, folder);
}

function pairs(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).flat();
}

async function listening(options: SippOptions): Promise<void> {
  const filter = ['ss', '-Hltn', `sport = :${options.port}`];
  await until(`SIPp listens on ${options.port}`, () => options.at.run(...filter).includes(options.address));
}

/** stunnel as a TLS client: plain TCP in, TLS to `connect` out, with the peer's name checked. */
export async function startStunnel(
  keeper: ProcessKeeper,
  options: {
    folder: string;
    at: Namespace;
    accept: string;
    connect: string;
    checkHost: string;
    authority: string;
  },
): Promise<StartedProcess> {
  const file = path.join(options.folder, `stunnel.conf`);
  writeFileSync(
    file,
    `foreground = yes\npid =\ndebug = notice\n[sip]\nclient = yes\naccept = ${options.accept}\n` +
      `connect = ${options.connect}\nverifyChain = yes\ncheckHost = ${options.checkHost}\nCAfile = ${options.authority}\n`,
  );
  const stunnel = keeper.start(['stunnel', file], { inside: options.at.exec, name: 'stunnel' });
  await stunnel.said(/Configuration successful/);
  return stunnel;
}
