// Two ends of calls in a namespace of their own: sends RTP from each of two ports when told, and says what came back.
// Started by media-faults.test.ts.
import { createSocket, type Socket } from 'node:dgram';

/** A packet to each of `targets` of this host. */
export interface PeerTask {
  readonly host: string;
  readonly targets: readonly number[];
}

/** The ports it has, then each packet that came, by the number of the end. */
export type PeerReport = { readonly ports: readonly number[] } | { readonly came: number };

async function main(): Promise<void> {
  const [address] = process.argv.slice(2);
  const say = (report: PeerReport): void => void process.send?.(report);
  const sockets: Socket[] = [];
  for (const index of [0, 1]) {
    const socket = createSocket('udp4');
    socket.on('error', () => {}); // an interface that is down refuses to send: what the test is about
    socket.on('message', () => say({ came: index }));
    await new Promise<void>((resolve) => void socket.bind(0, address, resolve));
    sockets.push(socket);
  }
  let sequence = 0;
  process.on('message', ({ host, targets }: PeerTask) => {
    sequence += 1;
    for (const [index, socket] of sockets.entries()) {
      const packet = Buffer.alloc(172);
      packet[0] = 0x80;
      packet.writeUInt16BE(sequence & 0xffff, 2);
      packet.writeUInt32BE(index + 1, 8);
      socket.send(packet, targets[index], host, () => {});
    }
  });
  process.on('disconnect', () => process.exit(0));
  say({ ports: sockets.map((socket) => socket.address().port) });
}

if (process.argv[1] === import.meta.filename) await main();
