import { describe, expect, test } from 'vitest';
import { HeaderList, makeLine } from '../header-list.ts';
import { pushVia, stampArrival } from './via-stamp.ts';

const arrival = {
  address: '10.88.246.8',
  port: 58980,
  ingressZone: 'CollaborationEdgeZone',
  ingressZoneId: undefined,
};
const tail = ';received=10.88.246.8;rport=58980;ingress-zone=CollaborationEdgeZone';

describe('arrival in the top Via', () => {
  const rows: [string, string, string][] = [
    [
      'is appended',
      'SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK1',
      `SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK1${tail}`,
    ],
    [
      'fills an asked rport',
      'SIP/2.0/TLS a:1;rport;branch=z9hG4bK1',
      `SIP/2.0/TLS a:1;branch=z9hG4bK1${tail}`,
    ],
    [
      'replaces a forged one',
      'SIP/2.0/TLS a:1;Received=9.9.9.9;branch=z9hG4bK1;Ingress-Zone=inside',
      `SIP/2.0/TLS a:1;branch=z9hG4bK1${tail}`,
    ],
    [
      'leaves further hops alone',
      'SIP/2.0/TLS a;branch=z9hG4bK1, SIP/2.0/UDP b;rport',
      `SIP/2.0/TLS a;branch=z9hG4bK1${tail}, SIP/2.0/UDP b;rport`,
    ],
  ];
  test.each(rows)('%s', (_name, value, expected) => {
    const headers = new HeaderList([makeLine('Via', value)]);
    stampArrival(headers, arrival);
    expect(headers.get('Via')).toBe(expected);
  });

  test('has the zone number when the zone has one', () => {
    const headers = new HeaderList([makeLine('Via', 'SIP/2.0/TLS a;branch=z9hG4bK1')]);
    stampArrival(headers, { ...arrival, ingressZoneId: 3 });
    expect(headers.get('Via')).toBe(`SIP/2.0/TLS a;branch=z9hG4bK1${tail};ingress-zone-id=3`);
  });
});

test('our own Via goes on top', () => {
  const headers = new HeaderList([makeLine('Via', 'SIP/2.0/TLS a;branch=z9hG4bK1')]);
  const own = {
    host: '10.1.1.1',
    port: 7001,
    egressZone: 'inside',
    branch: 'z9hG4bK2',
    proxyCallId: 'u',
  } as const;
  pushVia(headers, { transport: 'TLS', ...own });
  expect(headers.first('Via')).toBe(
    'SIP/2.0/TLS 10.1.1.1:7001;egress-zone=inside;branch=z9hG4bK2;proxy-call-id=u;rport',
  );
});
