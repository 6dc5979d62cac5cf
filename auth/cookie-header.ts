// X-Auth in Cookie and Set-Cookie lines, RFC 6265 §4.1, §4.2. Other cookies belong to call control and pass untouched;
// ours never travels further in than core.

export interface SetCookieOptions {
  /** DNS domain of the edges, without leading dot: a client refuses a cookie for any other. */
  readonly domain: string;
  /** Print `Expires`; some devices keep no cookie without it. */
  readonly expires: boolean;
  readonly httpOnly: boolean;
}

/** The Set-Cookie value; attributes and their order as clients know them. */
export function printSetCookie(value: string, expiresAt: number, options: SetCookieOptions): string {
  const expires = options.expires ? `; Expires=${new Date(expiresAt).toUTCString()}` : '';
  const httpOnly = options.httpOnly ? '; HttpOnly' : '';
  return `X-Auth=${value}${expires}; Domain=.${options.domain}; Path=/; Secure${httpOnly}`;
}

/**
 * The X-Auth value among all Cookie lines of a request: undefined when absent, the empty string (which is never
 * genuine) when the lines disagree about it.
 */
export function readXAuth(cookieLines: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const line of cookieLines) {
    for (const pair of line.split(';')) {
      if (!isOurs(pair)) continue;
      const value = pair.slice(pair.indexOf('=') + 1).trim();
      if (found !== undefined && found !== value) return '';
      found = value;
    }
  }
  return found;
}

/** `line` without X-Auth in any case; undefined when nothing is left. */
export function stripXAuth(line: string): string | undefined {
  if (!/x-auth/i.test(line)) return line;
  const rest = line.split(';').filter((pair) => !isOurs(pair) && pair.trim() !== '');
  return rest.length === 0 ? undefined : rest.map((pair) => pair.trim()).join('; ');
}

function isOurs(pair: string): boolean {
  return /^\s*x-auth\s*(?:=|$)/i.test(pair);
}
