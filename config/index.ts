// Configuration: what an operator may say, what each key means, and how a mistake is told. Trusts that the files are the
// operator's own; bounds their size; resolves secrets by reference and never prints one.
export { loadConfig, loadCore, loadEdge } from './load.ts';
export type { CoreConfig, EdgeConfig, LoadedConfig } from './load.ts';
export { ConfigError, printDiagnostic } from './diagnostic.ts';
export type { Diagnostic } from './diagnostic.ts';
export { Secret } from './secret.ts';
export type { PortRange } from './units.ts';
export { jsonSchema, SCHEMA_KINDS } from './json-schema.ts';
export {
  BAN_LIMITS,
  CORE_LIMITS,
  FEDERATION_LIMITS,
  HTTP_LIMITS,
  LINK_LIMITS,
  MAX_DECISION_BYTES,
  MEDIA_LIMITS,
  SIGN_ON_LIMITS,
  RULE_BOOK_LIMITS,
  SIP_LIMITS,
  STORE_LIMITS,
  TURN_LIMITS,
  XMPP_LIMITS,
} from './limits.ts';
export { banSettings } from './ban-options.ts';
export { linkOptions } from './link-options.ts';
export { VERSION } from './version.ts';
export { printReference } from './reference.ts';
