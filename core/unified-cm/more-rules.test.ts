// Own rules that change while core runs: their hosts become nodes of the right deployment, pinned before a request may use
// them, and gone with the last rule.
import { beforeEach, expect, test } from 'vitest';
import { type AllowRule, readOwnRule } from '../../auth/index.ts';
import { startTestUds, type TestUds } from './test-uds.ts';

const rule = (url: string, deployment: string): AllowRule =>
  readOwnRule(
    { url, deployment, methods: '', match: 'prefix', description: '' },
    { deployments: ['d', 'd2'], methods: ['GET'], match: 'prefix' },
  );
const photos = rule('https://photos.inside/faces/', 'd2');

let uds: TestUds;
beforeEach(async () => {
  uds = startTestUds(
    { name: 'c1' },
    { name: 'c2', deployment: 'd2', publisher: 'ucm9.example.com' },
    { name: 'c3', deployment: 'd2', publisher: 'ucm8.example.com' },
  );
  uds.addresses.set('photos.inside', ['10.0.0.77']);
  uds.unifiedCm.start();
  await uds.settle();
});

const ask = (deployment: string, path = '/faces/a.jpg', host = 'photos.inside'): string =>
  uds.unifiedCm.allowList().decide({ deployment, protocol: 'https', host, port: 443, path, method: 'GET' })
    .outcome;
const node = () => uds.unifiedCm.nodes().filter(({ name }) => name === 'photos.inside');

test('a rule opens its path, on a node with a pinned address, once, in its deployment', async () => {
  expect(ask('d2')).toBe('unlisted');
  uds.unifiedCm.setMoreRules([photos]);
  await uds.settle();
  expect(node()).toMatchObject([{ cluster: 'c2', deployment: 'd2', addresses: ['10.0.0.77'] }]);
  expect([ask('d2'), ask('d'), ask('d2', '/other')]).toEqual(['listed', 'unlisted', 'unlisted']);
  expect(ask('d2', '/faces/a.jpg', '10.0.0.77')).toBe('listed');
});

test('a name that resolves to nothing opens nothing anywhere, until it does', async () => {
  uds.unresolved.add('photos.inside');
  uds.unifiedCm.setMoreRules([photos]);
  await uds.settle();
  expect(node()).toMatchObject([{ addresses: [], reach: { state: 'down' } }]);
});

test('discovery goes on, and keeps it', async () => {
  uds.unifiedCm.setMoreRules([photos]);
  uds.clock.advance(300_000);
  await uds.settle();
  expect(ask('d2')).toBe('listed');
  expect(uds.unifiedCm.nodes().map(({ name }) => name)).toContain('ucm2.example.com');
});

test('with the last rule the node is gone', async () => {
  const changes: number[] = [];
  uds.unifiedCm.setMoreRules([photos]);
  uds.unifiedCm.onChange(() => changes.push(node().length));
  uds.unifiedCm.setMoreRules([]);
  expect(node()).toEqual([]);
  expect(changes.at(-1)).toBe(0);
  expect(ask('d2')).toBe('unlisted');
});
