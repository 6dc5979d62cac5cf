// From core's configuration to single sign-on: its options, and the metadata that identity providers import.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { entityIdOf, printSpMetadata, readIdpMetadata } from '../../auth/index.ts';
import { SIGN_ON_LIMITS, STORE_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { printLane } from '../../zones/lane.ts';
import type { CoreHttpsOptions, EdgeAddress } from '../https/index.ts';
import type { CoreState } from './state.ts';

type SignOnOptions = NonNullable<CoreHttpsOptions['sso']>;
type Saml = NonNullable<CoreConfig['saml']>;

/** Options of single sign-on; undefined while it is switched off. @throws Error in words when our key cannot be used. */
export function signOnOptions(
  config: CoreConfig,
  state: CoreState,
  edges: readonly EdgeAddress[],
): SignOnOptions | undefined {
  const { access, saml } = config;
  if (!access.authorizeByOauthToken || saml === undefined) return undefined;
  const space = (name: string, maxEntries: number, whenFull: 'refuse' | 'evict', durable: boolean) =>
    state.store.namespace(name, {
      maxEntries,
      maxEntryLength: STORE_LIMITS.maxEntryLength,
      whenFull,
      durable,
    });
  return {
    keys: readKeys(saml),
    mode: saml.metadata,
    providers: saml.identityProviders.map(providerOptions),
    redirectUris: redirectUris(access),
    refreshMs: saml.metadataRefreshInterval,
    retryMs: SIGN_ON_LIMITS.retryMs,
    staleMs: saml.metadataStale,
    warnBeforeMs: saml.warnBefore,
    fetchMs: SIGN_ON_LIMITS.fetchMs,
    maxMetadataBytes: SIGN_ON_LIMITS.maxMetadataBytes,
    signInMs: saml.signInTime,
    skewMs: saml.clockSkew,
    maxBegunPerAddress: saml.maxSignInsPerAddress,
    tokenLifetimeMs: access.simpleTokenLifetime,
    sipExtraMs: access.sipTokenExtraTimeToLive,
    maxTokensPerUser: saml.maxTokensPerUser,
    pending: space('sign-on', SIGN_ON_LIMITS.maxPending, 'evict', false),
    used: space('used-assertions', SIGN_ON_LIMITS.maxUsedAssertions, 'refuse', true),
    tokens: space('simple-tokens', SIGN_ON_LIMITS.maxTokens, 'refuse', true),
    ownMetadata: {
      document: spMetadata(config, edges, servedDomains(saml)),
      store: space('saml', 16, 'evict', true),
    },
  };
}

/** Domains that have an identity provider. */
export function servedDomains(saml: CoreConfig['saml']): readonly string[] {
  return saml?.identityProviders.flatMap(({ domains }) => domains) ?? [];
}

/** What the schema alone cannot see: our key, and metadata that was imported. @throws Error in words, all of it at once. */
export function checkSignOn({ saml }: CoreConfig, now: number): void {
  if (saml === undefined) return;
  const problems: string[] = [];
  const attempt = (what: () => unknown, prefix: string): void => {
    try {
      what();
    } catch (error) {
      problems.push(`${prefix}${error instanceof Error ? error.message : String(error)}`);
    }
  };
  attempt(() => readKeys(saml), '');
  for (const { name, metadata, entityId } of saml.identityProviders) {
    if (metadata === undefined) continue;
    const prefix = `saml: identity-providers: ${name}: ${metadata.source}: `;
    attempt(() => readIdpMetadata(metadata.reveal(), entityId, now), prefix);
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Metadata of this core for the identity providers, one entity for each of `domains`. */
export function spMetadata(
  config: CoreConfig,
  edges: readonly EdgeAddress[],
  domains: readonly string[],
): string {
  const { saml, core } = config;
  if (saml === undefined) throw new Error('the configuration has no saml section');
  const { certificate } = readKeys(saml);
  const entities = domains.map((domain) => ({
    entityId: entityIdOf(domain, certificate, saml.metadata, core.name),
    consumers: edges.map(
      ({ address, httpsPort }) =>
        `https://${address}:${httpsPort}/${printLane({ kind: 'domain', domain })}/fedlet`,
    ),
  }));
  return printSpMetadata(entities, certificate);
}

function providerOptions(provider: Saml['identityProviders'][number]): SignOnOptions['providers'][number] {
  return {
    name: provider.name,
    domains: provider.domains,
    entityId: provider.entityId,
    document: provider.metadata?.reveal(),
    url: provider.metadataUrl,
    authority: provider.metadataAuthority?.reveal(),
    metadataSigner: provider.metadataSigner?.reveal(),
    digest: provider.digest,
    allowSha1: provider.allowSha1,
    wantAssertionSigned: provider.wantAssertionSigned,
    forceAuthn: provider.forceAuthentication,
    user: { attribute: provider.uidAttribute, stripDomain: provider.stripDomain },
  };
}

/** Only what its switch allows: https addresses, or the schemes of apps. */
function redirectUris(access: CoreConfig['access']): readonly string[] {
  return access.redirectUris.filter((uri) =>
    uri.startsWith('https:') ? access.clientRedirectUri : access.iosEmbeddedSafari,
  );
}

function readKeys({ certificate: { chain, key } }: Saml): SignOnOptions['keys'] {
  const fail = (what: string, cause?: unknown): never => {
    throw new Error(`saml: certificate: ${what}`, { cause });
  };
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(chain.reveal());
  } catch (cause) {
    return fail(`${chain.source} is no certificate in PEM`, cause);
  }
  try {
    const privateKey = createPrivateKey(key.reveal());
    if (privateKey.asymmetricKeyType !== 'rsa') fail(`${key.source} is no RSA key`);
    if (!certificate.checkPrivateKey(privateKey)) fail(`${key.source} is not the key of ${chain.source}`);
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { privateKey: pem, certificate: certificate.toString() };
  } catch (cause) {
    if (cause instanceof Error && cause.message.startsWith('saml:')) throw cause;
    return fail(`${key.source} is no private key in PEM`, cause);
  }
}
