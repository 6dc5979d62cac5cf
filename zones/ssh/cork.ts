// Few system calls instead of one per SSH packet: what many requests write in one turn of the event loop leaves together,
// but never more than a handful, so that the other side can begin while this one goes on.
import type { Socket } from 'node:net';

/** Writes gathered at most. One is a system call per packet; the whole turn lets both sides work in alternation only. */
const MAX_GATHERED = 8;

/** Makes `socket` gather its writes within a turn. Call once, before anything is written. */
export function corkPerTurn(socket: Socket): void {
  const write = socket.write.bind(socket);
  let gathered = 0;
  const release = (): void => {
    if (gathered === 0) return;
    gathered = 0;
    socket.uncork();
  };
  socket.write = ((...args: Parameters<Socket['write']>): boolean => {
    if (gathered === 0 && !socket.destroyed) {
      socket.cork();
      setImmediate(release);
    }
    gathered += 1;
    const more = write(...args);
    if (gathered >= MAX_GATHERED) release();
    return more;
  }) as Socket['write'];
}
