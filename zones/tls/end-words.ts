// Why a SIP link ended, for the status page. Who owns the socket gives its reason to `destroy`; the system gives a code.
import type { TLSSocket } from 'node:tls';

/** The reason in words, once the socket has closed. */
export function endWords({ errored }: Pick<TLSSocket, 'errored'>): string {
  if (errored === null) return 'the connection ended';
  const code = (errored as NodeJS.ErrnoException).code;
  return code === undefined ? errored.message : `the connection ended (${code})`;
}
