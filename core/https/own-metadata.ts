// Whether our metadata is still what it was (the alarm "SAML metadata has been modified" of the product administrators
// know): another certificate, domain or edge makes identity providers refuse or misdirect sign-ins until it is imported
// there again. Remembers a hash in the store; tells once, and shows for how long it has been so.
import { createHash } from 'node:crypto';

export interface OwnMetadataOptions {
  /** As `viaduct saml metadata` prints it. */
  readonly document: string;
  readonly store: {
    get(key: string): Promise<string | undefined>;
    set(key: string, value: string, ttlMs: number): Promise<void>;
  };
  readonly now: () => number;
  readonly log: { warn(fields: object, text: string): void };
}

export interface OwnMetadata {
  /** Compares with what the store remembers. Never rejects: a store that fails is told elsewhere. */
  compare(): Promise<void>;
  status(): { readonly fingerprint: string; readonly changed: string };
}

const keepMs = 10 * 365 * 86_400_000;
const key = 'own-metadata';

export function watchOwnMetadata(options: OwnMetadataOptions): OwnMetadata {
  const fingerprint = createHash('sha256').update(options.document).digest('hex').slice(0, 16);
  let changed = 'not compared yet';
  const read = async (): Promise<void> => {
    const [last, since = ''] = ((await options.store.get(key)) ?? '').split(' ');
    if (last === fingerprint) {
      changed = since === '' ? 'never' : since;
      return;
    }
    const at = last === '' ? '' : new Date(options.now()).toISOString();
    changed = at === '' ? 'never' : at;
    await options.store.set(key, `${fingerprint} ${at}`.trim(), keepMs);
    if (at === '') return;
    const fields = { event: 'SAML Metadata Modified', fingerprint, before: last };
    options.log.warn(fields, 'our SAML metadata has changed: import it at the identity providers again');
  };
  return {
    compare: () => read().catch(() => undefined),
    status: () => ({ fingerprint, changed }),
  };
}
