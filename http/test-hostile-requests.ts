// Fixture for tests: requests as raw bytes that no hop may read in two ways (T-100, T-103, T-108, T-111), each with
// the status that answers it. Used against the parser and through a real TLS socket. Not part of the product.
import type { HttpReason } from './http-error.ts';

export interface HostileRequest {
  readonly name: string;
  readonly raw: string;
  readonly status: number;
  readonly reason: HttpReason;
}

const HOST = 'Host: edge.example.com\r\n';
const row = (name: string, raw: string, status: number, reason: HttpReason): HostileRequest => ({
  name,
  raw,
  status,
  reason,
});
/** A POST with these lines after Host, and a body that would be a second request to a lax reader. */
const post = (lines: string, body = ''): string => `POST /dGVzdA/x HTTP/1.1\r\n${HOST}${lines}\r\n${body}`;
const get = (target: string): string => `GET ${target} HTTP/1.1\r\n${HOST}\r\n`;
const field = (line: string): string => `GET /dGVzdA/x HTTP/1.1\r\n${HOST}${line}\r\n\r\n`;
const SMUGGLED = '0\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n';

const FRAMING: readonly HostileRequest[] = [
  row(
    'both lengths, length first',
    post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', SMUGGLED),
    400,
    'framing',
  ),
  row(
    'both lengths, coding first',
    post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', SMUGGLED),
    400,
    'framing',
  ),
  row('two lengths that differ', post('Content-Length: 4\r\nContent-Length: 0\r\n', 'abcd'), 400, 'framing'),
  row('two equal lengths', post('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd'), 400, 'framing'),
  row('list of lengths', post('Content-Length: 4, 4\r\n', 'abcd'), 400, 'framing'),
  row('signed length', post('Content-Length: +4\r\n', 'abcd'), 400, 'framing'),
  row('negative length', post('Content-Length: -4\r\n', 'abcd'), 400, 'framing'),
  row('hexadecimal length', post('Content-Length: 0x4\r\n', 'abcd'), 400, 'framing'),
  row('length with exponent', post('Content-Length: 1e1\r\n', 'abcd'), 400, 'framing'),
  row('length with fraction', post('Content-Length: 4.0\r\n', 'abcd'), 400, 'framing'),
  row('length in two words', post('Content-Length: 1 0\r\n', 'abcd'), 400, 'framing'),
  row('empty length', post('Content-Length:\r\n', 'abcd'), 400, 'framing'),
  row('length of 2^53', post('Content-Length: 9007199254740992\r\n', 'abcd'), 400, 'framing'),
  row('length beyond 64 bits', post('Content-Length: 18446744073709551620\r\n', 'abcd'), 400, 'framing'),
  row('length with a digit that is not ASCII', post('Content-Length: 4\u00b2\r\n', 'abcd'), 400, 'framing'),
  row(
    'two codings in two fields',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', SMUGGLED),
    400,
    'framing',
  ),
  row(
    'chunked and identity in two fields',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', SMUGGLED),
    400,
    'framing',
  ),
  row('empty coding', post('Transfer-Encoding:\r\n', SMUGGLED), 400, 'framing'),
  row(
    'chunked twice in a list',
    post('Transfer-Encoding: chunked, chunked\r\n', SMUGGLED),
    501,
    'transfer-coding',
  ),
  row('chunked not last', post('Transfer-Encoding: chunked, gzip\r\n', SMUGGLED), 501, 'transfer-coding'),
  row('gzip before chunked', post('Transfer-Encoding: gzip, chunked\r\n', SMUGGLED), 501, 'transfer-coding'),
  row('identity', post('Transfer-Encoding: identity\r\n', 'abcd'), 501, 'transfer-coding'),
  row(
    'coding that only looks like chunked',
    post('Transfer-Encoding: xchunked\r\n', SMUGGLED),
    501,
    'transfer-coding',
  ),
  row('quoted coding', post('Transfer-Encoding: "chunked"\r\n', SMUGGLED), 400, 'framing'),
  row(
    'coding after vertical tab',
    post('Transfer-Encoding: \u000bchunked\r\n', SMUGGLED),
    400,
    'control-character',
  ),
  row(
    'coding after form feed',
    post('Transfer-Encoding: \u000cchunked\r\n', SMUGGLED),
    400,
    'control-character',
  ),
  row('coding after no-break space', post('Transfer-Encoding: \u00a0chunked\r\n', SMUGGLED), 400, 'framing'),
  row('coding with NUL', post('Transfer-Encoding: chunked\u0000\r\n', SMUGGLED), 400, 'control-character'),
  row('coding with underscore in the name', post('Transfer_Encoding: chunked\r\n', SMUGGLED), 400, 'framing'),
  row('length with underscore in the name', post('Content_Length: 4\r\n', 'abcd'), 400, 'framing'),
  row('length with dot in the name', post('content.length: 4\r\n', 'abcd'), 400, 'framing'),
];

const FIELDS: readonly HostileRequest[] = [
  row('space before the colon', post('Content-Length : 4\r\n', 'abcd'), 400, 'header-name'),
  row('tab before the colon', post('Transfer-Encoding\t: chunked\r\n', SMUGGLED), 400, 'header-name'),
  row('folded coding', post('Transfer-Encoding:\r\n chunked\r\n', SMUGGLED), 400, 'folded-header'),
  row('folded with tab', field('X: a\r\n\tb'), 400, 'folded-header'),
  row('first line folded', `GET /dGVzdA/x HTTP/1.1\r\n ${HOST}\r\n`, 400, 'folded-header'),
  row('line ended by LF', `GET /dGVzdA/x HTTP/1.1\n${HOST}\r\n`, 400, 'bare-cr-or-lf'),
  row('all lines ended by LF', 'GET /dGVzdA/x HTTP/1.1\nHost: edge.example.com\n\n', 400, 'bare-cr-or-lf'),
  row('LF within a value', field('X: a\nTransfer-Encoding: chunked'), 400, 'bare-cr-or-lf'),
  row('CR within a value', field('X: a\rTransfer-Encoding: chunked'), 400, 'bare-cr-or-lf'),
  row('CR CR LF', field('X: a\r'), 400, 'bare-cr-or-lf'),
  row('LF before the request', `\nGET /dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 400, 'bare-cr-or-lf'),
  row('two empty lines before the request', `\r\n\r\n${get('/dGVzdA/x')}`, 400, 'syntax'),
  row('NUL in a value', field('X: a\u0000b'), 400, 'control-character'),
  row('NUL in a name', field('X\u0000: a'), 400, 'control-character'),
  row('escape in a value', field('X: \u001b[2J'), 400, 'control-character'),
  row('DEL in a value', field('X: \u007f'), 400, 'control-character'),
  row('line without colon', field('Content-Length 4'), 400, 'header-name'),
  row('empty name', field(': a'), 400, 'header-name'),
  row('name with parentheses', field('X(y): a'), 400, 'header-name'),
  row('name beyond ASCII', field('X\u00e4: a'), 400, 'header-name'),
  row('name of 300 bytes', field(`${'x'.repeat(300)}: a`), 431, 'header-name'),
  row(
    '101 fields',
    field(Array.from({ length: 101 }, (_, i) => `X${i}: a`).join('\r\n')),
    431,
    'too-many-headers',
  ),
  row('head too large', field(`X: ${'a'.repeat(40_000)}`), 431, 'head-too-large'),
  row('other expectation', post('Expect: 200-ok\r\nContent-Length: 0\r\n'), 417, 'expectation'),
  row(
    'two expectations',
    post('Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 0\r\n'),
    417,
    'expectation',
  ),
];

const START_LINES: readonly HostileRequest[] = [
  row('HTTP/1.0', `GET /dGVzdA/x HTTP/1.0\r\n${HOST}\r\n`, 505, 'version'),
  row('HTTP/1.2', `GET /dGVzdA/x HTTP/1.2\r\n${HOST}\r\n`, 505, 'version'),
  row('HTTP/2.0', `GET /dGVzdA/x HTTP/2.0\r\n${HOST}\r\n`, 505, 'version'),
  row('HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'version'),
  row('HTTP/0.9', 'GET /dGVzdA/x\r\n\r\n', 400, 'syntax'),
  row('lower-case version', `GET /dGVzdA/x http/1.1\r\n${HOST}\r\n`, 400, 'syntax'),
  row('longer version', `GET /dGVzdA/x HTTP/1.10\r\n${HOST}\r\n`, 400, 'syntax'),
  row('two spaces', `GET  /dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 400, 'syntax'),
  row('space in the target', `GET /dGVzdA/a b HTTP/1.1\r\n${HOST}\r\n`, 400, 'syntax'),
  row('tab for space', `GET\t/dGVzdA/x\tHTTP/1.1\r\n${HOST}\r\n`, 400, 'syntax'),
  row('space behind the version', `GET /dGVzdA/x HTTP/1.1 \r\n${HOST}\r\n`, 400, 'syntax'),
  row('method in lower case', `get /dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 501, 'method'),
  row('unknown method', `BREW /dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 501, 'method'),
  row('method that is no token', `G(T /dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 400, 'syntax'),
  row('CONNECT', `CONNECT inside:443 HTTP/1.1\r\n${HOST}\r\n`, 405, 'method'),
  row('TRACE', `TRACE /dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 405, 'method'),
  row('absolute-form', `GET http://edge.example.com/dGVzdA/x HTTP/1.1\r\n${HOST}\r\n`, 400, 'target'),
  row('absolute-form to elsewhere', `GET http://inside/x HTTP/1.1\r\n${HOST}\r\n`, 400, 'target'),
  row('asterisk-form', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 400, 'target'),
  row('target too long', get(`/dGVzdA/${'a'.repeat(9000)}`), 414, 'target-too-long'),
  row('target without end', `GET /${'a'.repeat(40_000)}`, 414, 'target-too-long'),
  row('TLS record', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000', 400, 'control-character'),
];

const HOSTS: readonly HostileRequest[] = [
  row('no Host', 'GET /dGVzdA/x HTTP/1.1\r\n\r\n', 400, 'host'),
  row('two Hosts', `GET /dGVzdA/x HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400, 'host'),
  row('empty Host', 'GET /dGVzdA/x HTTP/1.1\r\nHost:\r\n\r\n', 400, 'host'),
  row('list of Hosts', 'GET /dGVzdA/x HTTP/1.1\r\nHost: edge.example.com, x\r\n\r\n', 400, 'host'),
  row('Host with user', 'GET /dGVzdA/x HTTP/1.1\r\nHost: x@edge.example.com\r\n\r\n', 400, 'host'),
  row('Host with path', 'GET /dGVzdA/x HTTP/1.1\r\nHost: edge.example.com/x\r\n\r\n', 400, 'host'),
  row('Host with port 0', 'GET /dGVzdA/x HTTP/1.1\r\nHost: edge.example.com:0\r\n\r\n', 400, 'host'),
  row(
    'Host with port beyond 65535',
    'GET /dGVzdA/x HTTP/1.1\r\nHost: edge.example.com:65536\r\n\r\n',
    400,
    'host',
  ),
  row('Host with two ports', 'GET /dGVzdA/x HTTP/1.1\r\nHost: edge.example.com:1:2\r\n\r\n', 400, 'host'),
];

const PATHS: readonly HostileRequest[] = [
  ['encoded slash', '/dGVzdA/a%2fb'],
  ['encoded backslash', '/dGVzdA/a%5cb'],
  ['backslash', '/dGVzdA/a\\b'],
  ['dot segments', '/dGVzdA/a/../b'],
  ['dot segments at the end', '/dGVzdA/a/..'],
  ['single dot', '/dGVzdA/./b'],
  ['encoded dots', '/dGVzdA/%2e%2e/b'],
  ['half-encoded dots', '/dGVzdA/.%2E/b'],
  ['dots before a parameter', '/dGVzdA/..;/b'],
  ['parameter', '/dGVzdA/a;x=1/b'],
  ['encoded semicolon', '/dGVzdA/a%3bx'],
  ['encoded NUL', '/dGVzdA/a%00.xml'],
  ['encoded line break', '/dGVzdA/a%0d%0aX:y'],
  ['doubly encoded slash', '/dGVzdA/a%252fb'],
  ['doubly encoded percent', '/dGVzdA/a%25252fb'],
  ['overlong slash', '/dGVzdA/a%c0%afb'],
  ['invalid UTF-8', '/dGVzdA/a%ffb'],
  ['surrogate', '/dGVzdA/%ed%a0%80'],
  ['full-width slash', '/dGVzdA/a%ef%bc%8fb'],
  ['full-width dots', '/dGVzdA/%ef%bc%8e%ef%bc%8e/b'],
  ['one dot leader pair', '/dGVzdA/%e2%80%a5/b'],
  ['percent alone', '/dGVzdA/a%'],
  ['percent with one digit', '/dGVzdA/a%2'],
  ['percent with no digits', '/dGVzdA/a%zz'],
  ['IIS encoding', '/dGVzdA/a%u002fb'],
  ['fragment', '/dGVzdA/a#b'],
  ['raw byte beyond ASCII', '/dGVzdA/\u00e4'],
  ['encoded NUL in the query', '/dGVzdA/a?x=%00'],
  ['encoded line break in the query', '/dGVzdA/a?x=%0d%0a'],
  ['fragment in the query', '/dGVzdA/a?x#y'],
  ['percent alone in the query', '/dGVzdA/a?x=%'],
].map(([name = '', target = '']) => row(`path: ${name}`, get(target), 400, 'target'));

/** Refused as soon as the head is read. */
export const HOSTILE_HEADS: readonly HostileRequest[] = [
  ...FRAMING,
  ...FIELDS,
  ...START_LINES,
  ...HOSTS,
  ...PATHS,
];

const chunked = (name: string, body: string, reason: HttpReason = 'chunk', status = 400): HostileRequest =>
  row(`chunks: ${name}`, post('Transfer-Encoding: chunked\r\n', body), status, reason);

/** Refused while the body is read. */
export const HOSTILE_BODIES: readonly HostileRequest[] = [
  chunked('size with sign', '+3\r\nabc\r\n0\r\n\r\n'),
  chunked('size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'),
  chunked('empty size', '\r\nabc\r\n0\r\n\r\n'),
  chunked('size before space', '3 \r\nabc\r\n0\r\n\r\n'),
  chunked('size after space', ' 3\r\nabc\r\n0\r\n\r\n'),
  chunked('size of 13 digits', '1000000000003\r\nabc\r\n0\r\n\r\n'),
  chunked('size that is negative in 32 bits', 'fffffffffffffffd\r\nabc'),
  chunked('size ended by LF', '3\nabc\r\n0\r\n\r\n'),
  chunked('size ended by CR alone', '3\rabc\r\n0\r\n\r\n'),
  chunked('data ended by LF', '3\r\nabc\n0\r\n\r\n'),
  chunked('data longer than its size', '3\r\nabcd\r\n0\r\n\r\n'),
  chunked('data ended by CR and more', '3\r\nabc\rx0\r\n\r\n'),
  chunked('LF in an extension', '3;a\nb\r\nabc\r\n0\r\n\r\n'),
  chunked('CR in an extension', '3;a\rb\r\nabc\r\n0\r\n\r\n'),
  chunked('LF in a quoted extension', '3;a="\n"\r\nabc\r\n0\r\n\r\n'),
  chunked('space in an extension', '3; a=b\r\nabc\r\n0\r\n\r\n'),
  chunked('bytes behind a quoted extension', '3;a="b"c\r\nabc\r\n0\r\n\r\n'),
  chunked('NUL in an extension', '3;a\u0000\r\nabc\r\n0\r\n\r\n'),
  chunked('endless extension', `3;${'a'.repeat(20_000)}`),
  chunked('extensions on every chunk', `1;${'a'.repeat(500)}\r\nx\r\n`.repeat(40)),
  chunked('trailer without colon', '0\r\nabc\r\n\r\n', 'trailer'),
  chunked('trailer ended by LF', '0\r\na: b\n\r\n', 'trailer'),
  chunked('folded trailer', '0\r\na: b\r\n c\r\n\r\n', 'trailer'),
  chunked('NUL in a trailer', '0\r\na: \u0000\r\n\r\n', 'trailer'),
  chunked('endless trailers', `0\r\n${'a: b\r\n'.repeat(2000)}`, 'trailer', 431),
];
