// TURN on a stream: however bytes are cut, the same messages come out; what is none, or too long, ends it.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printChannelData } from '../channel-data.ts';
import { METHOD, printStun } from '../stun.ts';
import { FrameError, TurnFramer } from './turn-framer.ts';

const BINDING = printStun({
  class: 'request',
  method: METHOD.binding,
  transactionId: Buffer.alloc(12),
  attributes: [],
});
const frames = (framer: TurnFramer, bytes: Buffer): string[] =>
  [...framer.push(bytes)].map(({ kind, bytes: frame }) => `${kind} ${frame.toString('hex')}`);

const message = fc.oneof(
  fc.constant(BINDING),
  fc
    .tuple(fc.integer({ min: 0x4000, max: 0x4fff }), fc.uint8Array({ maxLength: 60 }))
    .map(([channel, payload]) => printChannelData(channel, payload, true)),
);

test('any cutting gives the same messages, and nothing is held after the last', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 40 }),
      (messages, cuts) => {
        const stream = Buffer.concat(messages);
        const framer = new TurnFramer(2_000);
        const found: string[] = [];
        let offset = 0;
        for (const cut of [...cuts, stream.length]) {
          found.push(...frames(framer, stream.subarray(offset, offset + cut)));
          offset = Math.min(stream.length, offset + cut);
        }
        expect(found).toEqual(frames(new TurnFramer(2_000), stream));
        expect(found).toHaveLength(messages.length);
        expect(framer.held).toBe(0);
      },
    ),
  );
});

test('padding is not part of a message', () => {
  expect(frames(new TurnFramer(100), printChannelData(0x4000, Buffer.from('abcde'), true))).toEqual([
    `channel-data 40000005${Buffer.from('abcde').toString('hex')}`,
  ]);
});

describe('what ends a stream', () => {
  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\n', 'too-long'],
    ['TLS in the clear', Buffer.from('1603010080010000', 'hex'), 'not-turn'],
    ['a length that is no multiple of four', Buffer.from('00010003', 'hex'), 'not-turn'],
    ['first bits of neither', Buffer.from('80000000', 'hex'), 'not-turn'],
    ['STUN longer than allowed', Buffer.from('00010100', 'hex'), 'too-long'],
    ['ChannelData longer than allowed', Buffer.from('4000ffff', 'hex'), 'too-long'],
  ])('%s', (_name, bytes, reason) => {
    const push = (): unknown => frames(new TurnFramer(200), Buffer.from(bytes as Buffer));
    expect(push).toThrow(expect.objectContaining({ name: 'FrameError', reason }) as FrameError);
  });

  test('never anything but FrameError, and never more held than the limit', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (chunks) => {
        const framer = new TurnFramer(64);
        try {
          for (const chunk of chunks) frames(framer, Buffer.from(chunk));
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
        expect(framer.held).toBeLessThanOrEqual(68);
      }),
    );
  });
});
