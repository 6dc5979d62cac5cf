import { expect, test } from 'vitest';
import { edgeAddressOf } from './edge-address.ts';

test.each([
  ['edge.example.com', 'example.com'],
  ['edge1.dmz.example.com', 'dmz.example.com'],
  ['edge.com', 'edge.com'],
  ['edge', 'edge'],
])('the cookie domain of %s is %s', (peer, cookieDomain) => {
  const ports = { httpsPort: 8443, sipPort: 5061, xmppPort: undefined };
  expect(edgeAddressOf(peer, ports)).toEqual({ peer, address: peer, ...ports, cookieDomain });
});
