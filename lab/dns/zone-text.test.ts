import { expect, test } from 'vitest';
import { parseZone, ZoneTextError } from './zone-text.ts';

test('rows, comments, relative and absolute names', () => {
  const zone = parseZone(
    'Example.COM.',
    '@ IN A 10.0.0.1 ; the apex\n\nedge 300 IN A 10.0.0.2\n_x._tcp SRV 1 2 3 edge',
  );
  expect(zone).toEqual({
    origin: 'example.com',
    records: [
      { type: 'A', name: 'example.com', ttl: 60, address: '10.0.0.1' },
      { type: 'A', name: 'edge.example.com', ttl: 300, address: '10.0.0.2' },
      {
        type: 'SRV',
        name: '_x._tcp.example.com',
        ttl: 60,
        priority: 1,
        weight: 2,
        port: 3,
        target: 'edge.example.com',
      },
    ],
  });
});

test.each([
  ['unknown type', 'a MX 10 b'],
  ['no type', 'a'],
  ['short address', 'a A 10.0.0'],
  ['octet too large', 'a A 10.0.0.256'],
  ['two addresses', 'a A 10.0.0.1 10.0.0.2'],
  ['SRV without target', 'a SRV 1 2 3'],
  ['SRV port too large', 'a SRV 1 2 65536 b'],
  ['SRV with words', 'a SRV x 2 3 b'],
])('%s is an error that names the line', (_, row) => {
  expect(() => parseZone('example.com', `ok A 10.0.0.1\n${row}`)).toThrow(ZoneTextError);
  expect(() => parseZone('example.com', `ok A 10.0.0.1\n${row}`)).toThrow(/line 2/);
});
