import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BodyError, findSdp, replaceSdp } from './sdp-body.ts';

const mixed = 'multipart/mixed; boundary=uniqueBoundary';
const part = (type: string, content: string) =>
  `--uniqueBoundary\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`;
const end = '--uniqueBoundary--\r\n';

describe('the session description in a body', () => {
  const rows: [string, string | undefined, string, string | undefined][] = [
    ['is the body', 'application/sdp', 'v=0\r\n', 'v=0\r\n'],
    ['is the body, with parameters and case', 'Application/SDP;charset=utf-8', 'v=0', 'v=0'],
    ['is not there in another type', 'application/pidf+xml', 'v=0', undefined],
    ['is not there in an empty body', 'application/sdp', '', undefined],
    ['is the only part', mixed, part('application/sdp', 'v=0\r\n') + end, 'v=0\r\n'],
    [
      'is the second part',
      mixed,
      part('text/plain', 'x') + part('application/sdp', 'v=0\r\n') + end,
      'v=0\r\n',
    ],
    ['follows a preamble', mixed, `hello\r\n${part('application/sdp', 'v=0')}${end}`, 'v=0'],
    [
      'is not in other parts',
      mixed,
      part('application/x-cisco-remotecc-request+xml', '<x/>') + end,
      undefined,
    ],
    [
      'has a quoted boundary',
      'multipart/mixed;boundary="a b"',
      '--a b\r\nc:application/sdp\r\n\r\nv=0\r\n--a b--',
      'v=0',
    ],
    [
      'is not a boundary in mid line',
      mixed,
      part('application/sdp', 'a=x --uniqueBoundary--') + end,
      'a=x --uniqueBoundary--',
    ],
  ];
  test.each(rows)('%s', (_name, type, body, expected) => {
    const bytes = Buffer.from(body, 'latin1');
    const span = findSdp(type, bytes);
    expect(span && bytes.toString('latin1', span.start, span.end)).toBe(expected);
  });

  const refused: [string, string | undefined, string][] = [
    ['no type at all', undefined, 'v=0'],
    ['no boundary', 'multipart/mixed', 'x'],
    ['an over-long boundary', `multipart/mixed; boundary=${'b'.repeat(71)}`, 'x'],
    ['no delimiter', mixed, 'v=0'],
    ['no end', mixed, part('application/sdp', 'v=0')],
    ['two descriptions', mixed, part('application/sdp', 'v=0') + part('application/sdp', 'v=0') + end],
    ['too many parts', mixed, part('text/plain', 'x').repeat(40) + end],
    // What another parser may find in it although this one does not: it would go on with the client's own addresses.
    ['parts inside a part', mixed, part('Multipart/Alternative;boundary=b', 'x') + end],
    ['a part of two types', mixed, part('text/plain\r\nContent-Type: application/sdp', 'v=0') + end],
    ['a part whose short and long type differ', mixed, part('text/plain\r\nc: application/sdp', 'v=0') + end],
    ['a folded part header', mixed, part('\r\n application/sdp', 'v=0') + end],
    ['a blank before the colon', mixed, part('text/plain\r\nContent-Type : application/sdp', 'v=0') + end],
    [
      'a bare line feed in part headers',
      mixed,
      part('text/plain\nContent-Type: application/sdp', 'v=0') + end,
    ],
    [
      'a delimiter after a bare line feed',
      mixed,
      part('text/plain', 'x\n--uniqueBoundary\nContent-Type: application/sdp\n\nv=0\n--uniqueBoundary') + end,
    ],
    [
      'an encoded description',
      mixed,
      part('application/sdp\r\nContent-Transfer-Encoding: base64', 'dj0w') + end,
    ],
    ['a type that cannot be read', 'multipart', 'x'],
    [
      'a line that only begins like its delimiter',
      mixed,
      `${part('application/sdp', 'v=0\r\n--uniqueBoundary2\r\nc=x')}${end}`,
    ],
    ['two types in one', 'text/plain, application/sdp', 'v=0'],
    [
      'a second boundary',
      'multipart/mixed; boundary=a; boundary=b',
      '--b\r\nc: application/sdp\r\n\r\nv=0\r\n--b--',
    ],
    [
      'a description after the end',
      mixed,
      `${part('text/plain', 'x')}${end}${part('application/sdp', 'v=0')}${end}`,
    ],
  ];
  test.each(refused)('is refused with %s', (_name, type, body) => {
    expect(() => findSdp(type, Buffer.from(body))).toThrow(BodyError);
  });

  test('is replaced and nothing else changes', () => {
    const body = Buffer.from(part('text/plain', 'x') + part('application/sdp', 'v=0\r\n') + end);
    const span = findSdp(mixed, body);
    if (span === undefined) throw new Error('not found');
    const expected = part('text/plain', 'x') + part('application/sdp', 'v=0\r\ns=new\r\n') + end;
    expect(replaceSdp(body, span, Buffer.from('v=0\r\ns=new\r\n')).toString()).toBe(expected);
  });

  test('of any bytes is a span, nothing, or a BodyError', () => {
    const piece = fc.constantFrom(
      '--uniqueBoundary',
      '--',
      '\r\n',
      'Content-Type: application/sdp',
      'v=0',
      ' ',
      'c:',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const body = Buffer.from(pieces.join(''));
        try {
          const span = findSdp(mixed, body);
          if (span !== undefined) expect(span.start <= span.end && span.end <= body.length).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(BodyError);
        }
      }),
    );
  });
});
