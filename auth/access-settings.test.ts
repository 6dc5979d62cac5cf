import { describe, expect, test } from 'vitest';
import {
  type AccessSettings,
  checkAccessSettings,
  checkPasswordsOffered,
  ssoOffer,
} from './access-settings.ts';

const usual: AccessSettings = {
  authenticationPath: 'ucm-ldap',
  oauthWithRefresh: false,
  oauthSimple: false,
  userCredential: true,
  internalCheck: false,
  activationCodeOnboarding: false,
  embeddedSafari: false,
  sipTokenExtraTtlS: 0,
};

test('the usual settings can be used, and offer passwords only', () => {
  expect(checkAccessSettings(usual)).toEqual([]);
  expect(checkPasswordsOffered(usual)).toBeUndefined();
  expect(ssoOffer(usual)).toEqual({ sso: false, token: false });
});

describe('what is not built cannot be switched on', () => {
  const rows: [change: Partial<AccessSettings>, settings: string[]][] = [
    [{ oauthWithRefresh: true }, ['oauthWithRefresh']],
    [{ oauthSimple: true }, ['oauthSimple']],
    [{ internalCheck: true }, ['internalCheck']],
    [{ activationCodeOnboarding: true }, ['activationCodeOnboarding']],
    [{ embeddedSafari: true }, ['embeddedSafari']],
    [{ authenticationPath: 'saml-and-ucm-ldap' }, ['authenticationPath']],
    [{ authenticationPath: 'saml' }, ['authenticationPath', 'userCredential']],
    [{ authenticationPath: 'none' }, ['userCredential']],
    [{ sipTokenExtraTtlS: 60 }, ['sipTokenExtraTtlS']],
    [{ authenticationPath: 'none', userCredential: false }, []],
  ];
  test.each(rows)('%o', (change, settings) => {
    expect(checkAccessSettings({ ...usual, ...change }).map(({ setting }) => setting)).toEqual(settings);
  });
});

test.each([[{ userCredential: false }], [{ authenticationPath: 'none' as const }]])(
  '%o offers no passwords',
  (change) => {
    expect(checkPasswordsOffered({ ...usual, ...change })).toMatchObject({ code: 403, reason: 'access-off' });
  },
);
