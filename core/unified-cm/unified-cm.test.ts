import { beforeEach, describe, expect, test } from 'vitest';
import { startTestUds, type TestUds } from './test-uds.ts';

let uds: TestUds;
beforeEach(async () => {
  uds = startTestUds();
  uds.unifiedCm.start();
  await uds.settle();
  uds.asked.length = 0;
});
const check = (user: string, password: string, deployment = 'd') =>
  uds.unifiedCm.checkPassword(deployment, { user, password });
const bothSilent = (): void => void uds.silent.add('ucm1.example.com').add('ucm2.example.com');

describe('the password check', () => {
  test('good: asks where the home is, then opens the devices there', async () => {
    expect(await check('Alice', 'wonderland')).toEqual({
      kind: 'ok',
      account: { user: 'alice', homeCluster: 'c1' },
    });
    expect(uds.asked).toEqual([
      'ucm1.example.com clusterUser?username=Alice',
      'ucm1.example.com user/Alice/devices',
    ]);
  });
  test('wrong password', async () => {
    expect(await check('alice', 'guess')).toEqual({ kind: 'bad-credentials' });
  });
  test('unknown user: takes the same two questions', async () => {
    expect(await check('mallory', 'x')).toEqual({ kind: 'unknown-user' });
    expect(uds.asked).toHaveLength(2);
  });
  test('a user whose home is no cluster of ours', async () => {
    const body =
      '<clusterUser><result found="true"/><homeCluster>far.example.com</homeCluster></clusterUser>';
    uds.instead.set('clusterUser?username=alice', { status: 200, body });
    expect(await check('alice', 'wonderland')).toEqual({ kind: 'no-home-cluster' });
  });
  test('a home told without its domain', async () => {
    const body = '<clusterUser><result found="true"/><homeCluster>UCM2</homeCluster></clusterUser>';
    uds.instead.set('clusterUser?username=alice', { status: 200, body });
    expect(await check('alice', 'wonderland')).toMatchObject({ kind: 'ok' });
    expect(uds.asked[1]).toBe('ucm2.example.com user/alice/devices');
  });
  test('a user without the role', async () => {
    uds.instead.set('user/alice/devices', { status: 403, body: '' });
    expect(await check('alice', 'wonderland')).toMatchObject({
      kind: 'not-permitted',
      cause: /end-user role/,
    });
  });
  test('a deployment without a cluster', async () => {
    expect(await check('alice', 'wonderland', 'e')).toEqual({ kind: 'no-home-cluster' });
  });
  test('characters of a user that mean something in a URL are encoded', async () => {
    await check("o'hara+1@example.com", 'x');
    expect(uds.asked[0]).toBe("ucm1.example.com clusterUser?username=o'hara%2B1%40example.com");
  });
});

describe('what is no answer about the password', () => {
  test('nobody answers', async () => {
    bothSilent();
    expect(await check('alice', 'wonderland')).toMatchObject({
      kind: 'unreachable',
      cause: 'ucm1.example.com is silent; ucm2.example.com is silent',
    });
  });
  test('one node is silent: the other is asked', async () => {
    uds.silent.add('ucm1.example.com');
    expect(await check('alice', 'wonderland')).toMatchObject({ kind: 'ok' });
  });
  test.each([
    ['an error of the node', { status: 500, body: '' }],
    ['a node that is starting', { status: 503, body: '' }],
    ['a page instead of a document', { status: 200, body: '<html><body>Welcome</body></html>' }],
    ['a redirect', { status: 302, body: '' }],
  ])('%s', async (_name, document) => {
    uds.instead.set('user/alice/devices', document);
    expect(await check('alice', 'wonderland')).toMatchObject({ kind: 'unreachable' });
  });
  test('failed nodes are asked all the same, every time', async () => {
    bothSilent();
    await check('alice', 'wonderland');
    const before = uds.asked.length;
    await check('alice', 'wonderland');
    expect(uds.asked.length - before).toBe(2);
    uds.silent.clear();
    expect(await check('alice', 'wonderland')).toMatchObject({ kind: 'ok' });
  });
});

describe('two clusters in a deployment', () => {
  test('a user whom the first does not know is found in the second', async () => {
    uds = startTestUds({}, { name: 'c2', publisher: 'far1.example.com' });
    uds.servers = ['ucm1.example.com'];
    const body =
      '<clusterUser><result found="true"/><homeCluster>far1.example.com</homeCluster></clusterUser>';
    uds.instead.set('clusterUser?username=alice', { status: 200, body });
    expect(await check('alice', 'wonderland')).toMatchObject({ account: { homeCluster: 'c2' } });
  });
  test('a silent cluster may be the one that knows the user: no "unknown"', async () => {
    uds = startTestUds({}, { name: 'c2', publisher: 'far1.example.com' });
    uds.silent.add('far1.example.com');
    expect(await check('mallory', 'x')).toMatchObject({ kind: 'unreachable' });
  });
});
