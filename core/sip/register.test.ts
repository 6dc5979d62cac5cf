import { beforeEach, describe, expect, test } from 'vitest';
import { BranchMaker } from '../../sip/hop/index.ts';
import { parseMessage, type SipRequest, type SipResponse } from '../../sip/index.ts';
import { BindingTable } from './binding-table.ts';
import type { SipNode } from './node-directory.ts';
import {
  dropRegister,
  planRegister,
  settleRegister,
  type RegisterContext,
  type RegisterPlan,
} from './register.ts';
import { isRefusal } from './verdict.ts';

const node: SipNode = {
  name: 'cm1',
  addresses: ['10.0.0.1'],
  transport: 'tcp',
  port: 5060,
  zone: 'CEtcp-cm1',
};
const flow = { edge: 'edge1', token: 't' };
let table: BindingTable;
let context: RegisterContext;

beforeEach(() => {
  let ids = 0;
  table = new BindingTable({ maxBindings: 20, maxPerFlow: 4, maxPerAor: 10, randomId: () => `id${++ids}` });
  const hop = {
    edgeSide: { host: 'core1', port: 5061, transport: 'tls' },
    inside: {
      tcp: { host: '10.9.9.9', port: 5060, transport: 'tcp' },
      tls: { host: '10.9.9.9', port: 5061, transport: 'tls' },
    },
    hopCount: 15,
    branches: new BranchMaker('x'),
    randomUuid: () => 'u',
  } as const;
  context = { table, hop, pathHeaders: false, expiryGraceMs: 0 };
});

const common =
  'Via: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n';
const request = (lines: string) =>
  parseMessage(
    Buffer.from(`REGISTER sip:cm1 SIP/2.0\r\n${common}${lines}\r\nContent-Length: 0\r\n\r\n`),
  ) as SipRequest;
const response = (lines: string) =>
  parseMessage(
    Buffer.from(`SIP/2.0 200 OK\r\n${common}${lines}\r\nContent-Length: 0\r\n\r\n`),
  ) as SipResponse;

function plan(lines: string): RegisterPlan {
  const made = planRegister(request(lines), flow, node, context);
  if (isRefusal(made)) throw new Error(made.refusal);
  return made;
}

const own = '<sip:u@10.9.9.9:5060;transport=tcp;orig-hostport=h:1>';

describe('for how long a contact is bound', () => {
  const rows: [string, string, string, number | undefined][] = [
    ['the registrar’s parameter first', 'Expires: 60', `Contact: ${own};expires=30\r\nExpires: 90`, 30],
    ['then its header', 'Expires: 60', `Contact: ${own}\r\nExpires: 90`, 90],
    ['then what was asked', 'Expires: 60', `Contact: ${own}`, 60],
    ['an hour when nobody says', 'X: y', `Contact: ${own}`, 3600],
    ['its header, without any Contact', 'Expires: 60', 'Expires: 90', 90],
    ['never more than a day', 'Expires: 60', `Contact: ${own};expires=999999999`, 86_400],
    [
      'not at all when others are listed only',
      'Expires: 60',
      'Contact: <sip:u@10.9.9.9;orig-hostport=other:1>',
      undefined,
    ],
    ['not at all when granted nothing', 'Expires: 60', `Contact: ${own};expires=0`, undefined],
    ['not at all when asked to end', 'Expires: 0', `Contact: ${own};expires=30`, undefined],
    [
      'found among others',
      'Expires: 60',
      `Contact: <sip:x@y>, "A, B" ${own};expires=7, <sip:z@w>;expires=9`,
      7,
    ],
    ['a malformed parameter is none', 'Expires: 60', `Contact: ${own};expires=-1\r\nExpires: 90`, 90],
  ];
  test.each(rows)('%s', (_name, asked, answered, seconds) => {
    const made = plan(`Contact: <sip:u@h:1;transport=tls>\r\n${asked}`);
    settleRegister(made, response(answered), context, 1_000_000);
    expect(table.byUriKey('u|h:1')?.expiresAtMs).toBe(
      seconds === undefined ? undefined : 1_000_000 + seconds * 1000,
    );
    expect(table.size).toBe(seconds === undefined ? 0 : 1);
  });
});

describe('a REGISTER', () => {
  test('of several contacts binds and removes each by itself', () => {
    const both = plan('Contact: <sip:u@h:1>, <sip:v@h:1>\r\nExpires: 60');
    settleRegister(both, response('Expires: 60'), context, 0);
    expect(table.size).toBe(2);
    const one = plan('Contact: <sip:u@h:1>;expires=0, <sip:v@h:1>;expires=30');
    settleRegister(one, response('Contact: <sip:v@10.9.9.9;orig-hostport=h:1>'), context, 0);
    expect(table.byUriKey('u|h:1')).toBeUndefined();
    expect(table.byUriKey('v|h:1')?.expiresAtMs).toBe(30_000);
  });

  test('with `*` removes all of its user, and a query nothing', () => {
    settleRegister(plan('Contact: <sip:u@h:1>'), response('Expires: 60'), context, 0);
    const query = plan('X: y');
    expect(query.contacts).toEqual([]);
    settleRegister(query, response(`Contact: ${own}`), context, 0);
    expect(table.size).toBe(1);
    settleRegister(plan('Contact: *\r\nExpires: 0'), response('X: y'), context, 0);
    expect(table.size).toBe(0);
  });

  test('that hands the rewritten contact back means the binding behind it', () => {
    settleRegister(plan('Contact: <sip:u@h:1;transport=tls>'), response('Expires: 60'), context, 0);
    const again = request(`Contact: ${own}\r\nExpires: 0`);
    const made = planRegister(again, flow, node, context);
    expect(again.headers.get('Contact')).toBe(own);
    if (isRefusal(made)) throw new Error('refused');
    settleRegister(made, response('X: y'), context, 0);
    expect(table.size).toBe(0);
  });

  test('that fails leaves nothing behind', () => {
    dropRegister(plan('Contact: <sip:u@h:1>'), table);
    expect(table.claim('u|h:1', 'other@b', '')?.disambiguator).toBe(0);
  });

  const refused: [string, string, number][] = [
    ['too many contacts', `Contact: ${Array.from({ length: 9 }, (_, n) => `<sip:u${n}@h>`).join(', ')}`, 400],
    [
      'more contacts than a connection may hold',
      `Contact: ${Array.from({ length: 5 }, (_, n) => `<sip:u${n}@h>`).join(', ')}`,
      503,
    ],
  ];
  test.each(refused)('with %s is refused', (_name, lines, status) => {
    const contacts = ['a', 'b', 'c', 'd'].map((user) => `<sip:${user}@h>`).join(', ');
    settleRegister(plan(`Contact: ${contacts}`), response('Expires: 60'), context, 0);
    expect(planRegister(request(lines), flow, node, context)).toMatchObject({ status });
    expect(table.size).toBe(4);
  });

  test('of no user is refused', () => {
    const nobody = request('Contact: <sip:u@h>');
    nobody.headers.set('To', '<tel:+1555>');
    expect(planRegister(nobody, flow, node, context)).toMatchObject({ status: 400 });
  });
});
