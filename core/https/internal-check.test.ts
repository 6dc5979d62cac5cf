import { expect, it } from 'vitest';
import { createInternalCheck, type InternalCheckOptions } from './internal-check.ts';

const answerOf = (status: boolean, token: boolean): string =>
  `<SSOResult version="1.0"><Response><SingleSignOn><Status enabled="${status}"/><Token enabled="${token}"/></SingleSignOn></Response></SSOResult>`;

function inside(change: Partial<InternalCheckOptions> = {}) {
  const asked: string[] = [];
  const clock = { now: 0 };
  const documents = new Map([
    ['c1', answerOf(true, true)],
    ['c2', answerOf(false, false)],
    ['c3', '<html>'],
    [
      'c4',
      '<SSOResult><Response><SingleSignOn><Status enabled="true"/></SingleSignOn></Response></SSOResult>',
    ],
  ]);
  const check = createInternalCheck({
    unifiedCm: {
      findUser: async (deployment, user) => {
        asked.push(`${deployment} ${user}`);
        const homeCluster = { alice: 'c1', bob: 'c2', carol: 'c3', dan: 'c4' }[user];
        if (user === 'erin') return { kind: 'unreachable', cause: 'down' };
        return homeCluster === undefined
          ? { kind: 'unknown-user' }
          : { kind: 'ok', account: { user, homeCluster } };
      },
      document: async (cluster, path) => {
        asked.push(`${cluster} ${path}`);
        return documents.get(cluster) ?? Promise.reject(new Error('down'));
      },
    },
    keepMs: 1000,
    maxUsers: 3,
    maxAtOnce: 2,
    now: () => clock.now,
    count: (event) => void asked.push(event),
    ...change,
  });
  return { check, asked, clock };
}

it.each([
  ['alice@example.com', { sso: true, token: true }],
  ['bob@example.com', { sso: false, token: false }],
  ['dan', { sso: true, token: false }],
  ['nobody@example.com', undefined],
  ['carol@example.com', undefined],
  ['erin@example.com', undefined],
  ['', undefined],
  ['../x@example.com', undefined],
  [undefined, undefined],
])('%s: %j', async (identity, offer) => {
  expect(await inside().check('d', identity)).toEqual(offer);
});

it('a user and a cluster are asked about once per time', async () => {
  const { check, asked, clock } = inside();
  for (let i = 0; i < 5; i += 1) await check('d', 'alice@example.com');
  expect(asked).toEqual(['d alice', 'c1 /ssosp/ws/public/singleSignOn']);
  clock.now = 1001;
  await check('d', 'alice@example.com');
  expect(asked).toHaveLength(4);
});

it('strangers cannot make core ask more at once than it is told to', async () => {
  const { check, asked } = inside();
  await Promise.all(['alice', 'bob', 'nobody', 'nobody2'].map((user) => check('d', user)));
  expect(asked.filter((what) => what === 'internal-check-busy')).toHaveLength(2);
});
