// What a connection without a registration may cost edge, whatever it says and whether or not it listens (T-057).
import { duplexPair } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Actor } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';

let pair: Pair;

beforeEach(async () => {
  pair = await openPair();
});
afterEach(() => pair.close());

const request = (method: string, branch: string, filling = '', uri = 'sip:1002@example.com') =>
  `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.66:5061;branch=z9hG4bK${branch}\r\n` +
  `From: <sip:ceo@example.com>;tag=evil\r\nTo: <sip:1002@example.com>\r\nCall-ID: ${branch}@evil${filling}\r\n` +
  `CSeq: 1 ${method}\r\nContent-Length: 0\r\n\r\n`;

async function refusedInvites(stranger: Actor, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    stranger.send(request('INVITE', `i${n}`));
    expect(await stranger.receive()).toMatch(/^SIP\/2\.0 403 /);
  }
}

describe('calls refused and never acknowledged', () => {
  test('take the room of a few, and the last of them is still acknowledged as it should', async () => {
    const stranger = pair.client('stranger', '203.0.113.66');
    await refusedInvites(stranger, 60);
    expect(pair.edge.status().transactions).toBe(4);
    expect(pair.counts.get('transaction ack-given-up')).toBe(56);
    for (let n = 56; n < 60; n += 1)
      stranger.send(request('INVITE', `i${n}`).replace('INVITE', 'ACK').replace('1 INVITE', '1 ACK'));
    await expect.poll(() => pair.edge.status().transactions).toBe(0);
  });

  test('are forgotten with the connection', async () => {
    const stranger = pair.client('stranger', '203.0.113.66');
    await refusedInvites(stranger, 3);
    expect(pair.edge.status().transactions).toBe(3);
    stranger.close();
    await expect.poll(() => pair.edge.status().transactions).toBe(0);
  });
});

test('who does not read its answers is cut off early', async () => {
  const [ours, theirs] = duplexPair();
  const closed = new Promise<void>((resolve) => void theirs.once('close', resolve));
  pair.edge.takeClient(theirs, '203.0.113.66', 40_000);
  ours.on('error', () => undefined);
  for (let n = 0; n < 60; n += 1)
    ours.write(
      request(
        'OPTIONS',
        `o${n}`,
        'x'.repeat(200) + '\r\nVia: SIP/2.0/TLS h;x=' + 'y'.repeat(4000),
        'sip:edge.example.com',
      ),
    );
  await closed;
  expect(pair.counts.get('sip-queue-full')).toBe(1);
});

test('messages that cannot be read count towards its rate as others do', async () => {
  const slow = await openPair({ edge: { maxMessagesPerSecond: 3 } });
  const stranger = slow.client('stranger', '203.0.113.66');
  for (let n = 0; n < 7; n += 1) stranger.send(request('OPTIONS', `m${n}`).replace('1 OPTIONS', 'x OPTIONS'));
  await stranger.closed;
  expect(slow.edgeRefusals).toContain('rate 203.0.113.66');
  await slow.close();
});
