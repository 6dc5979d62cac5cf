// What a suite needs of the machine: root for namespaces, and programs from Debian. A suite that cannot run is
// skipped, and the reason is a sentence.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const FOLDERS = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin'];

function found(program: string): boolean {
  return FOLDERS.some((folder) => folder !== '' && existsSync(path.join(folder, program)));
}

function namespacesAllowed(): boolean {
  return spawnSync('unshare', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
}

/** Why a suite that needs these programs cannot run here; undefined when it can. */
export function whyNot(programs: readonly string[]): string | undefined {
  if (process.platform !== 'linux') return `needs Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'needs root to make network namespaces';
  const missing = ['ip', ...programs].filter((program) => !found(program));
  if (missing.length > 0)
    return `not installed: ${missing.join(', ')} (run node scripts/install-test-peers.mjs)`;
  if (!namespacesAllowed()) return 'this machine does not allow network namespaces';
  return undefined;
}

/** Says on the terminal why a suite is skipped, and returns whether it can run. */
export function canRun(suite: string, programs: readonly string[]): boolean {
  const reason = whyNot(programs);
  if (reason !== undefined) process.stderr.write(`skipped: ${suite}: ${reason}\n`);
  return reason === undefined;
}

/** The folder of Kamailio's modules; it differs by architecture. */
export function kamailioModules(): string {
  const listing = execFileSync('dpkg', ['-L', 'kamailio'], { encoding: 'utf8' });
  const file = listing.split('\n').find((line) => line.endsWith('/kamailio/modules/tm.so'));
  if (file === undefined) throw new Error('the kamailio package has no tm.so');
  return `${path.dirname(file)}/`;
}
