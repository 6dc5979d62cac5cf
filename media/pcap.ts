// Captured packets as a file that Wireshark reads: the classic pcap format, each packet as raw IP (link type 101) with a
// UDP header of our making around it, since an engine sees neither. Pure.
import { isIPv6 } from 'node:net';
import { addressBytes, type TransportAddress } from '../turn/index.ts';
import type { CapturedPacket } from './engine.ts';

/** A packet and the ends that it is shown between. */
export interface ShownPacket extends CapturedPacket {
  readonly from: TransportAddress;
  readonly to: TransportAddress;
}

const MAGIC = 0xa1b2c3d4;
const RAW_IP = 101;
const UDP = 17;
const UDP_BYTES = 8;
const SNAP_BYTES = 65_535;

/** The file. `wallOffsetMs` is what makes the engine's clock the time of day. */
export function printPcap(packets: readonly ShownPacket[], wallOffsetMs: number): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(SNAP_BYTES, 16);
  header.writeUInt32LE(RAW_IP, 20);
  const inTime = packets.toSorted((one, other) => one.atMs - other.atMs);
  return Buffer.concat([header, ...inTime.flatMap((packet) => record(packet, wallOffsetMs))]);
}

function record(packet: ShownPacket, wallOffsetMs: number): Buffer[] {
  const { bytes, length, from, to } = packet;
  const ip = isIPv6(to.address) ? sixHeader(packet) : fourHeader(packet);
  const udp = Buffer.alloc(UDP_BYTES);
  udp.writeUInt16BE(from.port, 0);
  udp.writeUInt16BE(to.port, 2);
  udp.writeUInt16BE(Math.min(0xffff, UDP_BYTES + length), 4);
  const head = Buffer.alloc(16);
  const atUs = Math.round((packet.atMs + wallOffsetMs) * 1000);
  head.writeUInt32LE(Math.floor(atUs / 1e6) >>> 0, 0);
  head.writeUInt32LE(atUs % 1e6, 4);
  head.writeUInt32LE(ip.length + UDP_BYTES + bytes.length, 8);
  head.writeUInt32LE(ip.length + UDP_BYTES + length, 12);
  return [head, ip, udp, bytes];
}

function fourHeader({ length, from, to }: ShownPacket): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(Math.min(0xffff, header.length + UDP_BYTES + length), 2);
  header[8] = 64;
  header[9] = UDP;
  addressBytes(from.address)?.copy(header, 12);
  addressBytes(to.address)?.copy(header, 16);
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  header.writeUInt16BE(~sum & 0xffff, 10);
  return header;
}

function sixHeader({ length, from, to }: ShownPacket): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(Math.min(0xffff, UDP_BYTES + length), 4);
  header[6] = UDP;
  header[7] = 64;
  addressBytes(from.address)?.copy(header, 8);
  addressBytes(to.address)?.copy(header, 24);
  return header;
}
