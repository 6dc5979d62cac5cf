// The identity providers in force: whose metadata is good now, which domain belongs to which. Metadata comes from a file,
// a URL or both; the URL is asked again and again, and what it brings replaces the rest only when all of it can be used.
// What goes out of date without a successor is taken out of use, never stretched; warnings come before. Memory: the
// configured providers, sixteen certificates each.
import { type IdpMetadata, readIdpMetadata, type SigningCertificate } from './idp-metadata.ts';
import type { RequestDigest } from './saml-library.ts';
import { SamlFault } from './saml-fault.ts';
import { openSignedMetadata } from './signed-metadata.ts';
import type { UserRule } from './user-rule.ts';

export interface IdentityProviderOptions {
  /** The operator's name for it. */
  readonly name: string;
  /** Domains (folded) whose users it authenticates; a domain has one provider. */
  readonly domains: readonly string[];
  /** Picks one out of several entities; undefined takes the only one. */
  readonly entityId: string | undefined;
  /** Metadata as imported. */
  readonly document: string | undefined;
  readonly url: string | undefined;
  /** PEM of the certificate that signs the metadata behind `url`. */
  readonly metadataSigner: string | undefined;
  readonly digest: RequestDigest;
  readonly allowSha1: boolean;
  readonly wantAssertionSigned: boolean;
  /** Ask for a fresh authentication each time. */
  readonly forceAuthn: boolean;
  readonly user: UserRule;
}

export interface IdentityProvidersOptions {
  readonly providers: readonly IdentityProviderOptions[];
  /** The document behind a provider's URL, bounded in time and size. Rejects with words for the operator. */
  readonly fetch: (name: string, url: string) => Promise<string>;
  readonly refreshMs: number;
  readonly retryMs: number;
  /** How long metadata from a URL without an end of its own stays good while the URL cannot be read. */
  readonly staleMs: number;
  /** How long before a certificate or the metadata ends it is warned of. */
  readonly warnBeforeMs: number;
  /** Wall clock. */
  readonly now: () => number;
  /** Calls back after `ms`; returns what cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
  readonly count: (event: string, reason?: string) => void;
}

/** A provider that can be asked now. */
export interface ReadyProvider {
  readonly kind: 'ready';
  readonly options: IdentityProviderOptions;
  readonly entityId: string;
  readonly signOnUrl: string;
  /** Certificates that are good now, PEM. */
  readonly certificates: readonly string[];
}

export type ProviderState =
  | ReadyProvider
  | { readonly kind: 'unavailable'; readonly name: string; readonly cause: string };

export interface IdentityProviders {
  /** Who authenticates the users of a domain; undefined: nobody. */
  of(domain: string): ProviderState | undefined;
  start(): void;
  close(): void;
  /**
   * A signature did not fit the keys of this provider: its URL is asked out of turn, seldom. True if its keys have changed.
   */
  renew(name: string): Promise<boolean>;
  /** Asks every URL now; resolves when all have answered or failed. */
  refresh(): Promise<void>;
  status(): readonly ProviderStatus[];
}

export interface ProviderStatus {
  readonly name: string;
  readonly entityId: string;
  readonly domains: readonly string[];
  readonly state: string;
  readonly alarms: readonly string[];
  readonly certificates: readonly {
    readonly subject: string;
    readonly fingerprint: string;
    readonly until: string;
  }[];
  readonly refreshed: string;
}

interface Entry {
  readonly options: IdentityProviderOptions;
  metadata: IdpMetadata | undefined;
  /** When the URL last gave it; undefined for an imported document. */
  fetchedAt: number | undefined;
  problem: string;
  alarms: string;
  /** Earliest moment of the next refresh out of turn. */
  renewAt: number;
}

export function createIdentityProviders(options: IdentityProvidersOptions): IdentityProviders {
  return new Directory(options);
}

class Directory implements IdentityProviders {
  readonly #options: IdentityProvidersOptions;
  readonly #entries: readonly Entry[];
  readonly #byDomain: ReadonlyMap<string, Entry>;
  #cancel: () => void = () => undefined;
  #closed = false;

  constructor(options: IdentityProvidersOptions) {
    this.#options = options;
    this.#entries = options.providers.map((provider) => this.#import(provider));
    this.#byDomain = new Map(
      this.#entries.flatMap((entry) => entry.options.domains.map((domain) => [domain, entry] as const)),
    );
  }

  of(domain: string): ProviderState | undefined {
    const entry = this.#byDomain.get(domain);
    return entry && this.#judge(entry);
  }

  start(): void {
    const round = async (): Promise<void> => {
      await this.refresh();
      if (this.#closed) return;
      const failed = this.#entries.some(
        ({ options, problem }) => options.url !== undefined && problem !== '',
      );
      const pause = failed ? this.#options.retryMs : this.#options.refreshMs;
      this.#cancel = this.#options.after(pause, () => void round());
    };
    void round();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async renew(name: string): Promise<boolean> {
    const entry = this.#entries.find(({ options }) => options.name === name);
    const now = this.#options.now();
    if (entry?.options.url === undefined || now < entry.renewAt) return false;
    entry.renewAt = now + this.#options.retryMs;
    const before = fingerprintsOf(entry);
    await this.#fetch(entry);
    this.#warn(entry);
    return fingerprintsOf(entry) !== before;
  }

  async refresh(): Promise<void> {
    await Promise.all(this.#entries.map((entry) => this.#fetch(entry)));
    for (const entry of this.#entries) this.#warn(entry);
  }

  status(): readonly ProviderStatus[] {
    return this.#entries.map((entry) => {
      const { options, metadata, fetchedAt } = entry;
      const state = this.#judge(entry);
      return {
        name: options.name,
        entityId: metadata?.entityId ?? 'not known yet',
        domains: options.domains,
        state: state.kind === 'ready' ? 'ready' : state.cause,
        alarms: this.#alarms(entry),
        certificates: (metadata?.certificates ?? []).map(({ subject, fingerprint, notAfter }) => ({
          subject,
          fingerprint,
          until: dateOf(notAfter),
        })),
        refreshed: fetchedAt === undefined ? 'imported from file' : new Date(fetchedAt).toISOString(),
      };
    });
  }

  /** An imported document that cannot be used closes its provider's domains, not the process: calls go on. */
  #import(options: IdentityProviderOptions): Entry {
    const entry: Entry = {
      options,
      metadata: undefined,
      fetchedAt: undefined,
      problem: '',
      alarms: '',
      renewAt: 0,
    };
    const { document, entityId } = options;
    if (document === undefined) return { ...entry, problem: 'its metadata has not been fetched yet' };
    try {
      return { ...entry, metadata: readIdpMetadata(document, entityId, this.#options.now()) };
    } catch (error) {
      if (error instanceof SamlFault) return { ...entry, problem: error.message };
      throw error;
    }
  }

  #judge(entry: Entry): ProviderState {
    const { metadata, options } = entry;
    const now = this.#options.now();
    const unavailable = (cause: string): ProviderState => ({
      kind: 'unavailable',
      name: options.name,
      cause,
    });
    if (metadata === undefined) return unavailable(entry.problem);
    const end = this.#endOf(entry);
    if (end !== undefined && now >= end) return unavailable(`its metadata was good until ${dateOf(end)}`);
    const good = metadata.certificates.filter((certificate) => isGood(certificate, now));
    if (good.length === 0) return unavailable('none of its signing certificates is good now');
    const { entityId, signOnUrl } = metadata;
    return { kind: 'ready', options, entityId, signOnUrl, certificates: good.map(({ pem }) => pem) };
  }

  /** When the metadata in force ends. */
  #endOf({ metadata, fetchedAt }: Entry): number | undefined {
    const stale = fetchedAt === undefined ? undefined : fetchedAt + this.#options.staleMs;
    return metadata?.validUntil ?? stale;
  }

  #alarms(entry: Entry): string[] {
    const now = this.#options.now();
    const { warnBeforeMs } = this.#options;
    const alarms = entry.problem === '' ? [] : [entry.problem];
    const end = this.#endOf(entry);
    if (end !== undefined && now > end - warnBeforeMs && entry.metadata?.validUntil !== undefined)
      alarms.push(`metadata ${now < end ? 'ends' : 'ended'} ${dateOf(end)}`);
    for (const { fingerprint, notAfter, notBefore } of entry.metadata?.certificates ?? []) {
      if (now > notAfter - warnBeforeMs)
        alarms.push(
          `signing certificate ${fingerprint} ${now < notAfter ? 'ends' : 'ended'} ${dateOf(notAfter)}`,
        );
      if (now < notBefore) alarms.push(`signing certificate ${fingerprint} begins ${dateOf(notBefore)}`);
    }
    return alarms;
  }

  /** Tells what has changed since it was last told. */
  #warn(entry: Entry): void {
    const alarms = this.#alarms(entry).join('; ');
    if (alarms === entry.alarms) return;
    entry.alarms = alarms;
    const fields = { event: 'Identity Provider', provider: entry.options.name, alarms };
    if (alarms === '') this.#options.log.info(fields, 'identity provider is in order again');
    else this.#options.log.warn(fields, 'identity provider needs attention');
  }

  async #fetch(entry: Entry): Promise<void> {
    const { url, name, entityId, metadataSigner } = entry.options;
    if (url === undefined) return;
    try {
      const text = await this.#options.fetch(name, url);
      const signed = metadataSigner === undefined ? text : await openSignedMetadata(text, metadataSigner);
      const metadata = readIdpMetadata(signed, entityId, this.#options.now());
      // Another entity behind the same URL is no refresh; it would be a transfer of every domain.
      if (entry.metadata !== undefined && entry.metadata.entityId !== metadata.entityId)
        throw new Error(`the URL now gives ${metadata.entityId} instead of ${entry.metadata.entityId}`);
      const known = new Set(entry.metadata?.certificates.map(({ fingerprint }) => fingerprint));
      const fresh = metadata.certificates.filter(({ fingerprint }) => !known.has(fingerprint));
      entry.metadata = metadata;
      entry.fetchedAt = this.#options.now();
      entry.problem = '';
      if (fresh.length > 0) this.#tellNew(name, fresh);
    } catch (error) {
      this.#options.count('metadata-failed');
      entry.problem = `its metadata cannot be refreshed: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #tellNew(provider: string, certificates: readonly SigningCertificate[]): void {
    const fingerprints = certificates.map(({ fingerprint }) => fingerprint);
    const fields = { event: 'Identity Provider Keys', provider, fingerprints };
    this.#options.log.info(fields, 'the identity provider signs with new certificates');
  }
}

function fingerprintsOf({ metadata }: Entry): string {
  return (metadata?.certificates ?? []).map(({ fingerprint }) => fingerprint).join(' ');
}

function isGood({ notBefore, notAfter }: SigningCertificate, now: number): boolean {
  return notBefore <= now && now < notAfter;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
