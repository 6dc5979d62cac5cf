// Before anything starts: is every port of the plan free, and if not, who has it? The owner is looked up in
// Linux's /proc, as far as this user may read it; elsewhere the answer is only "in use".
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { type LabPort } from './address-plan.ts';

/** A sentence for each port that cannot be opened; empty when all are free. */
export async function findTakenPorts(ports: readonly LabPort[]): Promise<string[]> {
  const results = await Promise.all(ports.map(async (row) => ({ row, code: await tryPort(row) })));
  return results.flatMap(({ row, code }) => (code === undefined ? [] : [explain(row, code)]));
}

function explain(row: LabPort, code: string): string {
  const what = `${row.address}:${row.port}/${row.transport} (for ${row.owner})`;
  if (code !== 'EADDRINUSE') return `${what} cannot be opened: ${code}`;
  const holder = findHolder(row);
  return `${what} is taken${holder === undefined ? '' : ` by ${holder}`}`;
}

async function tryPort({ address, port, transport }: LabPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message);
    if (transport === 'udp') {
      const socket = createSocket('udp4');
      socket.once('error', failed);
      socket.bind(port, address, () => socket.close(() => resolve(undefined)));
      return;
    }
    const server = createServer();
    server.once('error', failed);
    server.listen(port, address, () => server.close(() => resolve(undefined)));
  });
}

/** Most characters of a command line that are shown. */
const shownCommand = 60;

/** Command and process id of the program that holds a port, e.g. `nginx -g daemon off; (pid 812)`. */
function findHolder(row: LabPort): string | undefined {
  try {
    const inodes = socketInodes(readFileSync(`/proc/net/${row.transport}`, 'latin1'), row);
    const pid = readdirSync('/proc').find((entry) => /^\d+$/.test(entry) && holdsAny(entry, inodes));
    if (pid === undefined) return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    const shown = command.length > shownCommand ? `${command.slice(0, shownCommand)}…` : command;
    return `${shown} (pid ${pid})`;
  } catch {
    return undefined;
  }
}

/** Inodes of the sockets bound to this address, or to every address, and port, in the text of /proc/net/tcp. */
export function socketInodes(table: string, { address, port, transport }: LabPort): ReadonlySet<string> {
  const octets = address.split('.').map(Number);
  const hexAddress = Buffer.from(octets).reverse().toString('hex').toUpperCase();
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const wanted = new Set([`${hexAddress}:${hexPort}`, `00000000:${hexPort}`]);
  // State 0A is LISTEN; UDP sockets have no such state.
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const bound = rows.filter(
    (fields) => wanted.has(fields[1] ?? '') && (transport === 'udp' || fields[3] === '0A'),
  );
  return new Set(bound.map((fields) => fields[9] ?? ''));
}

function holdsAny(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => {
      const target = /^socket:\[(\d+)\]$/.exec(readLink(`${folder}/${fd}`))?.[1];
      return target !== undefined && inodes.has(target);
    });
  } catch {
    return false;
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
