// Profanity from Debian, a chat client for terminals, used as a person uses it: typed into and read from, through tmux.
// It trusts the test's authority by OpenSSL's own variable and refuses every other certificate.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProcessKeeper } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';

export interface ProfanityOptions {
  readonly folder: string;
  /** `user@domain`. */
  readonly jid: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  /** File with the PEM of the authority that its server's certificate is of. */
  readonly authorityFile: string;
  /** Words before the command, such as `ip netns exec <name>`. */
  readonly inside?: readonly string[];
}

/** A running Profanity. */
export class Profanity {
  readonly #tmux: (...words: readonly string[]) => string;

  constructor(tmux: (...words: readonly string[]) => string) {
    this.#tmux = tmux;
  }

  /** Types a line. */
  type(line: string): void {
    this.#tmux('send-keys', '-l', line);
    this.#tmux('send-keys', 'Enter');
  }

  /** What its window shows. */
  screen(): string {
    return this.#tmux('capture-pane', '-p').replace(/\n+$/, '');
  }

  /** Waits until the window shows it. */
  async shows(pattern: RegExp): Promise<void> {
    await until(`Profanity shows ${String(pattern)}`, () => pattern.test(this.screen()), {
      everyMs: 50,
      detail: () => this.screen(),
    });
  }
}

/** Starts it; it signs in at once. */
export async function startProfanity(keeper: ProcessKeeper, options: ProfanityOptions): Promise<Profanity> {
  const { jid, password, host, port, authorityFile } = options;
  const home = path.join(options.folder, `profanity-${jid}`);
  const [config, data] = [path.join(home, 'config'), path.join(home, 'data')];
  for (const folder of [config, data]) mkdirSync(path.join(folder, 'profanity'), { recursive: true });
  const account = {
    enabled: true,
    jid,
    server: host,
    port,
    resource: 'terminal',
    password,
    'tls.policy': 'force',
  };
  const lines = Object.entries(account).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(path.join(data, 'profanity', 'accounts'), `[work]\n${lines.join('')}`);
  const socket = path.join(home, 'tmux');
  const env = {
    HOME: home,
    XDG_CONFIG_HOME: config,
    XDG_DATA_HOME: data,
    SSL_CERT_FILE: authorityFile,
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
  };
  const base = ['-S', socket, '-f', '/dev/null'];
  const tmux = (...words: readonly string[]): string =>
    execFileSync('tmux', ['-N', ...base, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, ...env },
    });
  keeper.start(['tmux', ...base, '-D'], { env, inside: options.inside ?? [] });
  const command = ['profanity', '-l', 'INFO', '-f', path.join(home, 'profanity.log'), '-a', 'work'];
  await until('tmux takes orders', () => {
    try {
      tmux('new-session', '-d', '-x', '160', '-y', '50', ...command);
      return true;
    } catch {
      return false;
    }
  });
  return new Profanity(tmux);
}
