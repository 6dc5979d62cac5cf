// MRA access control: which ways of signing in this deployment offers. The names follow the product administrators
// know. Settings that contradict each other are refused at start: an answer to get_edge_sso that promised what no door
// keeps would leave the client outside.
import { deny, type Deny } from './verdict.ts';

/** Where users prove who they are; `none` offers no sign-in at all. */
export type AuthenticationPath = 'none' | 'ucm-ldap' | 'saml' | 'saml-and-ucm-ldap';

export interface AccessSettings {
  readonly authenticationPath: AuthenticationPath;
  /** Self-describing tokens with refresh. */
  readonly oauthWithRefresh: boolean;
  /** Simple tokens, after SAML only. */
  readonly oauthSimple: boolean;
  /** Name and password, checked by Unified CM. */
  readonly userCredential: boolean;
  /** Ask the user's home cluster whether it offers tokens, instead of one answer for everybody. */
  readonly internalCheck: boolean;
  readonly activationCodeOnboarding: boolean;
  /** Give tokens to apps on iOS through their own URL scheme, which another app might catch. */
  readonly embeddedSafari: boolean;
  /** Take a client's own redirect URI. */
  readonly clientRedirectUri: boolean;
  /** Seconds a simple token is good for SIP beyond its end. */
  readonly sipTokenExtraTtlS: number;
}

export interface SettingProblem {
  readonly setting: keyof AccessSettings;
  readonly text: string;
}

/** What contradicts itself, all at once; empty when the settings can be used. */
export function checkAccessSettings(settings: AccessSettings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const path = settings.authenticationPath;
  for (const setting of needTokens) {
    if (settings[setting] && !settings.oauthWithRefresh && !settings.oauthSimple)
      problems.push({ setting, text: 'has no effect while every kind of token is off' });
  }
  if (settings.activationCodeOnboarding && !settings.oauthWithRefresh)
    problems.push({
      setting: 'activationCodeOnboarding',
      text: 'needs tokens with refresh: an onboarded phone signs in with nothing else',
    });
  if (settings.oauthSimple && !isSaml(settings))
    problems.push({ setting: 'oauthSimple', text: `needs SAML; the authentication path is ${path}` });
  if (isSaml(settings) && !settings.oauthSimple)
    problems.push({ setting: 'authenticationPath', text: `${path} opens nothing without simple tokens` });
  for (const setting of ['embeddedSafari', 'clientRedirectUri'] as const) {
    if (settings[setting] && !settings.oauthSimple)
      problems.push({ setting, text: 'needs simple tokens, which are off' });
  }
  if (settings.oauthWithRefresh && path === 'none') {
    problems.push({ setting: 'oauthWithRefresh', text: 'has no effect with authentication path none' });
  }
  if (settings.userCredential && (path === 'none' || path === 'saml')) {
    problems.push({ setting: 'userCredential', text: `has no effect with authentication path ${path}` });
  }
  if (settings.sipTokenExtraTtlS !== 0 && !settings.oauthSimple) {
    problems.push({ setting: 'sipTokenExtraTtlS', text: 'needs simple tokens, which are off' });
  }
  return problems;
}

const needTokens = ['internalCheck'] as const satisfies readonly (keyof AccessSettings)[];

function isSaml({ authenticationPath: path }: AccessSettings): boolean {
  return path === 'saml' || path === 'saml-and-ucm-ldap';
}

export function offersPasswords(settings: AccessSettings): boolean {
  const path = settings.authenticationPath;
  return settings.userCredential && path !== 'none' && path !== 'saml';
}

/** Single sign-on at the edge, which ends in a simple token. */
export function offersSignOn(settings: AccessSettings): boolean {
  return settings.oauthSimple && isSaml(settings);
}

export function offersTokens(settings: AccessSettings): boolean {
  return settings.oauthWithRefresh && settings.authenticationPath !== 'none';
}

/** A verdict when this deployment offers no way to sign in at all. */
export function checkSignInOffered(settings: AccessSettings): Deny | undefined {
  if (offersPasswords(settings) || offersTokens(settings) || offersSignOn(settings)) return undefined;
  return deny(403, 'access-off', 'every way to sign in is switched off in the access settings');
}

/** What get_edge_sso tells every client of a domain alike; `hasProvider`: the domain has an identity provider. */
export function ssoOffer(settings: AccessSettings, hasProvider: boolean): { sso: boolean; token: boolean } {
  const sso = offersSignOn(settings) && hasProvider;
  return { sso, token: sso || offersTokens(settings) };
}
