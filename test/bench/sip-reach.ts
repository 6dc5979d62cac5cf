// Whether a server of a benchmark has opened its port.
import { connect } from 'node:net';

/** Resolves with whether somebody accepts connections there. */
export function reachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
