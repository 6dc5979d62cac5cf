import { describe, expect, test } from 'vitest';
import { HeaderList, makeLine } from '../header-list.ts';
import { popRoutePair, pushRecordRoutes } from './route-pair.ts';

const outside = { host: 'edge.example.com', port: 5061, transport: 'tls' } as const;
const inside = { host: 'edge.example.com', port: 7001, transport: 'tls' } as const;

function routes(...values: string[]): HeaderList {
  return new HeaderList(values.map((value) => makeLine('Route', value)));
}

describe('a pair of record routes', () => {
  test('is written above what is there, the side it goes to on top', () => {
    const headers = new HeaderList([makeLine('Record-Route', '<sip:other;lr>')]);
    pushRecordRoutes(headers, 'u1', outside, inside, 'b1');
    expect(headers.getAll('Record-Route')).toEqual([
      '<sip:proxy-call-id=u1@edge.example.com:7001;transport=tls;lr;binding=b1>',
      '<sip:proxy-call-id=u1@edge.example.com:5061;transport=tls;lr;binding=b1>',
      '<sip:other;lr>',
    ]);
  });

  const a = '<sip:proxy-call-id=u1@edge.example.com:7001;transport=tls;lr>';
  const b = '<sip:proxy-call-id=u1@edge.example.com:5061;transport=tls;lr;binding=b1>';
  const other = '<sip:proxy-call-id=u2@edge.example.com:5061;transport=tls;lr>';
  const rows: [string, HeaderList, object | undefined, string[]][] = [
    ['goes as a pair', routes(a, b, other), { proxyCallId: 'u1', binding: 'b1' }, [other]],
    [
      'goes as a pair on one line',
      routes(`${a},${b}, ${other}`),
      { proxyCallId: 'u1', binding: 'b1' },
      [other],
    ],
    [
      'goes alone when the next has another id',
      routes(b, other),
      { proxyCallId: 'u1', binding: 'b1' },
      [other],
    ],
    ['stays when it is not on top', routes('<sip:x;lr>', a), undefined, ['<sip:x;lr>', a]],
    ['is not there', routes(), undefined, []],
    ['stays when it is of another scheme', routes('<tel:1>'), undefined, ['<tel:1>']],
  ];
  test.each(rows)('%s', (_name, headers, popped, left) => {
    expect(popRoutePair(headers, (uri) => uri.host === 'edge.example.com')).toEqual(popped);
    expect(headers.getAll('Route')).toEqual(left);
  });

  test('of another host stays', () => {
    const headers = routes(a);
    expect(popRoutePair(headers, () => false)).toBeUndefined();
    expect(headers.getAll('Route')).toEqual([a]);
  });
});
