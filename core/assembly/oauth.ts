// From core's configuration to what it needs to judge tokens.
import { KeyDocumentError, readKeyDocument } from '../../auth/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import type { CoreHttpsOptions } from '../https/index.ts';

type Oauth = CoreHttpsOptions['oauth'];

/** Options of the token verifier. @throws KeyDocumentError when keys that stand in a file cannot be used. */
export function oauthOptions(config: CoreConfig): Oauth {
  const { oauth } = config;
  return {
    keys: new Map(config.unifiedCm.flatMap((cluster) => keysOf(cluster))),
    overlapMs: oauth.keyOverlap,
    refetchMs: oauth.keyRefetchInterval,
    refreshMs: oauth.keyRefreshInterval,
    lifetimeMs: oauth.tokenLifetime,
    skewMs: oauth.clockSkew,
    maxTokens: oauth.maxTokens,
    scopes: { https: oauth.httpsScopes, sip: oauth.sipScopes, xmpp: oauth.messagingScopes },
  };
}

type KeySource = Oauth['keys'] extends ReadonlyMap<string, infer Source> ? Source : never;

function keysOf({ publisher, oauthKeys }: CoreConfig['unifiedCm'][number]): [string, KeySource][] {
  if (oauthKeys === undefined) return [];
  const { document, path, user, password } = oauthKeys;
  if (document !== undefined) return [[publisher, { document: checked(document.reveal(), document.source) }]];
  const account =
    user === undefined || password === undefined ? undefined : { user, password: password.reveal().trim() };
  return [[publisher, { path: path ?? '/', account }]];
}

function checked(text: string, source: string): string {
  try {
    readKeyDocument(text);
    return text;
  } catch (error) {
    if (error instanceof KeyDocumentError) throw new KeyDocumentError(`${source} ${error.message}`);
    throw error;
  }
}
