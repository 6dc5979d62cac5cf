import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeaderList } from './header-list.ts';
import { HttpError } from './http-error.ts';
import type { Framing, ResponseHead } from './message.ts';
import { MessageReader } from './message-reader.ts';
import { parseRequest, USUAL_METHODS } from './parse-request.ts';
import { parseResponse } from './parse-response.ts';
import { printRequestHead, printResponseHead } from './print.ts';

const limits = {
  maxHeadBytes: 4096,
  maxTargetBytes: 1024,
  maxHeaders: 20,
  maxHeaderNameBytes: 64,
  methods: USUAL_METHODS,
};
const head = (text: string): string => `${text}\r\n`;

describe('framing', () => {
  const rows: [name: string, method: string, text: string, framing: Framing, close: boolean][] = [
    ['length', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 5', { kind: 'length', bytes: 5 }, false],
    ['chunks', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked', { kind: 'chunked' }, false],
    ['neither', 'GET', 'HTTP/1.1 200 OK', { kind: 'until-close' }, true],
    ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5', { kind: 'none' }, false],
    ['204', 'GET', 'HTTP/1.1 204 No Content', { kind: 'none' }, false],
    ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5', { kind: 'none' }, false],
    ['no reason phrase', 'GET', 'HTTP/1.1 200 \r\nContent-Length: 5', { kind: 'length', bytes: 5 }, false],
    [
      'no reason phrase and no space',
      'GET',
      'HTTP/1.1 200\r\nContent-Length: 5',
      { kind: 'length', bytes: 5 },
      false,
    ],
    [
      'close',
      'GET',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5',
      { kind: 'length', bytes: 5 },
      true,
    ],
    ['HTTP/1.0', 'GET', 'HTTP/1.0 200 OK\r\nContent-Length: 5', { kind: 'length', bytes: 5 }, true],
    [
      'HTTP/1.0 kept alive',
      'GET',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5',
      { kind: 'length', bytes: 5 },
      false,
    ],
  ];
  test.each(rows)('%s', (_name, method, text, framing, close) => {
    expect(parseResponse(head(text), limits, method)).toMatchObject({ framing, close });
  });
});

describe('refused', () => {
  const rows: [name: string, text: string, reason: string][] = [
    ['other version', 'HTTP/2.0 200 OK', 'bad-response'],
    ['two digits', 'HTTP/1.1 20 OK', 'bad-response'],
    ['status 600', 'HTTP/1.1 600 OK', 'bad-response'],
    ['no status', 'HTTP/1.1 OK', 'bad-response'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2', 'bad-response'],
    ['coding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked', 'bad-response'],
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked', 'framing'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6', 'framing'],
    ['other coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip', 'transfer-coding'],
    ['space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5', 'header-name'],
  ];
  test.each(rows)('%s', (_name, text, reason) => {
    let refusal: unknown;
    try {
      parseResponse(head(text), limits, 'GET');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(HttpError);
    expect(refusal).toMatchObject({ reason });
  });
});

describe('nothing printed can hold a line of its own', () => {
  const list = new HeaderList();
  test.each([
    ['value with CR LF', () => list.append('X', 'a\r\nY: b')],
    ['value with LF', () => list.set('X', 'a\nb')],
    ['value with NUL', () => list.append('X', 'a\0b')],
    ['value beyond Latin-1', () => list.append('X', '\u{1f600}')],
    ['name with a space', () => list.append('X Y', 'a')],
    ['name with a colon', () => list.append('X:', 'a')],
    [
      'reason phrase',
      () => printResponseHead({ status: 200, reasonPhrase: 'OK\r\nX: y', headers: list }, 0, false),
    ],
    [
      'target',
      () =>
        printRequestHead(
          { method: 'GET', target: '/ HTTP/1.1\r\nX: y', host: 'h', headers: list },
          'none',
          false,
        ),
    ],
    [
      'host',
      () => printRequestHead({ method: 'GET', target: '/', host: 'h\r\nX: y', headers: list }, 'none', false),
    ],
  ])('%s', (_name, print) => {
    expect(print).toThrow(RangeError);
    expect(list.size).toBe(0);
  });
});

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/);
const value = fc.stringMatching(/^[!-~\u00a1-\u00ff]([ -~]{0,30}[!-~])?$/);
const end2end = fc
  .array(fc.tuple(token, value), { maxLength: 8 })
  .map((fields) =>
    fields.filter(
      ([name]) =>
        !/^(host|connection|content-length|transfer-encoding|expect|te|trailer|upgrade|keep-alive|http2-settings|proxy-.*)$/i.test(
          name,
        ),
    ),
  );

describe('properties', () => {
  test('what is printed parses to the same', () => {
    fc.assert(
      fc.property(end2end, fc.integer({ min: 200, max: 599 }), fc.nat(), (fields, status, bytes) => {
        fc.pre(status !== 204 && status !== 304);
        const headers = HeaderList.of(...fields);
        let got: ResponseHead | undefined;
        const reader = new MessageReader(limits, {
          onHead: (text) => (got = parseResponse(text, limits, 'GET')).framing,
          onBody: () => undefined,
          onEnd: () => undefined,
        });
        const text = printResponseHead({ status, reasonPhrase: 'Some words', headers }, bytes, false);
        reader.read(Buffer.from(text, 'latin1'), 0);
        expect(got).toMatchObject({ status, declaredLength: bytes, close: false });
        expect(got?.headers.print()).toBe(headers.print());
      }),
    );
  });

  test('no bytes make the reader throw anything but HttpError', () => {
    const lines = fc.array(
      fc.oneof(
        fc.string(),
        fc.constantFrom(
          'GET / HTTP/1.1',
          'Host: a',
          'Content-Length: 3',
          'Transfer-Encoding: chunked',
          '',
          '3',
          'abc',
          '0',
          ' x',
          ': ',
        ),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 40 }), (parts, pieceBytes) => {
        const bytes = Buffer.from(parts.join('\r\n'), 'latin1');
        const reader = new MessageReader(limits, {
          onHead: (text) => parseRequest(text, limits).framing,
          onBody: () => undefined,
          onEnd: () => undefined,
        });
        try {
          for (let start = 0; start < bytes.length; start += pieceBytes) {
            const piece = bytes.subarray(start, start + pieceBytes);
            for (let offset = 0; offset < piece.length;) offset = reader.read(piece, offset);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(HttpError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
