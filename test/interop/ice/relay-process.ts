// A TURN server as a process of its own, for a network namespace: `node relay-process.ts ADDRESS CHAIN KEY`. UDP and TCP on
// 3478, TLS and DTLS on 5349, and behind the door of HTTPS on 443. Prints one line when it is open; each line on its
// standard input is answered by its allocations as JSON. Ends with its standard input.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isFirstOfStun } from '../../../edge/https/first-bytes.ts';
import { openDoor } from '../../../edge/https/test-door.ts';
import { testServer } from '../../../turn/test-server.ts';

const [address = '', chain = '', keyFile = ''] = process.argv.slice(2);
const [cert, key] = [readFileSync(chain), readFileSync(keyFile)];
const counted: Record<string, number> = {};

const server = testServer({
  tls: { cert, key },
  machine: { relayAddresses: [{ family: 4, bound: address, announced: address }] },
  // COMPAT(baresip 1.0.0): it ends its allocation when one ChannelBind is refused, and asks for one to each candidate of its
  // peer. Nothing can be sent to these homes from here; refusing them is tried in turn/policy.
  policy: {
    allow: ['10.1.0.0/16', '192.168.9.0/24', '203.0.113.0/24'],
    ownAddresses: [],
    relayAddresses: [address],
  },
  server: {
    listeners: [
      { transport: 'udp', bind: { address, port: 3478 } },
      { transport: 'tcp', bind: { address, port: 3478 } },
      { transport: 'tls', bind: { address, port: 5349 } },
      { transport: 'dtls', bind: { address, port: 5349 } },
    ],
    count: (event, reason = '') => {
      counted[`${event} ${reason}`] = (counted[`${event} ${reason}`] ?? 0) + 1;
    },
  },
});
await server.listen();
const { door } = await openDoor({
  address,
  port: 443,
  tls: {
    identity: { cert, key },
    groups: 'X25519:P-256',
    ciphers: '',
    minVersion: 'TLSv1.2',
    clientAuthorities: undefined,
  },
  other: { alpn: ['stun.turn'], beginsWith: isFirstOfStun, take: (socket) => server.adopt(socket) },
});
process.stdout.write('open\n');
for await (const line of createInterface({ input: process.stdin })) {
  void line;
  process.stdout.write(`${JSON.stringify({ allocations: server.allocations(), counted })}\n`);
}
await door.close('test ends');
await server.close('test ends');
process.exit(0);
