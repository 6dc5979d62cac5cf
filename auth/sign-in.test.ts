import { describe, expect, test } from 'vitest';
import { createSignIn } from './sign-in.ts';
import { alice, openDoors, usualSettings } from './test-doors.ts';

const doors = openDoors();
const signIn = createSignIn({ ...doors, settings: usualSettings });

test('good credentials get a session for the account', async () => {
  const result = await signIn({ deployment: 'd', clientAddress: undefined, authorization: alice });
  expect(result).toMatchObject({
    verdict: { outcome: 'allow', reason: 'credentials' },
    account: { user: 'alice', homeCluster: 'c1' },
  });
  if (!('cookie' in result)) throw new Error('no cookie');
  expect(await doors.sessions.check('d', result.cookie.value)).toMatchObject({ user: 'alice' });
});

describe('refused', () => {
  const rows: [name: string, authorization: string | undefined, reason: string][] = [
    ['nothing', undefined, 'credentials-missing'],
    ['nonsense', 'Basic !', 'credentials-malformed'],
    ['two lines, of which core makes none', '', 'credentials-malformed'],
    ['bearer', 'Bearer abc', 'scheme-unsupported'],
    ['wrong password', 'Basic YWxpY2U6Z3Vlc3M=', 'bad-credentials'],
  ];
  test.each(rows)('%s', async (_name, authorization, reason) => {
    expect(await signIn({ deployment: 'd', clientAddress: undefined, authorization })).toMatchObject({
      verdict: { code: 401, reason },
    });
  });

  test('everybody, when sign-in by credentials is off', async () => {
    const off = createSignIn({ ...doors, settings: { ...usualSettings, userCredential: false } });
    expect(await off({ deployment: 'd', clientAddress: undefined, authorization: alice })).toMatchObject({
      verdict: { code: 403, reason: 'access-off' },
    });
  });
});
