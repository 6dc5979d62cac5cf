// Bearer credentials as HTTP writes them (RFC 6750 §2.1: `Bearer <token>`) and as SIP phones do (mra-wire §3.4:
// `Bearer token="<token>"`).

const httpForm = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const sipForm = /^bearer\s+(?:[a-z]+\s*=\s*"[^"]*"\s*,\s*)*token\s*=\s*"([A-Za-z0-9._-]+)"\s*(?:,[^]*)?$/i;

/** True for an Authorization value of the Bearer scheme, well-formed or not. */
export function isBearer(authorization: string | undefined): boolean {
  return authorization !== undefined && /^bearer(?: |$)/i.test(authorization);
}

/** The token in an Authorization value; undefined when there is no single one. */
export function parseBearer(authorization: string): string | undefined {
  return httpForm.exec(authorization)?.[1];
}

/** The token in a Proxy-Authorization value of SIP. */
export function parseSipBearer(value: string): string | undefined {
  return value.length > 16_384 ? undefined : sipForm.exec(value)?.[1];
}
