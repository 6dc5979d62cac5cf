// Whether a server of a benchmark has opened its port, read from the kernel's table: SIPp takes a connection that says
// nothing for a call that failed.
import { readFileSync } from 'node:fs';

const LISTEN = '0A';

/** Whether somebody listens at this IPv4 address and TCP port. */
export function listens(address: string, port: number): boolean {
  const little = address.split('.').map(Number).toReversed();
  const host = Buffer.from(little).toString('hex').toUpperCase();
  const wanted = `${host}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  return rows.some((row) => {
    const [, local, , state] = row.trim().split(/\s+/);
    return local === wanted && state === LISTEN;
  });
}
