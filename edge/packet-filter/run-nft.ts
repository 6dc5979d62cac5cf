// Runs `nft -j -f -` with a transaction on its standard input. No shell, no argument that comes from outside, a fixed
// path and environment, a deadline. Standard input is a nameless file: nft opens /dev/stdin by name, which cannot be done
// with the socket that Node makes of a pipe. What it says on failure is turned into what the operator can do.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Done, or why not, in words. */
export type NftResult = { readonly ok: true } | { readonly ok: false; readonly words: string };
export type RunNft = (input: string) => Promise<NftResult>;

const environment = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin', LC_ALL: 'C' };
const maxWords = 300;

/** Runs the program; never rejects. */
export function createRunNft(timeoutMs: number): RunNft {
  return async (input) => {
    try {
      const file = openNameless(input);
      try {
        return await runWith(file, timeoutMs);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      return { ok: false, words: `nothing can be handed to nft: ${String(error)}` };
    }
  };
}

/** A file that holds `text`, that nobody else can open and that is gone with its descriptor. */
function openNameless(text: string): number {
  const name = path.join(tmpdir(), `viaduct-nft-${randomUUID()}`);
  const file = openSync(name, 'wx+', 0o600);
  unlinkSync(name);
  writeSync(file, text);
  return file;
}

function runWith(file: number, timeoutMs: number): Promise<NftResult> {
  return new Promise((resolve) => {
    const child = spawn('nft', ['-j', '-f', '-'], {
      env: environment,
      stdio: [file, 'ignore', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < maxWords) said += text;
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const words = error.code === 'ENOENT' ? 'nft is not installed (package nftables)' : error.message;
      resolve({ ok: false, words });
    });
    child.once('close', (code, signal) => {
      if (code === 0) return resolve({ ok: true });
      const words =
        signal === null ? said.trim().slice(0, maxWords) : `nft did not end within ${timeoutMs} ms`;
      resolve({ ok: false, words: hasNetAdmin() ? words : missingCapability });
    });
  });
}

const missingCapability =
  'edge lacks the right to change the packet filter: run it with CAP_NET_ADMIN as an ambient capability (systemd: AmbientCapabilities=CAP_NET_ADMIN)';

/** CAP_NET_ADMIN is bit 12 (capabilities(7)); a child inherits it from the ambient set, or from root. */
function hasNetAdmin(): boolean {
  try {
    const status = readFileSync('/proc/self/status', 'utf8');
    const field = process.getuid?.() === 0 ? 'CapEff' : 'CapAmb';
    const held = new RegExp(`${field}:\\s*([0-9a-f]+)`).exec(status)?.[1] ?? '0';
    return ((BigInt(`0x${held}`) >> 12n) & 1n) === 1n;
  } catch {
    return true;
  }
}
