// One system call per turn of the event loop instead of one per SSH packet: what many requests write in one turn leaves
// together. A turn is short (the packets that one poll brought), so that nobody waits for company.
import type { Socket } from 'node:net';

/** Makes `socket` gather its writes until the end of the current turn. Call once, before anything is written. */
export function corkPerTurn(socket: Socket): void {
  const write = socket.write.bind(socket);
  let isCorked = false;
  const release = (): void => {
    isCorked = false;
    socket.uncork();
  };
  socket.write = ((...args: Parameters<Socket['write']>): boolean => {
    if (!isCorked && !socket.destroyed) {
      isCorked = true;
      socket.cork();
      setImmediate(release);
    }
    return write(...args);
  }) as Socket['write'];
}
