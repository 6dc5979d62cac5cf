// `viaduct capture CALL`: packets of a call at a running core as a pcap file, from its admin listener. Off unless the
// configuration allows it; core logs who asked.
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import type { Terminal } from './main.ts';

interface CaptureFlags {
  readonly url: string;
  readonly seconds: string;
  readonly decrypted?: boolean;
  readonly out: string;
}

/** Adds `capture`. */
export function addCaptureCommand(program: Command, terminal: Terminal): void {
  program
    .command('capture')
    .description(
      'keep packets of a call at core for some seconds, as a file for Wireshark (admin.capture-media)',
    )
    .argument('<call>', 'Call-ID, as `viaduct status` lists it')
    .option('--seconds <n>', 'how long, 1 to 60', '10')
    .option('--decrypted', 'without the encryption of the client: speech can be heard from the file')
    .option('--out <file>', 'where to', 'call.pcap')
    .option('--url <url>', 'admin listener of the core', 'http://127.0.0.1:8090/')
    .action(async (call: string, { url, seconds, decrypted, out }: CaptureFlags) => {
      if (!URL.canParse(url)) throw new Error(`${url} is no URL, such as http://127.0.0.1:8090/`);
      const target = new URL('/capture', url);
      const view = decrypted === true ? 'plain' : 'wire';
      for (const [name, value] of Object.entries({ call, view, seconds, by: userInfo().username }))
        target.searchParams.set(name, value);
      const options = { method: 'POST', headers: { 'X-Viaduct': 'capture' } };
      const response = await fetch(target, options).catch((cause: unknown) => {
        throw new Error(`nothing answers at ${url}: is core running, and is this its admin address?`, {
          cause,
        });
      });
      if (!response.ok) throw new Error((await response.text()).trim());
      const file = Buffer.from(await response.arrayBuffer());
      await writeFile(out, file, { mode: 0o600 });
      terminal.print(`${out}: ${file.length} bytes`);
    });
}
