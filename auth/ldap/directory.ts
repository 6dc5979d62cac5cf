// Passwords that a directory keeps: the user's entry is searched for by the operator's attribute, then bound with the
// password (RFC 4513 §5.1.3). Refused before anything goes out: an empty password, which a directory would take for
// an anonymous bind and call a success (§5.1.2). Never followed: referrals and aliases, which lead wherever an entry
// says. The entry must spell the user as the client did, since directories match more than equal names.
import { AndFilter, Client, EqualityFilter, FilterParser, ResultCodeError, type Filter } from 'ldapts';
import type { Credentials } from '../basic.ts';
import { foldUser } from '../user-id.ts';
import { type DirectoryServer, openSecureConnection } from './secure-connection.ts';

export interface DirectoryOptions {
  /** In order of preference. */
  readonly servers: readonly DirectoryServer[];
  /** PEM; undefined: the system's authorities. */
  readonly authority: string | undefined;
  /** Distinguished name below which users are. */
  readonly base: string;
  /** Attribute that holds the user id. */
  readonly userAttribute: string;
  /** What else an entry must match (RFC 4515); undefined: nothing. */
  readonly filter: string | undefined;
  /** Who searches; undefined: anybody may. */
  readonly account: { readonly dn: string; readonly password: string } | undefined;
  /** For one server, from dialling to the last answer. */
  readonly timeoutMs: number;
  /** How long a server that failed is asked last. */
  readonly restMs: number;
  /** Addresses of a server's name. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
}

export type DirectoryAnswer =
  | { readonly kind: 'ok' }
  | { readonly kind: 'bad-credentials' }
  | { readonly kind: 'unknown-user' }
  | { readonly kind: 'not-permitted'; readonly cause: string }
  | { readonly kind: 'unreachable'; readonly cause: string };

export interface Directory {
  /** Never rejects: that nobody could be asked is an answer. */
  check(credentials: Credentials): Promise<DirectoryAnswer>;
}

/** An answer to one question about one user is far below this. */
const MAX_ANSWER_BYTES = 256 * 1024;
/** Result codes of a bind (RFC 4511 appendix A) that speak of the user and not of the server. */
const INVALID_CREDENTIALS = 49;
const REFUSED_USER = new Map([
  [19, 'constraintViolation, as for a locked account'],
  [53, 'unwillingToPerform, as for an inactive account'],
]);

/** @throws Error when `filter` is no filter. */
export function createDirectory(options: DirectoryOptions): Directory {
  if (options.filter !== undefined) FilterParser.parseString(options.filter);
  const restUntil = new Map<DirectoryServer, number>();
  const inOrder = (): DirectoryServer[] => {
    const rests = (server: DirectoryServer): boolean => (restUntil.get(server) ?? 0) > options.now();
    return options.servers.toSorted((a, b) => Number(rests(a)) - Number(rests(b)));
  };
  return {
    async check(credentials) {
      if (credentials.password === '') return { kind: 'bad-credentials' };
      const causes: string[] = [];
      for (const server of inOrder()) {
        try {
          const answer = await ask(server, credentials, options);
          restUntil.delete(server);
          return answer;
        } catch (error) {
          restUntil.set(server, options.now() + options.restMs);
          options.count('directory-failed');
          causes.push(`${server.protocol}://${server.host}:${server.port}: ${words(error)}`);
        }
      }
      return { kind: 'unreachable', cause: causes.join('; ') };
    },
  };
}

async function ask(
  server: DirectoryServer,
  credentials: Credentials,
  options: DirectoryOptions,
): Promise<DirectoryAnswer> {
  const stop = new AbortController();
  const timer = setTimeout(
    () => stop.abort(new Error(`no answer within ${options.timeoutMs / 1000} s`)),
    options.timeoutMs,
  );
  const late = new Promise<never>((_, reject) =>
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason as Error)),
  );
  late.catch(() => undefined);
  try {
    return await Promise.race([askOnce(server, credentials, options, stop.signal), late]);
  } finally {
    clearTimeout(timer);
    stop.abort(new Error('done'));
  }
}

async function askOnce(
  server: DirectoryServer,
  credentials: Credentials,
  options: DirectoryOptions,
  signal: AbortSignal,
): Promise<DirectoryAnswer> {
  const [address] = await options.resolve(server.host);
  if (address === undefined) throw new Error('its name has no address');
  const { authority } = options;
  const socket = await openSecureConnection({
    server,
    address,
    authority,
    signal,
    maxBytes: MAX_ANSWER_BYTES,
  });
  let used = false;
  const client = new Client({
    url: 'ldap://directory',
    createConnection: () => {
      if (used) throw new Error('the server closed the connection');
      used = true;
      return socket;
    },
  });
  const entry = await findUser(client, credentials.user, options);
  if ('kind' in entry) {
    // The same steps as for a user who exists, so that the time of the answer does not tell; what comes back is void.
    const nobody = `cn=nobody of this name,${options.base}`;
    await bind(client, nobody, credentials.password).catch(() => undefined);
    return entry;
  }
  return bind(client, entry.dn, credentials.password);
}

async function findUser(
  client: Client,
  user: string,
  options: DirectoryOptions,
): Promise<{ dn: string } | Exclude<DirectoryAnswer, { kind: 'ok' }>> {
  const { account, base, userAttribute } = options;
  if (account !== undefined) {
    const answer = await bind(client, account.dn, account.password);
    if (answer.kind !== 'ok') throw new Error(`it refuses the search account ${account.dn}`);
  }
  const { searchEntries } = await client.search(base, {
    scope: 'sub',
    derefAliases: 'never',
    filter: filterFor(user, options),
    attributes: [userAttribute],
    sizeLimit: 2,
  });
  const [entry, another] = searchEntries;
  if (another !== undefined)
    return { kind: 'not-permitted', cause: `${userAttribute} is not unique below ${base}` };
  if (entry === undefined || entry.dn === '' || !spells(entry, userAttribute, user))
    return { kind: 'unknown-user' };
  return { dn: entry.dn };
}

function filterFor(user: string, { filter, userAttribute }: DirectoryOptions): Filter {
  const named = new EqualityFilter({ attribute: userAttribute, value: user });
  if (filter === undefined) return named;
  return new AndFilter({ filters: [named, FilterParser.parseString(filter)] });
}

/** Whether one of the entry's values is the user's id as call control compares it. */
function spells(entry: Record<string, unknown>, attribute: string, user: string): boolean {
  const name = Object.keys(entry).find((key) => key.toLowerCase() === attribute.toLowerCase());
  const value = name === undefined ? undefined : entry[name];
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => typeof each === 'string' && foldUser(each) === foldUser(user));
}

async function bind(client: Client, dn: string, password: string): Promise<DirectoryAnswer> {
  try {
    await client.bind(dn, password);
    return { kind: 'ok' };
  } catch (error) {
    const code = error instanceof ResultCodeError ? error.code : undefined;
    if (code === INVALID_CREDENTIALS) return { kind: 'bad-credentials' };
    const refused = code === undefined ? undefined : REFUSED_USER.get(code);
    if (refused !== undefined) return { kind: 'not-permitted', cause: `the directory says ${refused}` };
    throw error;
  }
}

/** What went wrong, for the operator; the texts of directories and of TLS name no secret. */
function words(error: unknown): string {
  const text = error instanceof Error ? error.message : 'unknown failure';
  return text.split('\n', 1)[0]?.slice(0, 200) ?? '';
}
