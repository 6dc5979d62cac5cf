import { describe, expect, test } from 'vitest';
import { printBasic } from './basic-credentials.ts';
import { exampleEnterprise } from './enterprise.ts';
import { answerUds } from './uds.ts';

const enterprise = exampleEnterprise([
  { name: 'ucm1.example.com', address: '127.0.10.30' },
  { name: 'ucm2.example.com', address: '127.0.10.31' },
]);
const node = { host: 'ucm1.example.com', port: 8443, filesPort: 6970, secureFilesPort: 6972 };
const alice = printBasic('alice', 'wonderland');

function ask(target: string, authorization?: string, method = 'GET') {
  return answerUds(enterprise, node, { method, target, authorization });
}

describe('resources open to everybody', () => {
  test.each([
    ['/cucm-uds/version', '<version>14.0.1</version>'],
    ['/cucm-uds/servers', '<server>ucm1.example.com</server><server>ucm2.example.com</server>'],
    ['/cucm-uds/clusterUser?username=alice', 'found="true"'],
    ['/cucm-uds/clusterUser?username=ALICE', 'https://ucm1.example.com:8443/cucm-uds/user/alice'],
    ['/cucm-uds/clusterUser?email=bob%40example.com', 'user/bob'],
    ['/cucm-uds/clusterUser?username=mallory', '<result found="false"/>'],
    ['/cucm-uds/clusterUser', '<result found="false"/>'],
    ['/cucm-uds/users?last=bro', 'totalCount="1"'],
    ['/cucm-uds/users?last=nobody', 'totalCount="0"'],
  ])('%s', (target, expected) => {
    const answer = ask(target);
    expect(answer.status).toBe(200);
    expect(answer.body).toContain(expected);
  });
});

describe("a user's own resources", () => {
  test.each([
    ['own devices', '/cucm-uds/user/alice/devices', alice, 200, '<name>CSFALICE</name>'],
    ['own devices with a limit', '/cucm-uds/user/alice/devices?max=100', alice, 200, 'CSFALICE'],
    [
      'own record',
      '/cucm-uds/user/alice',
      alice,
      200,
      '<uri>http://ucm1.example.com:6970/SPDefault.cnf.xml</uri>',
    ],
    ['other case of the same user', '/cucm-uds/user/Alice', alice, 200, '<id>alice</id>'],
    ['own extensions', '/cucm-uds/user/alice/extensions', alice, 200, '1001'],
    ['no credentials', '/cucm-uds/user/alice/devices', undefined, 401, '401'],
    ['wrong password', '/cucm-uds/user/alice/devices', printBasic('alice', 'Wonderland'), 401, '401'],
    ['unknown user', '/cucm-uds/user/eve', printBasic('eve', ''), 401, '401'],
    ['another scheme', '/cucm-uds/user/alice', 'Bearer abc', 401, '401'],
    ["somebody else's record", '/cucm-uds/user/bob/devices', alice, 403, '403'],
    ['a segment that does not decode', '/cucm-uds/user/%ff', alice, 403, '403'],
    ['unknown child', '/cucm-uds/user/alice/secrets', alice, 404, '404'],
  ])('%s', (_, target, authorization, status, expected) => {
    const answer = ask(target, authorization);
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(expected);
  });

  test('a refusal names the realm that clients and core know', () => {
    const { headers } = ask('/cucm-uds/user/alice/devices');
    expect(headers['WWW-Authenticate']).toBe('Basic realm="Cisco Web Services Realm"');
    expect(headers['Content-Type']).toContain('text/html');
  });
});

test.each([
  ['another tree', '/ccmadmin', 'GET', 404],
  ['unknown resource', '/cucm-uds/nothing', 'GET', 404],
  ['too deep', '/cucm-uds/user/alice/devices/x/y', 'GET', 404],
  ['writing', '/cucm-uds/user/alice', 'PUT', 405],
])('%s is refused', (_, target, method, status) => {
  expect(ask(target, alice, method).status).toBe(status);
});

test('text from the directory is escaped', () => {
  const bad = { ...enterprise, users: [{ ...enterprise.users[0]!, lastName: '<&"' }] };
  const answer = answerUds(bad, node, { method: 'GET', target: '/cucm-uds/users', authorization: undefined });
  expect(answer.body).toContain('<lastName>&lt;&amp;"</lastName>');
});
