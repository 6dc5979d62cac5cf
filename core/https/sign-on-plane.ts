// Everything of single sign-on in core, put together: identity providers, sign-ins under way, simple tokens. The only
// state is the store's, so that a sign-in may begin at one core of a cluster and end at another.
import { randomBytes, randomUUID } from 'node:crypto';
import {
  createIdentityProviders,
  createSignOn,
  createSimpleTokens,
  entityIdOf,
  type IdentityProviderOptions,
  type IdentityProviders,
  type MetadataMode,
  type Revocations,
  type ServiceProviderKeys,
  type SignOn,
  type SignOnStore,
  type SimpleTokens,
  type SimpleTokenStore,
} from '../../auth/index.ts';
import type { Clock } from '../../zones/clock.ts';
import { fetchMetadata } from './metadata-fetch.ts';
import { type OwnMetadata, type OwnMetadataOptions, watchOwnMetadata } from './own-metadata.ts';
import type { RequestLog } from './request-record.ts';

export interface SignOnPlaneOptions {
  /** Our key and certificate, PEM. */
  readonly keys: ServiceProviderKeys & { readonly certificate: string };
  readonly mode: MetadataMode;
  readonly providers: readonly (IdentityProviderOptions & {
    /** PEM of the authorities of the web server behind `url`. */
    readonly authority: string | undefined;
  })[];
  readonly redirectUris: readonly string[];
  readonly refreshMs: number;
  readonly retryMs: number;
  readonly staleMs: number;
  readonly warnBeforeMs: number;
  readonly fetchMs: number;
  readonly maxMetadataBytes: number;
  readonly signInMs: number;
  readonly skewMs: number;
  readonly maxBegunPerAddress: number;
  readonly tokenLifetimeMs: number;
  readonly sipExtraMs: number;
  readonly maxTokensPerUser: number;
  /** Sign-ins under way and counters; used assertions, which must not be forgotten early; tokens. */
  readonly pending: SignOnStore;
  readonly used: Pick<SignOnStore, 'add'>;
  readonly tokens: SimpleTokenStore;
  /** What of ours the identity providers have imported, and where its hash is kept. */
  readonly ownMetadata: Pick<OwnMetadataOptions, 'document' | 'store'>;
}

export interface SignOnSurroundings {
  readonly core: string;
  readonly revocations: Revocations;
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: RequestLog;
  readonly count: (event: string, reason?: string) => void;
}

export interface SignOnPlane {
  readonly providers: IdentityProviders;
  readonly signOn: SignOn;
  readonly tokens: SimpleTokens;
  readonly ownMetadata: OwnMetadata;
}

export function createSignOnPlane(options: SignOnPlaneOptions, around: SignOnSurroundings): SignOnPlane {
  const { clock, count, log } = around;
  const now = (): number => clock.wall();
  const authorities = new Map(options.providers.map(({ name, authority }) => [name, authority]));
  const providers = createIdentityProviders({
    ...options,
    fetch: (name, url) =>
      fetchMetadata(url, {
        resolve: around.resolve,
        authority: authorities.get(name),
        timeoutMs: options.fetchMs,
        maxBytes: options.maxMetadataBytes,
      }),
    now,
    after: (ms, callback) => clock.after(ms, callback),
    log,
    count,
  });
  const signOn = createSignOn({
    ...options,
    providers,
    entityId: (domain) => entityIdOf(domain, options.keys.certificate, options.mode, around.core),
    now,
    randomBytes,
    newUuid: randomUUID,
  });
  const tokens = createSimpleTokens({
    store: options.tokens,
    revocations: around.revocations,
    lifetimeMs: options.tokenLifetimeMs,
    sipExtraMs: options.sipExtraMs,
    maxPerUser: options.maxTokensPerUser,
    now,
    randomBytes,
    count,
  });
  const ownMetadata = watchOwnMetadata({ ...options.ownMetadata, now, log });
  return { providers, signOn, tokens, ownMetadata };
}
