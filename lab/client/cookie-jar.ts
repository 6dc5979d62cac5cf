// The cookie rules a client applies to what the edge sets (RFC 6265 §5.3, mra-wire §1.6): a cookie whose domain
// does not cover the host that set it is refused, and so is one without a usable expiry date, which is the
// failure operators see as a login that never ends.

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly hostOnly: boolean;
  readonly expiresMs: number;
}

export type StoreResult = 'stored' | 'malformed' | 'foreign-domain' | 'bad-expiry' | 'not-secure';

/** Keeps Secure cookies for the path `/`. `maxCookies` bounds it; the oldest goes first. */
export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();
  readonly #maxCookies: number;

  constructor(maxCookies = 16) {
    this.#maxCookies = maxCookies;
  }

  /** Takes one `Set-Cookie` value that `host` sent. */
  store(host: string, setCookie: string): StoreResult {
    const [pair = '', ...attributes] = setCookie.split(';').map((part) => part.trim());
    const equals = pair.indexOf('=');
    if (equals < 1) return 'malformed';
    const named = new Map(attributes.map(splitAttribute));
    const domain = (named.get('domain') ?? host).replace(/^\./, '').toLowerCase();
    if (!covers(domain, host.toLowerCase())) return 'foreign-domain';
    if (!named.has('secure')) return 'not-secure';
    const expires = named.get('expires');
    const expiresMs = expires === undefined ? Infinity : Date.parse(expires);
    if (Number.isNaN(expiresMs)) return 'bad-expiry';
    const name = pair.slice(0, equals);
    const hostOnly = !named.has('domain');
    this.#cookies.delete(name);
    this.#cookies.set(name, { name, value: pair.slice(equals + 1), domain, hostOnly, expiresMs });
    const oldest = this.#cookies.keys().next();
    if (this.#cookies.size > this.#maxCookies && !oldest.done) this.#cookies.delete(oldest.value);
    return 'stored';
  }

  /** The `Cookie` header for a request to `host`, or undefined when no cookie applies. */
  headerFor(host: string, nowMs: number): string | undefined {
    const wanted = host.toLowerCase();
    const applying = [...this.#cookies.values()].filter(
      (cookie) =>
        cookie.expiresMs > nowMs &&
        (cookie.hostOnly ? cookie.domain === wanted : covers(cookie.domain, wanted)),
    );
    if (applying.length === 0) return undefined;
    return applying.map((cookie) => `${cookie.name}=${cookie.value}`).join('; ');
  }

  get(name: string): string | undefined {
    return this.#cookies.get(name)?.value;
  }
}

function splitAttribute(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals < 0) return [text.toLowerCase(), ''];
  return [text.slice(0, equals).trim().toLowerCase(), text.slice(equals + 1).trim()];
}

function covers(domain: string, host: string): boolean {
  return host === domain || host.endsWith(`.${domain}`);
}
