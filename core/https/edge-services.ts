// What a lane that names only a domain can ask for: get_edge_sso before there are credentials, get_edge_config to sign
// in, single sign-on, and Unified CM's OAuth services. In the forms clients are known to send, with and without a slash at the end and a query.
import {
  type AccessSettings,
  printSetCookie,
  type SignedIn,
  type SignIn,
  ssoOffer,
} from '../../auth/index.ts';
import { printLane } from '../../zones/lane.ts';
import type { PeerIdentity } from '../../zones/peer.ts';
import type { UnifiedCm } from '../unified-cm/index.ts';
import { answerDeny, answerDocument, answerStatus } from './answers.ts';
import type { EdgeAddress } from './edge-address.ts';
import { answerOauth, isOauthService, type OauthServicesOptions } from './oauth-services.ts';
import type { SignOnServices } from './sign-on-services.ts';
import type { InternalCheck } from './internal-check.ts';
import { printEdgeConfig } from './edge-config-document.ts';
import type { Call } from './call.ts';
import { printSso } from './sso-document.ts';

export interface EdgeServicesOptions {
  readonly oauth: OauthServicesOptions;
  /** Undefined while single sign-on is switched off. */
  readonly signOn: SignOnServices | undefined;
  readonly settings: AccessSettings;
  /** Undefined: one answer of get_edge_sso for everybody. */
  readonly internalCheck: InternalCheck | undefined;
  readonly signIn: SignIn;
  readonly unifiedCm: Pick<UnifiedCm, 'homeOf'>;
  /** Every edge that clients may use, and the one a request came through. */
  readonly edges: () => readonly EdgeAddress[];
  readonly edgeOf: (peer: PeerIdentity) => EdgeAddress;
  /** This core as edges reach it, for the client's Route. */
  readonly sip: { readonly address: string; readonly tlsPort: number };
  readonly cookie: { readonly expires: boolean; readonly httpOnly: boolean };
  readonly count: (event: string, reason?: string) => void;
}

export type EdgeServices = (call: Call, rest: string) => Promise<void>;

export function createEdgeServices(options: EdgeServicesOptions): EdgeServices {
  return async (call, rest) => {
    const name = /^\/([a-z_]+)\/?$/.exec(rest)?.[1];
    if (name !== undefined && options.signOn?.takes(call, name) === true)
      return options.signOn.answer(call, name);
    if (name !== undefined && isOauthService(name)) return answerOauth(options.oauth, call, name);
    if (name !== 'get_edge_sso' && name !== 'get_edge_config')
      return refuse(options, call, 404, 'service-unknown');
    if (call.exchange.request.method !== 'GET') return refuse(options, call, 405, 'method');
    if (name === 'get_edge_sso') return answerSso(options, call);
    return answerConfig(options, call);
  };
}

function refuse(options: EdgeServicesOptions, call: Call, status: number, reason: string): void {
  options.count('request-refused', reason);
  call.record.rejected(reason, 'no such service of the edge');
  answerStatus(call.exchange, status);
}

async function answerSso(options: EdgeServicesOptions, call: Call): Promise<void> {
  const general = ssoOffer(options.settings, options.signOn?.serves(call.domain) ?? false);
  const identity = new URLSearchParams(call.exchange.request.query ?? '').get('email') ?? undefined;
  const home = await options.internalCheck?.(call.deployment, identity);
  // A cluster without tokens takes away what the settings offer, never adds to it.
  const offer = home === undefined || home.token ? general : { sso: false, token: false };
  const edge = options.edgeOf(call.peer);
  const lane = printLane({ kind: 'domain', domain: call.domain });
  const authorizeUri = `https://${edge.address}:${edge.httpsPort}/${lane}/authorize`;
  const source = home === undefined ? 'the access settings' : "the user's home cluster";
  call.record.allowed('edge-service', `answered from ${source}`);
  options.count('request-allowed', 'get-edge-sso');
  answerDocument(call.exchange, printSso({ ...offer, authorizeUri }), undefined);
}

async function answerConfig(options: EdgeServicesOptions, call: Call): Promise<void> {
  const { request } = call.exchange;
  const lines = request.headers.all('authorization');
  const authorization = lines.length > 1 ? '' : lines[0];
  const result = await options.signIn({
    deployment: call.deployment,
    authorization,
    clientAddress: call.trace.clientAddress,
  });
  if (!('account' in result)) {
    call.record.claimed(result.claimed);
    options.count('sign-in-refused', result.verdict.reason);
    call.record.rejected(result.verdict.reason, result.verdict.text);
    return answerDeny(call.exchange, result.verdict);
  }
  answerSignedIn(options, call, result);
}

function answerSignedIn(options: EdgeServicesOptions, call: Call, signedIn: SignedIn): void {
  const { account, cookie, verdict } = signedIn;
  call.record.user(account.user);
  const home = options.unifiedCm.homeOf(account.homeCluster);
  if (home === undefined) {
    options.count('sign-in-refused', 'unreachable');
    call.record.failed('unreachable', 'no node of the home cluster is known');
    return answerStatus(call.exchange, 503);
  }
  const asking = options.edgeOf(call.peer);
  const edges = [asking, ...options.edges().filter(({ peer }) => peer !== asking.peer)];
  const route = { address: options.sip.address, port: options.sip.tlsPort, zoneId: call.peer.zoneId };
  const serviceNames = readServiceNames(call.exchange.request.query);
  const document = printEdgeConfig({ edges, home, route, serviceNames });
  const setCookie = printSetCookie(cookie.value, cookie.expiresAt, {
    ...options.cookie,
    domain: asking.cookieDomain,
  });
  options.count('sign-in', verdict.reason);
  call.record.allowed(verdict.reason, verdict.text);
  answerDocument(call.exchange, document, setCookie);
}

/** Names a client asks for beyond the usual ones; more than this, or stranger ones, are left out. */
const maxServiceNames = 16;

function readServiceNames(query: string | undefined): string[] {
  const names = new URLSearchParams(query ?? '').getAll('service_name').slice(0, maxServiceNames);
  return names.filter((name) => /^[A-Za-z0-9_.-]{1,64}$/.test(name));
}
