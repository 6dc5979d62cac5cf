// A connection before TLS: the stream header, `<starttls/>`, nothing else (RFC 6120 §5.4), or TLS from the first byte.
// Whatever follows `<starttls/>` in the clear ends the connection.
import type { Socket } from 'node:net';
import {
  answerBeforeTls,
  printHeader,
  printStreamError,
  StreamError,
  type StreamEvent,
  type StreamLimits,
  StreamParser,
} from '../../xmpp/index.ts';
import { TLS_HANDSHAKE_RECORD } from './tls-door.ts';

export interface ClearPhaseOptions {
  readonly limits: StreamLimits;
  readonly name: string;
  readonly newId: () => string;
  readonly count: (event: string, reason?: string) => void;
  /** The client broke the protocol; for bans. */
  readonly onRefused: (reason: string) => void;
  /** The next byte belongs to TLS; the socket is paused and has no listeners of ours but for errors. */
  readonly onTls: () => void;
}

/** Drives the socket until TLS begins or it is closed. */
export function runClearPhase(socket: Socket, options: ClearPhaseOptions): void {
  const parser = new StreamParser(options.limits);
  let isFirst = true;
  let isHeaded = false;
  let isTlsDue = false;
  const onEvent = (event: StreamEvent): void => {
    if (isTlsDue)
      throw new StreamError('policy-violation', 'order', 'nothing may follow starttls in the clear');
    for (const action of answerBeforeTls(event, options.newId(), options.name)) {
      if (action.kind === 'start-tls') isTlsDue = true;
      else if (action.kind === 'end') socket.end();
      else socket.write(action.text);
      isHeaded = true;
    }
  };
  const handOver = (): void => {
    socket.off('data', onData);
    socket.pause();
    options.onTls();
  };
  const onData = (chunk: Buffer): void => {
    if (isFirst && chunk[0] === TLS_HANDSHAKE_RECORD) {
      handOver.call(undefined);
      socket.unshift(chunk);
      return;
    }
    isFirst = false;
    try {
      parser.write(chunk, onEvent);
      if (!isTlsDue) return;
      if (!parser.isBetweenElements)
        throw new StreamError('policy-violation', 'order', 'nothing may follow starttls in the clear');
      handOver();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      options.count('clear-refused', error.fault);
      options.onRefused(error.fault);
      socket.off('data', onData);
      if (isTlsDue) socket.destroy();
      else {
        const opening = isHeaded ? '' : printHeader({ from: options.name, id: options.newId() });
        socket.end(opening + printStreamError(error.condition, error.message), () => socket.destroy());
      }
    }
  };
  socket.on('data', onData);
}
