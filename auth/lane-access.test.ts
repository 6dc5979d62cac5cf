import { beforeEach, describe, expect, test } from 'vitest';
import { compileAllowList } from './allow-list/allow-list.ts';
import { builtInRules } from './allow-list/built-in-rules.ts';
import { createLaneAccess, type LaneAccess, type LaneRequest } from './lane-access.ts';
import { alice, bob, type Doors, openDoors, usualSettings } from './test-doors.ts';

const ports = { web: 8443, files: 6970, filesTls: 6972, headset: 6971, unity: [443] };
const ucm = {
  name: 'ucm',
  aliases: ['ucm'],
  kinds: ['unified-cm', 'tftp'],
  cluster: 'c1',
  deployment: 'd',
} as const;
const allowList = compileAllowList(builtInRules('c1', 'd', ports), [ucm]);

let doors: Doors;
let access: LaneAccess;
let aliceCookie = '';
beforeEach(() => {
  doors = openDoors();
  access = createLaneAccess({ ...doors, settings: usualSettings, allowList: () => allowList });
  aliceCookie = `X-Auth=${doors.sessions.mint('d', 'alice').value}`;
});

const ask = (change: Partial<LaneRequest> & { cookie?: string }) => {
  const { cookie, ...rest } = change;
  return access({
    deployment: 'd',
    authorization: undefined,
    clientAddress: undefined,
    cookies: cookie === undefined ? [] : [cookie],
    method: 'GET',
    protocol: 'https',
    host: 'ucm',
    port: 8443,
    path: '/cucm-uds/user/alice/devices',
    ...rest,
  });
};

describe('let in', () => {
  test('with a cookie alone, without a question to call control', async () => {
    expect(await ask({ cookie: aliceCookie })).toMatchObject({
      verdict: { outcome: 'allow', reason: 'cookie' },
      user: 'alice',
      listing: { rule: { path: '/cucm-uds/user/' } },
    });
    expect(doors.asked).toBe(0);
  });
  test('with a cookie and the same user’s credentials, whatever their case', async () => {
    const authorization = `Basic ${Buffer.from('ALICE:other').toString('base64')}`;
    expect(await ask({ cookie: aliceCookie, authorization })).toMatchObject({
      verdict: { outcome: 'allow' },
    });
  });
  test('with a cookie and a bearer token, which call control judges', async () => {
    expect(await ask({ cookie: aliceCookie, authorization: 'Bearer abc' })).toMatchObject({
      verdict: { outcome: 'allow' },
    });
  });
  test('with credentials alone, asked for once', async () => {
    expect(await ask({ authorization: alice })).toMatchObject({ verdict: { reason: 'credentials' } });
    expect(await ask({ authorization: alice })).toMatchObject({ verdict: { reason: 'credentials-cached' } });
    expect(doors.asked).toBe(1);
  });
  test('with good credentials beside a void cookie', async () => {
    expect(await ask({ cookie: 'X-Auth=void', authorization: alice })).toMatchObject({
      verdict: { outcome: 'allow' },
    });
  });
});

describe('refused', () => {
  const rows: [
    name: string,
    change: () => Partial<LaneRequest> & { cookie?: string },
    code: number,
    reason: string,
  ][] = [
    ['nobody', () => ({}), 401, 'credentials-missing'],
    [
      'a cookie that is only there',
      () => ({ cookie: 'X-Auth=1e1111e1-dddb-49e9-ad0d-ab34526e2b00' }),
      401,
      'cookie-invalid',
    ],
    ['an empty cookie', () => ({ cookie: 'X-Auth=' }), 401, 'cookie-invalid'],
    ['two cookies', () => ({ cookie: `${aliceCookie}; X-Auth=x` }), 401, 'cookie-invalid'],
    [
      'a cookie of another deployment',
      () => ({ cookie: `X-Auth=${doors.sessions.mint('e', 'alice').value}` }),
      401,
      'cookie-invalid',
    ],
    ['a bearer alone', () => ({ authorization: 'Bearer abc' }), 401, 'scheme-unsupported'],
    ['wrong credentials', () => ({ authorization: `${bob}AAAA` }), 401, 'credentials-malformed'],
    ['a wrong password', () => ({ authorization: 'Basic YWxpY2U6Z3Vlc3M=' }), 401, 'bad-credentials'],
    [
      'credentials of another beside a cookie',
      () => ({ cookie: aliceCookie, authorization: bob }),
      403,
      'identity-mismatch',
    ],
    [
      'unreadable credentials beside a cookie',
      () => ({ cookie: aliceCookie, authorization: 'Basic !' }),
      401,
      'credentials-malformed',
    ],
    [
      "another user's resources",
      () => ({ cookie: aliceCookie, path: '/cucm-uds/user/bob/devices' }),
      403,
      'other-user',
    ],
    ["another user's resources by credentials", () => ({ authorization: bob }), 403, 'other-user'],
    ['another host', () => ({ cookie: aliceCookie, host: 'other' }), 403, 'node-unknown'],
    ['another port', () => ({ cookie: aliceCookie, port: 22 }), 403, 'service-unknown'],
    ['another path', () => ({ cookie: aliceCookie, path: '/ccmadmin' }), 403, 'path'],
    ['another method', () => ({ cookie: aliceCookie, method: 'PATCH' }), 403, 'method'],
  ];
  test.each(rows)('%s', async (_name, change, code, reason) => {
    expect(await ask(change())).toMatchObject({ verdict: { outcome: 'deny', code, reason } });
  });

  test('a stranger does not learn which hosts and paths exist', async () => {
    const answers = await Promise.all([ask({}), ask({ host: 'other' }), ask({ path: '/ccmadmin' })]);
    expect(new Set(answers.map(({ verdict }) => verdict.code))).toEqual(new Set([401]));
    expect(answers.map(({ listing }) => listing)).toEqual([undefined, undefined, undefined]);
  });

  test('nobody could be asked: 503, never 401', async () => {
    doors.answer = { kind: 'unreachable', cause: 'down' };
    expect(await ask({ authorization: alice })).toMatchObject({
      verdict: { code: 503, reason: 'unreachable' },
    });
    expect(await ask({ cookie: aliceCookie })).toMatchObject({ verdict: { outcome: 'allow' } });
  });

  test('everybody, when access is off, sessions included', async () => {
    const off = createLaneAccess({
      ...doors,
      settings: { ...usualSettings, authenticationPath: 'none' },
      allowList: () => allowList,
    });
    const request = {
      deployment: 'd',
      clientAddress: '',
      authorization: alice,
      cookies: [aliceCookie],
      method: 'GET',
    };
    const target = { protocol: 'https', host: 'ucm', port: 8443, path: '/cucm-uds/version' } as const;
    expect(await off({ ...request, ...target })).toMatchObject({
      verdict: { code: 403, reason: 'access-off' },
    });
  });
});
