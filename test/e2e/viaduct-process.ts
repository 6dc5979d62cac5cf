// `viaduct edge` or `viaduct core` as a process of its own: started from its file, asked on its admin listener, stopped,
// frozen and killed by its pid.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readPlanes } from '../../lab/process-status.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';

/** The command that an operator has in the path. */
export const LAUNCHER = fileURLToPath(new URL('../../bin/viaduct.mjs', import.meta.url));

export interface ViaductProcessOptions {
  readonly role: 'edge' | 'core';
  readonly file: string;
  /** Base URL of its admin listener. */
  readonly admin: string;
  /** Words before the command. */
  readonly inside: readonly string[];
  readonly environment: Record<string, string>;
}

export class ViaductProcess {
  readonly #keeper: ProcessKeeper;
  readonly #options: ViaductProcessOptions;
  #process: StartedProcess | undefined;

  constructor(keeper: ProcessKeeper, options: ViaductProcessOptions) {
    this.#keeper = keeper;
    this.#options = options;
  }

  /** Starts it; resolves once its admin listener answers, which opens last. */
  async start(): Promise<void> {
    this.launch();
    await until(`${this.#options.role} answers`, async () => (await this.page('/status')) !== undefined, {
      deadlineMs: 20_000,
      detail: () => this.log(20),
    });
  }

  /** Starts it and waits for nothing. */
  launch(): StartedProcess {
    const { role, file, inside, environment } = this.#options;
    this.#process = this.#keeper.start([process.execPath, LAUNCHER, role, file], {
      name: role,
      inside,
      env: environment,
    });
    return this.#process;
  }

  get pid(): number {
    return this.#process?.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#process?.running === true;
  }

  /** SIGKILL: no word to anyone. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL');
  }

  /** SIGTERM: it closes in order. */
  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM', 8_000);
  }

  /** Stops it without closing anything: its peer sees a connection that has gone quiet. */
  freeze(): void {
    this.#process?.signalGroup('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signalGroup('SIGCONT');
  }

  log(lines = 60): string {
    return this.#process?.tail(lines) ?? '';
  }

  output(): string {
    return this.#process?.output() ?? '';
  }

  /** A page of the admin listener as text; undefined while nobody answers. */
  async page(name: '/status' | '/health' | '/metrics'): Promise<string | undefined> {
    if (this.#process !== undefined && !this.isRunning)
      throw new Error(`${this.#options.role} ended:\n${this.log()}`);
    try {
      const answer = await fetch(this.#options.admin + name, { signal: AbortSignal.timeout(2_000) });
      return await answer.text();
    } catch {
      return undefined;
    }
  }

  /** The status document; empty while nobody answers. */
  async status(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.page('/status')) ?? '{}') as Record<string, unknown>;
  }

  /** Cause of each plane that is not up, `https: …`; empty when all are. */
  async complaints(): Promise<string[]> {
    const planes = readPlanes(await this.status());
    return planes.filter(({ state }) => state !== 'up').map(({ name, cause }) => `${name}: ${cause}`);
  }

  async isLinked(): Promise<boolean> {
    const planes = readPlanes(await this.status());
    return planes.length > 0 && planes.every(({ state }) => state === 'up');
  }

  /** Sum of the counters whose line holds all these words. */
  async counted(...words: readonly string[]): Promise<number> {
    const lines = ((await this.page('/metrics')) ?? '').split('\n');
    const rows = lines.filter((line) => !line.startsWith('#') && words.every((word) => line.includes(word)));
    return rows.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Resident memory in bytes, as the kernel counts it. */
  residentBytes(): number {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
    return Number(kib) * 1024;
  }
}
