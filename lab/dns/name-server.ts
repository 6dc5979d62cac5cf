// A small authoritative name server over UDP and TCP (RFC 1035, RFC 6891 for the payload size): enough for a
// client's discovery and a node's names. It answers only for its zones and refuses everything else, so it
// can be neither an open resolver nor an amplifier. One server is one view; the lab runs an outside and an
// inside one.
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import dnsPacket from 'dns-packet';
import { type Answer, type Packet, type Question } from 'dns-packet';
import { canonicalName, type Zone, type ZoneRecord } from './zone-text.ts';

const refused = 5;
const nameError = 3;
const notImplemented = 4;
const opcodeMask = 0x7800;
/** Largest UDP answer without EDNS (RFC 1035 §4.2.1). */
const plainUdpBytes = 512;
/** Longest silence of a TCP client. */
const tcpIdleMs = 5_000;

/** Answers one query from the zones; undefined when the bytes are no query and silence is right. */
export function answerQuery(zones: readonly Zone[], bytes: Buffer, maxBytes: number): Buffer | undefined {
  const query = decodeQuery(bytes);
  if (query === undefined) return undefined;
  const reply = dnsPacket.encode(buildReply(zones, query));
  const limit = Math.max(plainUdpBytes, Math.min(maxBytes, announcedPayload(query)));
  if (maxBytes === Infinity || reply.length <= limit) return reply;
  const flags = replyFlags(query, 0) | dnsPacket.TRUNCATED_RESPONSE;
  return dnsPacket.encode({ type: 'response', id: query.id, flags, questions: query.questions });
}

function decodeQuery(bytes: Buffer): Packet | undefined {
  try {
    const packet = dnsPacket.decode(bytes);
    return packet.type === 'query' && packet.questions.length === 1 ? packet : undefined;
  } catch {
    return undefined;
  }
}

function announcedPayload(query: Packet): number {
  const option = query.additionals?.find((record) => record.type === 'OPT');
  return option?.type === 'OPT' ? option.udpPayloadSize : plainUdpBytes;
}

function buildReply(zones: readonly Zone[], query: Packet): Packet {
  const question = query.questions[0]!;
  const base = { type: 'response', id: query.id, questions: query.questions } as const;
  if ((query.flags & opcodeMask) !== 0) return { ...base, flags: replyFlags(query, notImplemented) };
  const name = canonicalName(question.name);
  const zone = findZone(zones, name);
  if (zone === undefined) return { ...base, flags: replyFlags(query, refused) };
  const answers = zone.records.filter((record) => matches(record, name, question));
  // RFC 2308: nothing under this name at all is NXDOMAIN, another type under it is an empty answer.
  const exists = zone.records.some((record) => record.name === name || record.name.endsWith(`.${name}`));
  return {
    ...base,
    flags: replyFlags(query, exists || name === zone.origin ? 0 : nameError) | dnsPacket.AUTHORITATIVE_ANSWER,
    answers: answers.map(printRecord),
    authorities: answers.length === 0 ? [authority(zone)] : [],
    additionals: targetsOf(zone, answers).map(printRecord),
  };
}

function replyFlags(query: Packet, code: number): number {
  return (query.flags & (dnsPacket.RECURSION_DESIRED | opcodeMask)) | code;
}

function findZone(zones: readonly Zone[], name: string): Zone | undefined {
  const covering = zones.filter((zone) => name === zone.origin || name.endsWith(`.${zone.origin}`));
  return covering.sort((left, right) => right.origin.length - left.origin.length)[0];
}

function matches(record: ZoneRecord, name: string, question: Question): boolean {
  return record.name === name && (question.type === record.type || question.type === 'ANY');
}

function targetsOf(zone: Zone, answers: readonly ZoneRecord[]): ZoneRecord[] {
  const targets = new Set(answers.flatMap((record) => (record.type === 'SRV' ? [record.target] : [])));
  return zone.records.filter((record) => record.type === 'A' && targets.has(record.name));
}

function printRecord(record: ZoneRecord): Answer {
  const { name, ttl } = record;
  if (record.type === 'A') return { type: 'A', name, ttl, data: record.address };
  const { priority, weight, port, target } = record;
  return { type: 'SRV', name, ttl, data: { priority, weight, port, target } };
}

function authority(zone: Zone): Answer {
  const data = {
    mname: `ns.${zone.origin}`,
    rname: `hostmaster.${zone.origin}`,
    serial: 1,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: 5,
  };
  return { type: 'SOA', name: zone.origin, ttl: data.minimum, data };
}

export interface NameServerOptions {
  readonly address: string;
  readonly port: number;
  readonly zones: readonly Zone[];
}

export interface NameServer {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Opens UDP and TCP on the same port; rejects with the listen error. */
export async function startNameServer(options: NameServerOptions): Promise<NameServer> {
  const tcp = createServer((socket) => serveStream(options.zones, socket));
  const port = await listenTcp(tcp, options);
  const udp = createSocket('udp4');
  try {
    await listenUdp(udp, options.address, port);
  } catch (error) {
    tcp.close();
    throw error;
  }
  udp.on('message', (bytes, from) => {
    const reply = answerQuery(options.zones, bytes, 4096);
    if (reply !== undefined) udp.send(reply, from.port, from.address, () => {});
  });
  return {
    address: options.address,
    port,
    close: async () => {
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
}

// RFC 1035 §4.2.2: each message after a two-byte length.
function serveStream(zones: readonly Zone[], socket: Socket): void {
  let pending: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  socket.on('data', (chunk) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = answerQuery(zones, pending.subarray(2, end), Infinity);
      pending = pending.subarray(end);
      if (reply === undefined) {
        socket.destroy();
        return;
      }
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    }
  });
}

async function listenTcp(server: Server, { address, port }: NameServerOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve());
  });
  server.removeAllListeners('error');
  server.on('error', () => {});
  return (server.address() as AddressInfo).port;
}

async function listenUdp(socket: UdpSocket, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, address, () => resolve());
  });
  socket.removeAllListeners('error');
  socket.on('error', () => {});
}
