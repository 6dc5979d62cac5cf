import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { AudioStream, noProtection, type PacketProtection } from './audio-stream.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function stream(toneHz: number): Promise<AudioStream> {
  const made = await AudioStream.open({
    address: '127.0.0.1',
    toneHz,
    now: () => performance.now(),
    random: randomBytes,
  });
  open.push(made);
  return made;
}

function join(left: AudioStream, right: AudioStream, protection: PacketProtection = noProtection): void {
  left.connect({ address: '127.0.0.1', port: right.port, protection });
  right.connect({ address: '127.0.0.1', port: left.port, protection });
  left.send(true);
  right.send(true);
}

test('two phones hear each other’s tone', async () => {
  const alice = await stream(440);
  const bob = await stream(880);
  join(alice, bob);
  const [byBob, byAlice] = await Promise.all([bob.hear(440, 5), alice.hear(880, 5)]);
  expect(byBob.share).toBeGreaterThan(0.99);
  expect(byAlice.share).toBeGreaterThan(0.99);
  expect(byBob.levelDb).toBeCloseTo(-11, 0);
  alice.send(false);
  const { sent } = alice.counts;
  await new Promise(setImmediate);
  expect(alice.counts.sent).toBe(sent);
}, 5_000);

test('packets from elsewhere and packets that are not genuine are counted, not heard', async () => {
  const alice = await stream(440);
  const bob = await stream(880);
  const broken: PacketProtection = { protect: (packet) => packet, unprotect: () => undefined };
  alice.connect({ address: '127.0.0.1', port: bob.port, protection: noProtection });
  bob.connect({ address: '127.0.0.1', port: alice.port, protection: broken });
  const stranger = createSocket('udp4');
  open.push(stranger);
  stranger.send(Buffer.alloc(172, 0x80), bob.port, '127.0.0.1');
  await once(stranger, 'listening');
  alice.send(true);
  while (bob.counts.refused < 3) await new Promise(setImmediate);
  expect(bob.counts.received).toBe(0);
}, 5_000);
