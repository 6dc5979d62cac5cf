import { expect, test } from 'vitest';
import { discover, orderTargets, type ServiceTarget } from './discovery.ts';

const edge: ServiceTarget = { name: 'edge.example.com', port: 8443, priority: 10, weight: 10 };
const ucm: ServiceTarget = { name: 'ucm1.example.com', port: 8443, priority: 10, weight: 10 };

function resolverOf(records: Record<string, ServiceTarget[] | string>) {
  const asked: string[] = [];
  const resolveSrv = (name: string): Promise<ServiceTarget[]> => {
    asked.push(name);
    const found = records[name] ?? 'ENOTFOUND';
    if (typeof found !== 'string') return Promise.resolve(found);
    return Promise.reject(Object.assign(new Error(found), { code: found }));
  };
  return { asked, resolveSrv };
}

test('outside: both inside records are asked first and must fail', async () => {
  const resolver = resolverOf({ '_collab-edge._tls.example.com': [edge] });
  expect(await discover('example.com', resolver, () => 0)).toEqual({ kind: 'outside', targets: [edge] });
  expect(resolver.asked).toEqual([
    '_cisco-uds._tcp.example.com',
    '_cuplogin._tcp.example.com',
    '_collab-edge._tls.example.com',
  ]);
});

test('inside: the edge is never asked for', async () => {
  const resolver = resolverOf({
    '_cisco-uds._tcp.example.com': [ucm],
    '_collab-edge._tls.example.com': [edge],
  });
  expect(await discover('example.com', resolver, () => 0)).toMatchObject({ kind: 'inside', targets: [ucm] });
  expect(resolver.asked).not.toContain('_collab-edge._tls.example.com');
});

test.each([
  ['no record at all', {}, 'nothing-found'],
  ['an empty answer', { '_collab-edge._tls.example.com': 'ENODATA' }, 'nothing-found'],
  ['a resolver that is down', { '_cuplogin._tcp.example.com': 'ECONNREFUSED' }, 'resolver-failed'],
])('%s', async (_, records, code) => {
  await expect(discover('example.com', resolverOf(records), () => 0)).rejects.toMatchObject({ code });
});

test.each([
  [0, 'light'],
  [0.05, 'light'],
  [0.5, 'heavy'],
  [0.99, 'heavy'],
])('RFC 2782: a draw of %f takes %s first, the higher priority number last', (draw, first) => {
  const row = (name: string, priority: number, weight: number) => ({ name, port: 1, priority, weight });
  const targets = [row('later', 20, 5), row('light', 10, 10), row('none', 10, 0), row('heavy', 10, 90)];
  const ordered = orderTargets(targets, () => draw).map((target) => target.name);
  expect(ordered[0]).toBe(first);
  expect(ordered.at(-1)).toBe('later');
  expect([...ordered].sort()).toEqual(['heavy', 'later', 'light', 'none']);
});
