// tcpdump in a namespace, and the sound taken from the wire where it is clear: G.711 µ-law out of RTP, placed by timestamp.
// For the parts of a call that a phone's own recorder does not survive.
//
// pcap file: 24-byte header, then per packet 16 bytes (seconds, microseconds, captured, original) and the frame.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Namespace } from '../topology/network.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';

const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const ETHERNET_HEADER = 14;
const RTP_HEADER = 12;

/** The sound of one stream: samples placed by RTP timestamp, silence where no packet came. */
export interface CapturedSound {
  readonly samples: Int16Array;
  readonly sampleRate: number;
  readonly packets: number;
}

/** A running tcpdump. */
export class Capture {
  readonly #tcpdump: StartedProcess;
  readonly #file: string;

  constructor(tcpdump: StartedProcess, file: string) {
    this.#tcpdump = tcpdump;
    this.#file = file;
  }

  /** Waits until at least this much was captured; what is still on its way to tcpdump at `stop` is lost. */
  async holds(bytes: number): Promise<void> {
    await until(`${bytes} bytes captured`, () => statSync(this.#file).size >= bytes);
  }

  /** Stops and returns the whole pcap file. */
  async stop(): Promise<Buffer> {
    await this.#tcpdump.stop('SIGINT');
    return readFileSync(this.#file);
  }

  /** Stops and returns what was sent to `address`, from the first packet on, laid out in real time. */
  async soundTo(address: string): Promise<CapturedSound> {
    const packets = readPcap(await this.stop());
    return layOut(packets.filter((packet) => packet.to === address && isMuLaw(packet.payload)));
  }
}

export interface CaptureOptions {
  readonly folder: string;
  readonly at: Namespace;
  readonly device: string;
  readonly filter: string;
  readonly name: string;
}

/** Captures in a namespace; it runs when this resolves. */
export async function startCapture(keeper: ProcessKeeper, options: CaptureOptions): Promise<Capture> {
  const file = path.join(options.folder, `${options.name}.pcap`);
  const words = ['tcpdump', '-i', options.device, '-n', '-U', '--immediate-mode', '-Z', 'root', '-w', file];
  const tcpdump = keeper.start([...words, options.filter], {
    inside: options.at.exec,
    name: `tcpdump-${options.name}`,
  });
  await tcpdump.said(/listening on/);
  return new Capture(tcpdump, file);
}

interface CapturedPacket {
  readonly atSeconds: number;
  readonly to: string;
  readonly payload: Buffer;
}

function readPcap(bytes: Buffer): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  for (let at = FILE_HEADER; at + PACKET_HEADER <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 8);
    const frame = bytes.subarray(at + PACKET_HEADER, at + PACKET_HEADER + length);
    const ip = frame.subarray(ETHERNET_HEADER);
    if (ip.length > 28 && ip[9] === 17) {
      const headerBytes = ((ip[0] ?? 0) & 0x0f) * 4;
      packets.push({
        atSeconds: bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) / 1e6,
        to: ip.subarray(16, 20).join('.'),
        payload: ip.subarray(headerBytes + 8),
      });
    }
    at += PACKET_HEADER + length;
  }
  return packets;
}

function isMuLaw(rtp: Buffer): boolean {
  return rtp.length > RTP_HEADER && (rtp[0] ?? 0) >> 6 === 2 && ((rtp[1] ?? 0) & 0x7f) === 0;
}

/** How far timestamp and arrival may part before the stream counts as begun anew (after a hold): half a second. */
const MAX_DRIFT_SAMPLES = 4000;

/** Places each packet by its timestamp, so that the scheduling of a busy machine is not heard. */
function layOut(packets: readonly CapturedPacket[]): CapturedSound {
  const sampleRate = 8000;
  const first = packets[0]?.atSeconds ?? 0;
  const last = packets.at(-1)?.atSeconds ?? 0;
  const samples = new Int16Array(Math.ceil((last - first + 0.5) * sampleRate));
  let anchor: { timestamp: number; sample: number } | undefined;
  for (const { atSeconds, payload } of packets) {
    const timestamp = payload.readUInt32BE(4);
    const arrived = Math.round((atSeconds - first) * sampleRate);
    let start = anchor === undefined ? arrived : anchor.sample + ((timestamp - anchor.timestamp) | 0);
    if (anchor === undefined || Math.abs(start - arrived) > MAX_DRIFT_SAMPLES) {
      anchor = { timestamp, sample: arrived };
      start = arrived;
    }
    const sound = payload.subarray(RTP_HEADER);
    for (let i = 0; i < sound.length; i++) samples[start + i] = fromMuLaw(sound[i] ?? 0);
  }
  return { samples, sampleRate, packets: packets.length };
}

/** ITU-T G.711 §3.2, table 2b. */
function fromMuLaw(code: number): number {
  const inverted = ~code & 0xff;
  const magnitude = (((inverted & 0x0f) << 3) + 0x84) << ((inverted & 0x70) >> 4);
  return (inverted & 0x80) === 0 ? magnitude - 0x84 : 0x84 - magnitude;
}
