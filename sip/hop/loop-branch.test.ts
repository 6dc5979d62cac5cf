import { describe, expect, test } from 'vitest';
import { parseMessage, type SipRequest } from '../index.ts';
import { BranchMaker, isLooped, loopHash } from './loop-branch.ts';
import { takeHop } from './hop-count.ts';

function request(
  changes: { uri?: string; route?: string; vias?: string[]; cseq?: string; maxForwards?: string } = {},
): SipRequest {
  const { uri = 'sip:b@example.com', vias = ['SIP/2.0/TLS ua;branch=z9hG4bK1'], cseq = '1' } = changes;
  const lines = [
    `MESSAGE ${uri} SIP/2.0`,
    ...vias.map((via) => `Via: ${via}`),
    ...(changes.route === undefined ? [] : [`Route: ${changes.route}`]),
    ...(changes.maxForwards === undefined ? [] : [`Max-Forwards: ${changes.maxForwards}`]),
    'From: <sip:a@example.com>;tag=1',
    'To: <sip:b@example.com>',
    'Call-ID: c',
    `CSeq: ${cseq} MESSAGE`,
    'Content-Length: 0',
  ];
  return parseMessage(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)) as SipRequest;
}

const ours = (hash: string, port = 7001) =>
  `SIP/2.0/TLS Edge1:${port};branch=z9hG4bKx.${hash};proxy-call-id=u`;

describe('loop hash', () => {
  test('is the same for the same request, and another for whatever routes it elsewhere', () => {
    const hash = loopHash(request());
    expect(loopHash(request({ vias: ['SIP/2.0/TLS other;branch=z9hG4bK9'] }))).toBe(hash);
    expect(hash).toMatch(/^[0-9a-f]{8}$/);
    for (const change of [{ uri: 'sip:c@example.com' }, { route: '<sip:x;lr>' }, { cseq: '2' }]) {
      expect(loopHash(request(change))).not.toBe(hash);
    }
  });

  const hash = loopHash(request());
  const rows: [string, string[], boolean][] = [
    ['only the sender’s hop', ['SIP/2.0/TLS ua;branch=z9hG4bK1'], false],
    ['our hop with this hash', [`SIP/2.0/TLS far;branch=z9hG4bK2`, ours(hash)], true],
    ['our hop with this hash on one line', [`SIP/2.0/TLS far;branch=z9hG4bK2, ${ours(hash)}`], true],
    ['our hop with another hash: a spiral', [`SIP/2.0/TLS far;branch=z9hG4bK2`, ours('00000000')], false],
    ['another hop with this hash', [`SIP/2.0/TLS far;branch=z9hG4bK2`, ours(hash, 5061)], false],
    [
      'the hash elsewhere in our hop',
      [`SIP/2.0/TLS far;branch=z9hG4bK2`, `SIP/2.0/TLS edge1:7001;branch=z9hG4bKq;x=.${hash}`],
      false,
    ],
  ];
  test.each(rows)('with %s', (_name, vias, looped) => {
    expect(isLooped(request({ vias }), 'edge1', [7001], hash)).toBe(looped);
  });
});

test('branches never repeat and carry the hash', () => {
  const branches = new BranchMaker('seed');
  const made = new Set(Array.from({ length: 100 }, () => branches.next('0badcafe')));
  expect(made.size).toBe(100);
  for (const branch of made) expect(branch).toMatch(/^z9hG4bKseed[0-9a-z]+\.0badcafe$/);
});

describe('Max-Forwards', () => {
  const rows: [string | undefined, boolean, string | undefined][] = [
    [undefined, true, '14'],
    ['0', false, '0'],
    ['1', true, '0'],
    ['15', true, '14'],
    ['70', true, '14'],
    ['255', true, '14'],
  ];
  test.each(rows)('%s', (before, passes, after) => {
    const message = request(before === undefined ? {} : { maxForwards: before });
    expect(takeHop(message, 15)).toBe(passes);
    expect(message.headers.get('Max-Forwards')).toBe(after);
  });
});
