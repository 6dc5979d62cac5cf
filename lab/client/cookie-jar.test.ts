import { expect, test } from 'vitest';
import { CookieJar } from './cookie-jar.ts';

const future = 'Fri, 09 May 2036 20:21:31 GMT';
const now = Date.parse('Fri, 09 May 2030 20:21:31 GMT');

test.each([
  ['as the edge sends it', `X-Auth=abc; Expires=${future}; Domain=.example.com ; Path=/; Secure`, 'stored'],
  ['without expiry: a session cookie', 'X-Auth=abc; Domain=.example.com; Path=/; Secure', 'stored'],
  ['host only', 'X-Auth=abc; Path=/; Secure', 'stored'],
  ['for a domain that is not the edge’s', 'X-Auth=abc; Domain=.example.net; Secure', 'foreign-domain'],
  ['for a look-alike domain', 'X-Auth=abc; Domain=.ample.com; Secure', 'foreign-domain'],
  ['with an expiry nobody can read', 'X-Auth=abc; Expires=soon; Domain=.example.com; Secure', 'bad-expiry'],
  ['for clear connections too', 'X-Auth=abc; Domain=.example.com', 'not-secure'],
  ['nameless', '=abc; Secure', 'malformed'],
])('a cookie %s', (_, value, result) => {
  const jar = new CookieJar();
  expect(jar.store('edge.example.com', value)).toBe(result);
  const stored = result === 'stored';
  expect(jar.headerFor('edge.example.com', now)).toBe(stored ? 'X-Auth=abc' : undefined);
});

test('a domain cookie goes to a sibling edge, a host cookie does not', () => {
  const jar = new CookieJar();
  jar.store('edge1.example.com', 'a=1; Domain=.example.com; Secure');
  jar.store('edge1.example.com', 'b=2; Secure');
  expect(jar.headerFor('edge2.example.com', now)).toBe('a=1');
  expect(jar.headerFor('edge1.example.com', now)).toBe('a=1; b=2');
});

test('an expired cookie is not sent and the jar is bounded', () => {
  const jar = new CookieJar(2);
  jar.store('edge.example.com', 'old=1; Expires=Fri, 09 May 2014 20:21:31 GMT; Secure');
  expect(jar.headerFor('edge.example.com', now)).toBeUndefined();
  for (const name of ['a', 'b', 'c']) jar.store('edge.example.com', `${name}=1; Secure`);
  expect(jar.headerFor('edge.example.com', now)).toBe('b=1; c=1');
});
