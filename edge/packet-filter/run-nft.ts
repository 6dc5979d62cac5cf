// Runs `nft -j -f -` with a transaction on its standard input. No shell, no argument that comes from outside, a fixed
// path and environment, a deadline. What it says on failure is turned into what the operator can do.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Done, or why not, in words. */
export type NftResult = { readonly ok: true } | { readonly ok: false; readonly words: string };
export type RunNft = (input: string) => Promise<NftResult>;

const environment = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin', LC_ALL: 'C' };
const maxWords = 300;

/** Runs the program; never rejects. */
export function createRunNft(timeoutMs: number): RunNft {
  return (input) =>
    new Promise((resolve) => {
      const child = spawn('nft', ['-j', '-f', '-'], {
        env: environment,
        stdio: ['pipe', 'ignore', 'pipe'],
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        if (said.length < maxWords) said += text;
      });
      child.stdin.on('error', () => undefined); // told again by 'close'
      child.once('error', (error: NodeJS.ErrnoException) => {
        const words =
          error.code === 'ENOENT' ? 'nft is not installed (package nftables)' : String(error.message);
        resolve({ ok: false, words });
      });
      child.once('close', (code, signal) => {
        if (code === 0) return resolve({ ok: true });
        const words =
          signal === null ? said.trim().slice(0, maxWords) : `nft did not end within ${timeoutMs} ms`;
        resolve({ ok: false, words: hasNetAdmin() ? words : missingCapability });
      });
      child.stdin.end(input);
    });
}

const missingCapability =
  'edge lacks the right to change the packet filter: run it with CAP_NET_ADMIN as an ambient capability (systemd: AmbientCapabilities=CAP_NET_ADMIN)';

/** CAP_NET_ADMIN is bit 12 (capabilities(7)); a child inherits it from the ambient set, or from root. */
function hasNetAdmin(): boolean {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const of = (name: string): bigint =>
      BigInt(`0x${new RegExp(`${name}:\\s*([0-9a-f]+)`).exec(status)?.[1] ?? '0'}`);
    const held = process.getuid?.() === 0 ? of('CapEff') : of('CapAmb');
    return ((held >> 12n) & 1n) === 1n;
  } catch {
    return true;
  }
}
