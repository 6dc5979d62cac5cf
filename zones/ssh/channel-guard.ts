// Makes an ssh2 channel safe to hand to code that expects an ordinary stream, and keeps what a link's channels may
// hold bounded even if the peer ignores SSH's flow control (RFC 4254 §5.2). Each rule was found by running ssh2:
//  - the far end's close leaves an idle channel looking writable: `end` destroys it;
//  - the receive window is not enforced: a channel that holds more than it may is destroyed;
//  - writing never waits for the TCP socket: it does here, so that the queue below stays short and control messages
//    are not stuck behind megabytes;
//  - after the connection died, several methods throw from timers: they do nothing instead;
//  - a channel that ends by an error is not closed by ssh2 when its peer's last bytes wait unread: it is here.
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import type { Channel } from 'ssh2';
import type { Count } from '../peer.ts';

export interface ChannelGuardOptions {
  /** Channels of this link that may be open at once. */
  readonly maxChannels: number;
  /** Bytes received and not yet read, per channel. Honest peers stay below 3 MiB. */
  readonly maxReceivedBytes: number;
  /** Bytes received and not yet read, over all channels of the link. */
  readonly maxReceivedBytesInAll: number;
  /** Bytes waiting in the TCP socket above which channels pause. */
  readonly socketPauseBytes: number;
}

/** Only a channel holding this much is worth adding up the others for. */
const STALLED_BYTES = 256 * 1024;

type Done = (error?: Error | null) => void;
type WriteFn = (chunk: unknown, encoding: BufferEncoding, done: Done) => void;
interface Inner {
  _write: WriteFn;
  _read: (size: number) => void;
  eof: () => void;
  close: () => void;
}

export class ChannelGuard {
  readonly #socket: Socket;
  readonly #options: ChannelGuardOptions;
  readonly #count: Count;
  readonly #channels = new Set<Duplex>();
  #paused: (() => void)[] = [];
  #opening = 0;

  constructor(socket: Socket, options: ChannelGuardOptions, count: Count) {
    this.#socket = socket;
    this.#options = options;
    this.#count = count;
    socket.on('drain', () => this.#resume());
    socket.on('close', () => this.#resume());
  }

  /** Channels open or being opened. */
  get size(): number {
    return this.#channels.size + this.#opening;
  }

  /** Takes a place for a channel that is about to be opened; false if all are taken. */
  reserve(): boolean {
    if (this.size >= this.#options.maxChannels) {
      this.#count('channel-refused', 'cap');
      return false;
    }
    this.#opening += 1;
    return true;
  }

  /** Gives back a place for which no channel came. */
  unreserve(): void {
    this.#opening -= 1;
  }

  /** Guards a channel for which a place was reserved. */
  adopt(channel: Channel): Duplex {
    this.unreserve();
    this.#channels.add(channel);
    channel.on('close', () => this.#channels.delete(channel));
    return this.adoptControl(channel);
  }

  /** Guards the control channel: outside the cap, and never waiting behind the others. */
  adoptControl(channel: Channel): Duplex {
    closeAfterError(channel);
    channel.on('end', () => channel.destroy());
    this.#boundReceive(channel);
    this.#paceWrites(channel, this.#channels.has(channel));
    discardStderr(channel);
    return completeSocket(tameAfterDeath(channel));
  }

  #boundReceive(channel: Channel): void {
    const push = channel.push.bind(channel);
    channel.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      const more = push(chunk, encoding);
      const held = channel.readableLength;
      if (held > STALLED_BYTES && this.#exceeds(held)) channel.destroy();
      return more;
    };
  }

  #exceeds(held: number): boolean {
    if (held > this.#options.maxReceivedBytes) {
      this.#count('channel-destroyed', 'window');
      return true;
    }
    let all = 0;
    for (const channel of this.#channels) all += channel.readableLength;
    if (all <= this.#options.maxReceivedBytesInAll) return false;
    this.#count('channel-destroyed', 'budget');
    return true;
  }

  #paceWrites(channel: Channel, pauses: boolean): void {
    const inner = channel as unknown as Inner;
    const write = inner._write.bind(channel);
    const attempt: WriteFn = (chunk, encoding, done) => {
      if (channel.destroyed) return;
      if (this.#socket.destroyed) return done(new Error('the SSH connection is gone')); // ssh2 would call it written
      // writableNeedDrain: without it no drain event would follow and the channel would wait for ever
      if (
        pauses &&
        this.#socket.writableNeedDrain &&
        this.#socket.writableLength > this.#options.socketPauseBytes
      ) {
        this.#paused.push(() => attempt(chunk, encoding, done));
        return;
      }
      try {
        write(chunk, encoding, done);
      } catch (error) {
        done(error instanceof Error ? error : new Error('the SSH connection is gone'));
      }
    };
    inner._write = attempt;
  }

  #resume(): void {
    const paused = this.#paused;
    this.#paused = [];
    for (const attempt of paused) attempt();
  }
}

/** Whoever waits for 'close' gets it, also after an error. */
function closeAfterError(channel: Channel): void {
  let closed = false;
  channel.once('close', () => (closed = true));
  channel.on('error', () =>
    process.nextTick(() => {
      if (!closed) channel.emit('close');
    }),
  );
}

/** Data of type stderr is nothing we speak; unread it would pile up outside every bound. */
function discardStderr(channel: Channel): void {
  const { stderr } = channel as { stderr?: unknown };
  if (isReadable(stderr)) {
    stderr.on('error', () => undefined);
    stderr.resume();
  }
}

function isReadable(value: unknown): value is NodeJS.ReadableStream {
  return typeof value === 'object' && value !== null && 'resume' in value;
}

/** `destroy` becomes Node's own (destroyed, error) plus SSH's CHANNEL_CLOSE; what throws on a dead link is silent. */
function tameAfterDeath(channel: Channel): Channel {
  const inner = channel as unknown as Inner;
  const { eof, close, _read: read } = inner;
  inner.eof = () => quietly(() => eof.call(channel));
  inner.close = () => quietly(() => close.call(channel));
  inner._read = (size) => quietly(() => read.call(channel, size));
  channel.destroy = (error?: Error) => {
    if (channel.destroyed) return channel;
    inner.close();
    return Duplex.prototype.destroy.call(channel, error) as Channel;
  };
  return channel;
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // the connection below is gone; its own close event tells everyone
  }
}

/** node:http and node:tls call these on whatever they are given. */
function completeSocket(channel: Duplex): Duplex {
  const self = (): Duplex => channel;
  return Object.assign(channel, {
    setKeepAlive: self,
    setNoDelay: self,
    setTimeout: self,
    ref: self,
    unref: self,
  });
}
