// Which zones let ICE pass: those over TLS of a cluster that says so.
import { expect, test } from 'vitest';
import type { CallControlNode } from './node.ts';
import { sipZonesOf } from './sip-zones.ts';

const node = {
  name: 'cm1.example.com',
  kinds: ['unified-cm'],
  addresses: ['10.0.0.1'],
  cluster: 'cm1',
  deployment: 'default',
  trust: undefined,
} as unknown as CallControlNode;
const ports = { tcpPort: 5060, tlsPort: 5061, oauthPort: 5091 };

test.each([
  ['on', true, [false, true, true]],
  ['off', false, [false, false, false]],
])('ICE passthrough %s', (_name, passesIce, expected) => {
  const zones = sipZonesOf(node, { ...ports, passesIce });
  expect(zones.map(({ zone }) => zone.split('-')[0])).toEqual(['CEtcp', 'CEtls', 'CEOAuth']);
  expect(zones.map((zone) => zone.passesIce)).toEqual(expected);
});
