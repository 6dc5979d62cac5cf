// A core in a process of its own, for tests that stop or kill it. Reads its zone as JSON from standard input, says
// "up" when it is, serves echo channels. Not part of the product.
import { text } from 'node:stream/consumers';
import { Recorder, clientOptions } from './test-zone.ts';
import { createTraversalClient } from './traversal-client.ts';
import type { TraversalZone } from './zone-file.ts';

const { zone, ports } = JSON.parse(await text(process.stdin)) as {
  zone: TraversalZone;
  ports: { ssh: number; sip: number };
};
const recorder = new Recorder();
const client = createTraversalClient(clientOptions(zone, ports, recorder));
const up = Promise.all([recorder.next('up '), recorder.next('sip ')]);
client.start();
await up;
process.stdout.write('up\n');
