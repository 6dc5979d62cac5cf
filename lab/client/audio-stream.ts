// One phone's ear and mouth: an RTP socket (RFC 3550, RFC 3551 payload type 0) that sends a tone and listens for
// another. Sends every 20 ms and catches up when a tick came late; takes packets only from the address that
// was signalled, as a careful phone does. Everything received is held for at most `keptFrames` frames.
import { createSocket, type Socket } from 'node:dgram';
import { decodeMuLaw, encodeMuLaw } from './mu-law.ts';
import { levelDb, samplesPerFrame, ToneGenerator, toneShare } from './tone.ts';

/** Turns RTP packets into what goes on the wire and back. Undefined: the packet is not genuine. */
export interface PacketProtection {
  readonly protect: (packet: Buffer) => Buffer;
  readonly unprotect: (packet: Buffer) => Buffer | undefined;
}

/** A phone that has no keys sends RTP as it is. */
export const noProtection: PacketProtection = {
  protect: (packet) => packet,
  unprotect: (packet) => packet,
};

export interface AudioStreamOptions {
  readonly address: string;
  readonly toneHz: number;
  /** Wall or monotonic milliseconds; only differences count. */
  readonly now: () => number;
  readonly random: (bytes: number) => Buffer;
}

export interface AudioTarget {
  readonly address: string;
  readonly port: number;
  readonly protection: PacketProtection;
}

/** What was heard of a tone over a stretch of unbroken sound. */
export interface Heard {
  readonly share: number;
  readonly levelDb: number;
  readonly frames: number;
}

export interface AudioCounts {
  readonly sent: number;
  readonly received: number;
  /** Packets from elsewhere, too short or not genuine. */
  readonly refused: number;
}

const frameMs = 20;
const headerBytes = 12;
const keptFrames = 50;
/** Most frames sent in one tick after a pause. */
const maxCatchUp = 5;
const payloadTypeMuLaw = 0;
/** What a device's configuration file names as its media ports. RTP is even, its RTCP the next one. */
const firstPort = 16_384;
const lastPort = 32_766;
const bindAttempts = 20;

interface Listener {
  readonly toneHz: number;
  readonly frames: number;
  readonly resolve: (heard: Heard) => void;
}

export class AudioStream {
  readonly #options: AudioStreamOptions;
  readonly #socket: Socket;
  readonly #generator: ToneGenerator;
  readonly #ssrc: number;
  #sequence: number;
  #timestamp: number;
  #target: AudioTarget | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueAtMs = 0;
  #frames: Int16Array[] = [];
  #nextSequence: number | undefined;
  #listeners: Listener[] = [];
  #counts = { sent: 0, received: 0, refused: 0 };

  private constructor(socket: Socket, options: AudioStreamOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#generator = new ToneGenerator(options.toneHz);
    const seed = options.random(10);
    this.#ssrc = seed.readUInt32BE(0);
    this.#sequence = seed.readUInt16BE(4);
    this.#timestamp = seed.readUInt32BE(6);
    socket.on('message', (packet, from) => this.#receive(packet, from));
  }

  /** Binds a free even port of the usual range; rejects with the bind error. */
  static async open(options: AudioStreamOptions): Promise<AudioStream> {
    for (let attempt = 1; ; attempt += 1) {
      const offset = options.random(2).readUInt16BE(0) % ((lastPort - firstPort) / 2);
      try {
        return new AudioStream(await bindUdp(options.address, firstPort + 2 * offset), options);
      } catch (error) {
        if (attempt === bindAttempts) throw error;
      }
    }
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get counts(): AudioCounts {
    return { ...this.#counts };
  }

  /** Where the other side is and how it protects packets; may change in a call. Starts with silence heard. */
  connect(target: AudioTarget): void {
    this.#target = target;
    this.#frames = [];
    this.#nextSequence = undefined;
  }

  /** Begins or stops sending the tone. */
  send(isSending: boolean): void {
    if (isSending === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (!isSending) return;
    this.#dueAtMs = this.#options.now();
    this.#timer = setInterval(() => this.#tick(), frameMs);
    this.#tick();
  }

  /** Resolves once this many frames in a row, from now on, hold the tone. */
  async hear(toneHz: number, frames: number): Promise<Heard> {
    this.#frames = [];
    return new Promise((resolve) => this.#listeners.push({ toneHz, frames, resolve }));
  }

  close(): void {
    this.send(false);
    this.#listeners = [];
    this.#socket.close();
  }

  #tick(): void {
    const now = this.#options.now();
    for (let count = 0; this.#dueAtMs <= now && count < maxCatchUp; count += 1) {
      this.#sendFrame();
      this.#dueAtMs += frameMs;
    }
    if (this.#dueAtMs <= now) this.#dueAtMs = now + frameMs;
  }

  #sendFrame(): void {
    const target = this.#target;
    if (target === undefined) return;
    const header = Buffer.alloc(headerBytes);
    header[0] = 0x80;
    header[1] = payloadTypeMuLaw;
    header.writeUInt16BE(this.#sequence, 2);
    header.writeUInt32BE(this.#timestamp, 4);
    header.writeUInt32BE(this.#ssrc, 8);
    const packet = Buffer.concat([header, encodeMuLaw(this.#generator.nextFrame())]);
    this.#socket.send(target.protection.protect(packet), target.port, target.address, () => {});
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + samplesPerFrame) >>> 0;
    this.#counts.sent += 1;
  }

  #receive(bytes: Buffer, from: { address: string; port: number }): void {
    const target = this.#target;
    const isExpected = target?.address === from.address && target.port === from.port;
    const packet = isExpected ? target.protection.unprotect(bytes) : undefined;
    if (packet === undefined || packet.length < headerBytes || packet[0]! >> 6 !== 2) {
      this.#counts.refused += 1;
      return;
    }
    if ((packet[1]! & 0x7f) !== payloadTypeMuLaw) return;
    this.#counts.received += 1;
    const sequence = packet.readUInt16BE(2);
    // A gap breaks the stretch: the tone must be heard without one.
    if (this.#nextSequence !== undefined && sequence !== this.#nextSequence) this.#frames = [];
    this.#nextSequence = (sequence + 1) & 0xffff;
    this.#frames.push(decodeMuLaw(packet.subarray(headerBytes)));
    if (this.#frames.length > keptFrames) this.#frames.shift();
    this.#listeners = this.#listeners.filter((listener) => !this.#satisfies(listener));
  }

  #satisfies({ toneHz, frames, resolve }: Listener): boolean {
    if (this.#frames.length < frames) return false;
    const samples = joinFrames(this.#frames.slice(-frames));
    const share = toneShare(samples, toneHz);
    if (share < 0.9) return false;
    resolve({ share, levelDb: levelDb(samples), frames });
    return true;
  }
}

async function bindUdp(address: string, port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, address, () => resolve());
  });
  socket.removeAllListeners('error');
  // A closed far end answers with ICMP; a phone plays on.
  socket.on('error', () => {});
  return socket;
}

function joinFrames(frames: readonly Int16Array[]): Int16Array {
  const samples = new Int16Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    samples.set(frame, at);
    at += frame.length;
  }
  return samples;
}
