// A connection over an in-memory duplex: answers, bounds, keepalive, and closing from either side. Time by hand.

import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { SipConnection } from './connection.ts';
import type { KeepaliveOptions } from './connection.ts';
import { HandClock } from './hand-clock.ts';
import { DEFAULT_LIMITS } from './parse.ts';

/** The far end of a wire, as the peer sees it. `isStuck`: the peer reads nothing. */
class PeerWire extends Duplex {
  received = '';
  isStuck = false;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.received += chunk.toString('latin1');
    if (!this.isStuck) done();
  }
  peerSends(text: string): void {
    this.push(Buffer.from(text, 'latin1'));
  }
  takeReceived(): string {
    const text = this.received;
    this.received = '';
    return text;
  }
}

const OPTIONS =
  'OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n';
const STUN = '\x00\x01\x00\x00\x21\x12\xA4\x42abcdefghijkl';

function setUp(options: { keepalive?: KeepaliveOptions; maxQueueBytes?: number; throwsAway?: boolean } = {}) {
  const clock = new HandClock();
  const wire = new PeerWire();
  const heard: string[] = [];
  const counted: string[] = [];
  const connection = new SipConnection(
    wire,
    {
      id: '1',
      scope: '1',
      limits: DEFAULT_LIMITS,
      maxQueueBytes: options.maxQueueBytes ?? 1000,
      closeTimeoutMs: 2000,
      clock,
      count: (event, fault) => counted.push(fault === undefined ? event : `${event} ${fault}`),
      ...(options.keepalive === undefined ? {} : { keepalive: options.keepalive }),
      answerStun: (request) =>
        options.throwsAway === true ? undefined : Buffer.from(`answer to ${request.length}`),
    },
    {
      onMessage: (message) => {
        void message.contacts;
        heard.push(message.startLine);
      },
      onRefused: (error) => heard.push(`refused ${error.code}`),
      onClose: (reason) => heard.push(`closed: ${reason}`),
    },
  );
  return { clock, wire, heard, counted, connection };
}

/** Lets streams move: one round of the event loop to read, one to write what came of it. */
async function turn(): Promise<void> {
  for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
}

describe('traffic', () => {
  it('hands messages on, answers ping and STUN in order', async () => {
    const { wire, heard, counted } = setUp();
    wire.peerSends(`\r\n\r\n${OPTIONS}${STUN}${OPTIONS}`);
    await turn();
    expect(heard).toEqual(['OPTIONS sip:h SIP/2.0', 'OPTIONS sip:h SIP/2.0']);
    expect(wire.takeReceived()).toBe('\r\nanswer to 20');
    expect(counted).toEqual(['ping-received', 'stun-answered']);
  });

  it('stays silent where STUN has no answer', async () => {
    const { wire, counted } = setUp({ throwsAway: true });
    wire.peerSends(STUN);
    await turn();
    expect([wire.takeReceived(), counted]).toEqual(['', ['stun-unanswered']]);
  });

  it('answers a malformed request and goes on; a malformed response is only counted', async () => {
    const { wire, heard, counted } = setUp();
    const badResponse = OPTIONS.replace('OPTIONS sip:h SIP/2.0', 'SIP/2.0 200 OK').replace(
      'CSeq: 1',
      'CSeq: x',
    );
    wire.peerSends(OPTIONS.replace('1 OPTIONS', '1 BYE') + badResponse + OPTIONS);
    await turn();
    expect(wire.takeReceived()).toMatch(/^SIP\/2\.0 400 CSeq Method Mismatch\r\n/);
    expect(heard).toEqual(['refused cseq', 'refused cseq', 'OPTIONS sip:h SIP/2.0']);
    expect(counted).toEqual(['malformed cseq', 'malformed cseq']);
  });

  it('answers a request whose receiver finds it malformed', async () => {
    const { wire, heard } = setUp();
    wire.peerSends(OPTIONS.replace('l: 0', 'm: <sip:x\r\nl: 0') + OPTIONS);
    await turn();
    expect(wire.takeReceived()).toMatch(/^SIP\/2\.0 400 Malformed Address\r\n/);
    expect(heard).toEqual(['refused address', 'OPTIONS sip:h SIP/2.0']);
  });

  it('answers what cannot be framed, then closes and reads no further', async () => {
    const { wire, heard, counted, connection } = setUp();
    wire.peerSends(OPTIONS.replace('l: 0\r\n', '') + OPTIONS);
    await turn();
    await turn();
    expect(wire.takeReceived()).toMatch(/^SIP\/2\.0 400 Missing Content-Length\r\n/);
    expect(heard).toEqual(['refused content-length', 'closed: malformed stream: content-length']);
    expect(counted).toEqual(['fatal content-length']);
    expect([connection.isOpen, connection.send(Buffer.from('x'))]).toEqual([false, false]);
  });

  it('closes a peer that does not read once its queue is full', async () => {
    const { wire, heard, counted, connection } = setUp({ maxQueueBytes: 100 });
    wire.isStuck = true;
    expect(connection.send(Buffer.alloc(60))).toBe(true);
    expect(connection.send(Buffer.alloc(60))).toBe(false);
    await turn();
    expect([heard, counted, wire.destroyed]).toEqual([['closed: output queue full'], ['queue-full'], true]);
  });

  it('sends what is written in one round together', async () => {
    const { wire, connection } = setUp();
    connection.send(Buffer.from('a'));
    connection.send(Buffer.from('b'));
    expect(wire.takeReceived()).toBe('');
    await turn();
    expect(wire.takeReceived()).toBe('ab');
  });
});

describe('keepalive', () => {
  const keepalive = { pingIntervalMs: 1500, deadAfterMs: 4000 };

  it('pings, takes the pong, and stays', async () => {
    const { clock, wire, heard, counted } = setUp({ keepalive });
    for (let round = 0; round < 5; round++) {
      clock.move(1500);
      await turn();
      expect(wire.takeReceived()).toBe('\r\n\r\n');
      wire.peerSends('\r\n');
      await turn();
    }
    expect([heard, counted]).toEqual([[], Array.from({ length: 5 }, () => 'pong-received')]);
  });

  it('gives a silent peer up after 4 s', async () => {
    const { clock, heard, counted } = setUp({ keepalive });
    clock.move(3999);
    await turn();
    expect(heard).toEqual([]);
    clock.move(1);
    await turn();
    expect(heard).toEqual(['closed: peer has been silent for 4 s']);
    expect([counted, clock.timers.size]).toEqual([['keepalive-dead'], 0]);
  });

  it('does not blame the peer for a pause of its own process', async () => {
    const { clock, wire, heard } = setUp({ keepalive });
    clock.stopFor(10_000);
    await turn();
    expect(heard).toEqual([]);
    wire.peerSends('\r\n');
    await turn();
    clock.move(3000);
    await turn();
    expect(heard).toEqual([]);
    clock.move(1000);
    await turn();
    expect(heard).toEqual(['closed: peer has been silent for 4 s']);
  });
});

describe('closing', () => {
  it('flushes, tells once, and may be called again', async () => {
    const { wire, heard, connection, clock } = setUp();
    connection.send(Buffer.from('last'));
    connection.close('drained');
    connection.close('again');
    await turn();
    await turn();
    expect([wire.takeReceived(), heard, wire.destroyed, clock.timers.size]).toEqual([
      'last',
      ['closed: drained'],
      true,
      0,
    ]);
  });

  it('does not wait for ever for a peer that does not read', async () => {
    const { wire, heard, connection, clock } = setUp();
    wire.isStuck = true;
    connection.send(Buffer.from('last'));
    connection.close('drained');
    await turn();
    expect(heard).toEqual([]);
    clock.move(2000);
    await turn();
    expect(heard).toEqual(['closed: drained']);
  });

  it('hears of a peer that ends, and of one that breaks', async () => {
    const ended = setUp();
    ended.wire.push(null);
    await turn();
    await turn();
    expect(ended.heard).toEqual(['closed: ended by peer']);
    const broken = setUp();
    broken.wire.destroy(Object.assign(new Error('x'), { code: 'ECONNRESET' }));
    await turn();
    expect(broken.heard).toEqual(['closed: error: ECONNRESET']);
  });
});
