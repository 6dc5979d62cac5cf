import { describe, expect, test } from 'vitest';
import { HeadScanner } from './head-scanner.ts';

const limits = { maxHeadBytes: 32_768, maxTargetBytes: 8192, maxHeaders: 100, maxHeaderNameBytes: 256 };

/** A buffer that counts how often its bytes are looked at. */
function counting(bytes: Buffer): { buffer: Buffer; looks: () => number } {
  let looks = 0;
  const buffer = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        looks++;
        return target[Number(key)];
      }
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
  return { buffer, looks: () => looks };
}

describe('cost', () => {
  test.each([1, 10, 1000, 40_000])('each byte is looked at once, in pieces of %i', (pieceBytes) => {
    const head = Buffer.from(`GET / HTTP/1.1\r\nHost: h\r\n${'X: 0123456789\r\n'.repeat(2000)}\r\n`);
    const scanner = new HeadScanner(limits);
    let looks = 0;
    for (let at = 0; at < head.length; at += pieceBytes) {
      const { buffer, looks: count } = counting(head.subarray(at, at + pieceBytes));
      scanner.scan(buffer, 0);
      looks += count();
    }
    expect(scanner.complete).toBe(true);
    expect(looks).toBe(head.length);
  });

  test('a head without end is refused at the limit, not after it', () => {
    const scanner = new HeadScanner(limits);
    const endless = counting(Buffer.alloc(1_000_000, 'x'));
    expect(() => scanner.scan(endless.buffer, 0)).toThrow('start line exceeds the limit');
    expect(endless.looks()).toBe(limits.maxHeadBytes);
  });
});

describe('heads one after the other', () => {
  test('the second begins where the first ended', () => {
    const bytes = Buffer.from('a\r\nb: c\r\n\r\nd\r\n\r\n');
    const scanner = new HeadScanner(limits);
    const end = scanner.scan(bytes, 0);
    expect([scanner.text, end]).toEqual(['a\r\nb: c\r\n', 11]);
    expect(scanner.scan(bytes, end)).toBe(bytes.length);
    expect(scanner.text).toBe('d\r\n');
  });

  test('one empty line before a request is ignored', () => {
    const bytes = Buffer.from('\r\na\r\n\r\n');
    const scanner = new HeadScanner(limits);
    for (let at = 0; at < bytes.length; at++) scanner.scan(bytes.subarray(at, at + 1), 0);
    expect([scanner.text, scanner.complete]).toEqual(['a\r\n', true]);
  });
});
