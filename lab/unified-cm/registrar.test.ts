import { describe, expect, test } from 'vitest';
import { createRequest, type HeaderPair, type SipResponse } from '../../sip/index.ts';
import { exampleEnterprise } from './enterprise.ts';
import { Registrar } from './registrar.ts';

const enterprise = exampleEnterprise([{ name: 'ucm1.example.com', address: '127.0.10.30' }]);
const challenge: HeaderPair = ['WWW-Authenticate', 'Digest realm="ccmsipline"'];

function setUp() {
  const registrar = new Registrar({
    enterprise,
    checkDigest: (request) => (request.headers.has('authorization') ? undefined : challenge),
    grantedSeconds: 120,
    maxContacts: 2,
    createTag: () => 'server',
  });
  let cseq = 0;
  const register = (number: string, headers: readonly HeaderPair[], nowMs = 0, overrides = {}): SipResponse =>
    registrar.handle(
      createRequest({
        method: 'REGISTER',
        uri: 'sip:ucm1.example.com',
        via: 'SIP/2.0/TCP 127.0.10.20:5060;branch=z9hG4bK1',
        from: `<sip:${number}@ucm1.example.com>;tag=1`,
        to: `<sip:${number}@ucm1.example.com>`,
        callId: 'one',
        cseq: (cseq += 1),
        headers: [['Authorization', 'Digest'], ...headers],
        ...overrides,
      }),
      nowMs,
    );
  return { registrar, register };
}
const contact = (text: string): HeaderPair => ['Contact', text];
const bob = '<sip:bob@127.0.10.200:5060;transport=tcp>';

describe('a registration', () => {
  test('is granted 120 s, marked new once, and says whose it is', () => {
    const { registrar, register } = setUp();
    const uri = 'sip:7514c56a@127.0.10.20:5060;transport=tcp;orig-hostport=127.0.10.100:58980';
    const text = `<${uri}>;+sip.instance="<urn:uuid:0>";+u.sip!devicename.ccm.cisco.com="CSFALICE";video`;
    const first = register('1001', [contact(`${text};expires=3600`)]);
    expect(first.status).toBe(200);
    expect(first.headers.get('contact')).toBe(
      `${text};+u.sip!userid.ccm.cisco.com="alice";x-cisco-newreg;expires=120`,
    );
    expect(first.headers.get('expires')).toBe('120');
    expect(first.headers.getAll('supported')).toContain('X-cisco-supports-AR_SK');
    expect(register('1001', [contact(text)], 60_000).headers.get('contact')).not.toContain('newreg');
    expect(registrar.lookUp('1001', 61_000).map((one) => one.uri)).toEqual([uri]);
  });

  test('ends when its time is over', () => {
    const { registrar, register } = setUp();
    register('1002', [contact(bob)]);
    expect(registrar.lookUp('1002', 119_999)).toHaveLength(1);
    expect(registrar.lookUp('1002', 120_000)).toHaveLength(0);
  });

  test('keeps its Path, newest contact first', () => {
    const { registrar, register } = setUp();
    register('1002', [contact(bob)]);
    const answer = register('1002', [contact('<sip:b@127.0.10.20:5060>'), ['Path', '<sip:core;lr>']], 0, {
      callId: 'two',
    });
    expect(answer.headers.getAll('path')).toEqual(['<sip:core;lr>']);
    expect(registrar.lookUp('1002', 1)[0]).toMatchObject({
      uri: 'sip:b@127.0.10.20:5060',
      path: ['<sip:core;lr>'],
    });
  });

  test.each([
    ['by contact', [contact(`${bob};expires=0`)]],
    ['by header', [contact(bob), ['Expires', '0'] as const]],
    ['all at once', [contact('*'), ['Expires', '0'] as const]],
  ])('is removed %s', (_, headers) => {
    const { registrar, register } = setUp();
    register('1002', [contact(bob)]);
    expect(register('1002', headers).status).toBe(200);
    expect(registrar.lookUp('1002', 1)).toEqual([]);
  });
});

describe('refused', () => {
  test.each([
    ['an unknown number', '4711', [contact(bob)], {}, 404],
    ["somebody else's line", '1002', [contact(`${bob};+u.sip!devicename.ccm.cisco.com="CSFALICE"`)], {}, 404],
    ['the wildcard without Expires 0', '1002', [contact('*')], {}, 400],
    ['a malformed contact', '1002', [contact('<sip:')], {}, 400],
    ['an old request that comes late', '1002', [contact(bob)], { cseq: 1 }, 500],
    ['a third contact', '1002', [contact('<sip:b@1.1.1.1>, <sip:c@1.1.1.1>')], { callId: 'two' }, 403],
  ])('%s', (_, number, headers, overrides, status) => {
    const { registrar, register } = setUp();
    register('1002', [contact(bob)]);
    const before = registrar.lookUp('1002', 1);
    expect(register(number, headers, 1, overrides).status).toBe(status);
    expect(registrar.lookUp('1002', 1)).toEqual(before);
  });

  test('a line with a digest password, until it proves that it has it', () => {
    const { registrar, register } = setUp();
    const answer = register('1001', [contact(bob)], 0, { headers: [contact(bob)] });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe(challenge[1]);
    expect(registrar.lookUp('1001', 1)).toEqual([]);
  });
});

test('a question without Contact is answered with what is registered', () => {
  const { register } = setUp();
  register('1002', [contact(bob)]);
  expect(register('1002', [], 20_000).headers.get('contact')).toContain('expires=100');
});
