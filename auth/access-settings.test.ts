import { describe, expect, test } from 'vitest';
import {
  type AccessSettings,
  checkAccessSettings,
  checkSignInOffered,
  offersPasswords,
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
  clientRedirectUri: false,
  sipTokenExtraTtlS: 0,
};

test('tokens beside or instead of passwords can be used and are offered', () => {
  for (const userCredential of [true, false]) {
    const settings = { ...usual, userCredential, oauthWithRefresh: true };
    expect(checkAccessSettings(settings)).toEqual([]);
    expect(checkSignInOffered(settings)).toBeUndefined();
    expect(ssoOffer(settings, true)).toEqual({ sso: false, token: true });
  }
});

test('the usual settings can be used, and offer passwords only', () => {
  expect(checkAccessSettings(usual)).toEqual([]);
  expect(checkSignInOffered(usual)).toBeUndefined();
  expect(ssoOffer(usual, true)).toEqual({ sso: false, token: false });
});

test.each([
  ['saml', false],
  ['saml-and-ucm-ldap', true],
] as const)(
  'path %s offers single sign-on where the domain has a provider',
  (authenticationPath, userCredential) => {
    const settings = {
      ...usual,
      authenticationPath,
      userCredential,
      oauthSimple: true,
      embeddedSafari: true,
    };
    expect(checkAccessSettings(settings)).toEqual([]);
    expect(checkSignInOffered(settings)).toBeUndefined();
    expect(ssoOffer(settings, true)).toEqual({ sso: true, token: true });
    expect(ssoOffer(settings, false)).toEqual({ sso: false, token: false });
    expect(offersPasswords(settings)).toBe(userCredential);
    expect(checkAccessSettings({ ...settings, sipTokenExtraTtlS: 60, clientRedirectUri: true })).toEqual([]);
  },
);

describe('what is not built or has no effect cannot be switched on', () => {
  const rows: [change: Partial<AccessSettings>, settings: string[]][] = [
    [{ oauthSimple: true }, ['oauthSimple']],
    [{ internalCheck: true }, ['internalCheck']],
    [{ activationCodeOnboarding: true }, ['activationCodeOnboarding']],
    [{ embeddedSafari: true }, ['embeddedSafari']],
    [{ clientRedirectUri: true }, ['clientRedirectUri']],
    [{ authenticationPath: 'saml-and-ucm-ldap' }, ['authenticationPath']],
    [{ authenticationPath: 'saml' }, ['authenticationPath', 'userCredential']],
    [{ authenticationPath: 'none' }, ['userCredential']],
    [{ authenticationPath: 'none', userCredential: false, oauthWithRefresh: true }, ['oauthWithRefresh']],
    [{ sipTokenExtraTtlS: 60 }, ['sipTokenExtraTtlS']],
    [{ authenticationPath: 'none', userCredential: false }, []],
  ];
  test.each(rows)('%o', (change, settings) => {
    expect(checkAccessSettings({ ...usual, ...change }).map(({ setting }) => setting)).toEqual(settings);
  });
});

test.each([[{ userCredential: false }], [{ authenticationPath: 'none' as const }]])(
  '%o offers no sign-in',
  (change) => {
    expect(checkSignInOffered({ ...usual, ...change })).toMatchObject({ code: 403, reason: 'access-off' });
  },
);
