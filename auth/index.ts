// auth: who may do what. Posture: everything a request carries is untrusted, including what edge says about it; trusted
// are the configuration, call control's answers and the cookie key. Memory is bounded by the credential cache's
// `maxEntries`, revocation's `maxUsers`, the authenticator's queues and the fixed sizes of header values and cookies.
// Every check answers a value; the tables in sign-in.ts and lane-access.ts are the order in which they decide.
export {
  type AccessSettings,
  type AuthenticationPath,
  checkAccessSettings,
  offersPasswords,
  offersSignOn,
  offersTokens,
  type SettingProblem,
  ssoOffer,
} from './access-settings.ts';
export {
  type AllowList,
  compileAllowList,
  type ListedNode,
  type Listing,
  printRule,
} from './allow-list/allow-list.ts';
export type { CsvFault } from './allow-list/csv-table.ts';
export { readOwnRule, readRequestPath, RuleError } from './allow-list/own-rule.ts';
export { createRuleBook, type RuleBook, type RuleChange } from './allow-list/rule-book.ts';
export { nodesOfRules, ruleHosts } from './allow-list/rule-hosts.ts';
export { deploymentsInCsv, readRulesCsv } from './allow-list/rules-csv.ts';
export { readTestsCsv, runTests, type TestOutcome } from './allow-list/tests-csv.ts';
export { builtInRules, type ServicePorts } from './allow-list/built-in-rules.ts';
export { type AllowRule, faultOf, type NodeKind, ruleMethods } from './allow-list/rule.ts';
export { compileDialPolicy } from './dial-policy.ts';
export { type Caller, type CallerOptions, readCaller } from './caller.ts';
export {
  type Authenticator,
  createAuthenticator,
  type PasswordCheck,
  type PasswordResult,
} from './authenticator.ts';
export {
  type Ban,
  type BanHistory,
  type BanList,
  type BanListOptions,
  type BanRule,
  createBanList,
  type Exemption,
} from './intrusion/ban-list.ts';
export { createSharedCounters } from './intrusion/ban-counters.ts';
export {
  coreBanHandlers,
  edgeBanHandlers,
  ownBans,
  reportToCores,
  sendBans,
  tellEdges,
} from './intrusion/ban-messages.ts';
export { keepBans } from './intrusion/kept-bans.ts';
export { createSignInGuard, type SignInGuard } from './intrusion/sign-in-guard.ts';
export type { Offender } from './intrusion/offender.ts';
export { isBearer, parseBearer, parseSipBearer } from './oauth/bearer.ts';
export {
  createSimpleTokens,
  isSimpleToken,
  type ListedToken,
  type SimpleToken,
  type SimpleTokens,
  type SimpleTokenStore,
} from './oauth/simple-tokens.ts';
export { createKeyRing, type FetchKeys, type KeyRing } from './oauth/key-ring.ts';
export { KeyDocumentError, readKeyDocument } from './oauth/key-document.ts';
export {
  createTokens,
  type TokenAccount,
  type TokenResult,
  type Tokens,
  type TokenService,
} from './oauth/tokens.ts';
export { type Credentials, parseBasic, printBasic } from './basic.ts';
export { printSetCookie, readXAuth, type SetCookieOptions, stripXAuth } from './cookie-header.ts';
export { CookieKeyError, openCookieKey, randomCookieKey } from './cookie-key.ts';
export {
  createDirectory,
  type Directory,
  type DirectoryAnswer,
  type DirectoryOptions,
} from './ldap/directory.ts';
export { type DirectoryServer } from './ldap/secure-connection.ts';
export { type Account, createCredentialCache, type CredentialCache } from './credential-cache.ts';
export { createLaneAccess, type LaneAccess, type LaneDecision, type LaneRequest } from './lane-access.ts';
export { createRateControl, type RateControl } from './rate-control.ts';
export { createRevocations, type Revocations } from './revocation.ts';
export { createSessions, type Sessions } from './sessions.ts';
export { createSignIn, type SignedIn, type SignIn, type SignInResult } from './sign-in.ts';
export {
  createIdentityProviders,
  type IdentityProviderOptions,
  type IdentityProviders,
} from './saml/identity-providers.ts';
export { readIdpMetadata } from './saml/idp-metadata.ts';
export type { ServiceProviderKeys } from './saml/saml-library.ts';
export { createSigningCertificate } from './saml/sp-certificate.ts';
export { entityIdOf, type MetadataMode, printSpMetadata } from './saml/sp-metadata.ts';
export { SamlFault } from './saml/saml-fault.ts';
export { createSignOn, type Purpose, RateFault, type SignOn, type SignOnStore } from './saml/sign-on.ts';
export { checkOwnUser } from './own-user.ts';
export type { Store } from './store.ts';
export { foldUser, isUserId } from './user-id.ts';
export type { Allow, AllowReason, Deny, DenyReason, Verdict } from './verdict.ts';
