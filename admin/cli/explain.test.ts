import { expect, test } from 'vitest';
import type { CoreConfig } from '../../config/index.ts';
import { printLane } from '../../zones/index.ts';
import { explainUrl } from '../../core/assembly/explain-url.ts';
import { configuredList } from './allow-list.ts';
import { asked } from './explain.ts';

// What `explain` reads of a core file.
const config = {
  domains: [{ name: 'example.com', deployment: 'default' }],
  access: {
    authentication: 'ucm-ldap',
    authorizeByUserCredential: true,
    authorizeByOauthTokenWithRefresh: false,
    internalAuthenticationCheck: false,
    authorizeByOauthToken: false,
    iosEmbeddedSafari: false,
    clientRedirectUri: false,
    sipTokenExtraTimeToLive: 0,
  },
  httpAllowList: { defaultMethods: ['GET'], rules: [] },
  unifiedCm: [
    {
      publisher: 'ucm1.example.com',
      deployment: 'default',
      udsPort: 8443,
      filePorts: { http: 6970, https: 6972 },
      headsetPort: 6971,
      staticNodes: [],
      sip: { transport: 'tcp', tcpPort: 5060 },
    },
  ],
} as unknown as CoreConfig;
const lane = {
  kind: 'proxy',
  domain: 'example.com',
  protocol: 'https',
  host: 'ucm1.example.com',
  port: 8443,
} as const;
const outside = (rest: string, change: Partial<typeof lane> | { domain: string } = {}): string =>
  `https://edge:8443/${printLane({ ...lane, ...change })}${rest}`;

test.each([
  ['as sent to the edge', outside('/cucm-uds/version'), {}, true, 'Built-in rule for Unified CM server'],
  [
    'as inside',
    'https://ucm1.example.com:8443/cucm-uds/user/alice/devices',
    { user: 'alice' },
    true,
    '/cucm-uds/user/',
  ],
  ["somebody else's", outside('/cucm-uds/user/bob/devices'), { user: 'alice' }, false, 'only what is theirs'],
  ['method', outside('/cucm-uds/version'), { method: 'PUT' }, false, 'Add the method to the rule'],
  [
    'path',
    outside('/cucm-uds/versio'),
    {},
    false,
    'the nearest rule is https://<unified-cm>:8443/cucm-uds/version',
  ],
  ['unknown node', 'https://photos/x', {}, false, 'Is it a node that discovery finds'],
  ['climbing path', outside('/cucm-uds/user/alice/../bob'), {}, false, 'refused before anything is decided'],
  ['foreign domain', outside('/cucm-uds/version', { domain: 'other.test' }), {}, false, 'none of this core'],
])('%s', (_name, url, choices, good, words) => {
  const steps = explainUrl(config, configuredList(config), url, { method: 'GET', ...choices });
  expect(steps.at(-1)?.[0]).toBe(good);
  expect(steps.at(-1)?.[1]).toContain(words);
  expect(steps.slice(0, -1).every(([yes]) => yes)).toBe(true);
});

const id = '89f561ec-fe76-46cb-a70a-cf9e21a0c730';
test.each([
  [id.toUpperCase(), {}, [['trackingId', id]]],
  [
    'user:alice',
    { domain: 'example.com' },
    [
      ['user', 'alice'],
      ['domain', 'example.com'],
    ],
  ],
  ['device:CSFALICE', {}, [['device', 'CSFALICE']]],
  [
    'https://x/',
    { user: 'alice', address: '192.0.2.1' },
    [
      ['url', 'https://x/'],
      ['method', 'GET'],
      ['user', 'alice'],
      ['address', '192.0.2.1'],
    ],
  ],
])('%s is asked as', (question, choices, wanted) =>
  expect(asked(question, { method: 'GET', ...choices })).toEqual(wanted),
);

test('what is no question says what would be one', () =>
  expect(() => asked('alice', { method: 'GET' })).toThrow('user:ID'));
