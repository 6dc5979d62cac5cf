// The one line edge writes on a fresh SIP or XMPP link before anything else: whether it accepts the peer. TLS 1.3 lets the client
// finish before the server has judged it, so without this line core would count a refused link as up and could only
// say "connection reset".
//
//   "VIADUCT/1 ok\n"        or        "VIADUCT/1 refused expired\n"
import type { TLSSocket } from 'node:tls';
import { LinkError } from '../link-error.ts';
import { type PeerRefusal, REFUSAL_WORDS, isPeerRefusal } from './peer-check.ts';

const MAX_VERDICT_BYTES = 64;
const VERDICT = /^VIADUCT\/1 (ok|refused ([a-z-]+))$/;

export function printVerdict(refusal: PeerRefusal | undefined): string {
  return refusal === undefined ? 'VIADUCT/1 ok\n' : `VIADUCT/1 refused ${refusal}\n`;
}

/** The refusal in a verdict line; undefined for "ok". Throws `LinkError` for anything else. */
export function parseVerdict(line: string): PeerRefusal | undefined {
  const match = VERDICT.exec(line);
  if (!match)
    throw new LinkError(
      'protocol',
      'edge does not speak our link protocol: is another product listening on this port?',
    );
  if (match[1] === 'ok') return undefined;
  const word = match[2] ?? '';
  return isPeerRefusal(word) ? word : 'certificate';
}

/** Reads the line from the socket, leaving what follows it unread. Rejects with `LinkError`. */
export function readVerdict(socket: TLSSocket): Promise<void> {
  let held = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const done = (settle: () => void): void => {
      socket.off('readable', read);
      socket.off('close', closed);
      settle();
    };
    const closed = (): void =>
      done(() =>
        reject(new LinkError('closed', 'edge closed the link before it said whether it accepts us')),
      );
    const read = (): void => {
      held = Buffer.concat([held, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
      const end = held.subarray(0, MAX_VERDICT_BYTES).indexOf(0x0a);
      if (end < 0 && held.length < MAX_VERDICT_BYTES) return;
      done(() => judge(held.toString('latin1', 0, Math.max(0, end)), resolve, reject));
      if (end >= 0 && held.length > end + 1) socket.unshift(held.subarray(end + 1));
    };
    socket.on('readable', read);
    socket.on('close', closed);
    read();
  });
}

function judge(line: string, resolve: () => void, reject: (error: unknown) => void): void {
  try {
    const refusal = parseVerdict(line);
    if (refusal === undefined) resolve();
    else reject(new LinkError('identity', `edge refuses the link: ${REFUSAL_WORDS[refusal]}`));
  } catch (error) {
    reject(error);
  }
}
