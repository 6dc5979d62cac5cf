// Notices a half-open peer: one whose machine is gone, stopped or cut off without a word. Any byte received counts as
// life, not only a reply to a ping, because replies may queue behind bulk data on a slow link; both sides ping, so a
// live peer is never silent. Also bounds what waits to be sent to a peer that does not read.
import type { Socket } from 'node:net';
import { type Clock, every } from './clock.ts';

export interface LinkWatchOptions {
  /** Silence after which the peer is taken for dead. */
  readonly deadAfterMs: number;
  /** Bytes waiting in our socket above which the peer is taken for stuck. */
  readonly maxQueuedBytes: number;
  readonly clock: Clock;
}

/** Looks at the socket eight times per `deadAfterMs`; calls `onDead` once with words. Ends with the socket. */
export function watchLink(socket: Socket, options: LinkWatchOptions, onDead: (words: string) => void): void {
  const { clock, deadAfterMs, maxQueuedBytes } = options;
  const interval = deadAfterMs / 8;
  let seen = socket.bytesRead;
  let heard = clock.now();
  let looked = heard;
  const stop = every(clock, interval, () => {
    const now = clock.now();
    const stalled = now - looked > 3 * interval; // we slept ourselves: let what has arrived be read first
    if (socket.bytesRead !== seen || stalled) heard = now;
    seen = socket.bytesRead;
    looked = now;
    if (now - heard > deadAfterMs) die(`peer has been silent for ${deadAfterMs / 1000} s`);
    else if (socket.writableLength > maxQueuedBytes) die('peer does not read what is sent to it');
  });
  socket.once('close', stop);
  function die(words: string): void {
    stop();
    onDead(words);
  }
}
