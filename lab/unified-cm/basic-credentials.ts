// HTTP Basic credentials as a Unified CM reads them (RFC 7617, UTF-8). Everything that does not parse is
// simply no credentials; the caller answers 401 either way.

export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

/** Reads an `Authorization` value; undefined when it is absent, of another scheme or malformed. */
export function parseBasic(header: string | undefined): BasicCredentials | undefined {
  const match = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header ?? '');
  if (match?.[1] === undefined) return undefined;
  const text = Buffer.from(match[1], 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The header value a client sends. */
export function printBasic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}
