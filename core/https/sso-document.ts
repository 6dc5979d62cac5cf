// The answer to get_edge_sso: whether the client may use single sign-on or tokens, or has to ask for name and password.
// COMPAT(Jabber 11-15): the body is modelled on what Unified CM answers to its own single-sign-on question
// (`/ssosp/ws/public/singleSignOn`); no capture of a real edge's answer was at hand.
import { leaf } from './xml-text.ts';

export interface SsoFacts {
  readonly sso: boolean;
  readonly token: boolean;
  /** Where the client would go to authorize; printed only when one of the two is on. */
  readonly authorizeUri: string;
}

export function printSso({ sso, token, authorizeUri }: SsoFacts): string {
  const uri = sso || token ? leaf('Uri', authorizeUri) : '';
  return (
    `<?xml version='1.0' encoding='UTF-8'?>` +
    `<SSOResult version="1.0"><Response><SingleSignOn>` +
    `<Status enabled="${sso}"/><Token enabled="${token}"/>${uri}` +
    `</SingleSignOn></Response></SSOResult>`
  );
}
