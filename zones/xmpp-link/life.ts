// Signs of life on an HTTP/2 connection: both ends send PING (RFC 9113 §6.7), and an end that hears no answer for too long
// ends the connection. PING frames overtake data that waits for its window.
import type { Http2Session } from 'node:http2';
import { type Clock, every } from '../clock.ts';

export interface LifeOptions {
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
  readonly clock: Clock;
}

/** Watches until the session closes; `onDead` is called once, with words. */
export function watchSession(
  session: Http2Session,
  options: LifeOptions,
  onDead: (words: string) => void,
): void {
  const { clock, pingIntervalMs, deadAfterMs } = options;
  let heard = clock.now();
  let looked = heard;
  const stop = every(clock, pingIntervalMs, () => {
    const now = clock.now();
    if (now - looked > 3 * pingIntervalMs) heard = now; // we slept ourselves: what has arrived is read first
    looked = now;
    if (now - heard > deadAfterMs) {
      stop();
      return onDead(`peer has been silent for ${deadAfterMs / 1000} s`);
    }
    if (session.destroyed) return;
    session.ping((error) => {
      if (!error) heard = clock.now();
    });
  });
  session.once('close', stop);
}
