// authorize, token and revoke of an edge's lane: Unified CM's own OAuth services (/ssosp) for a client that has no session
// yet. Core opens exactly these three resources, each with its methods, and proves who asks wherever a password or the
// right to revoke is at stake: nobody may try passwords on call control past rate control. A client's redirect_uri is
// not passed on (RFC 6749 §3.1.2.2, T-127): the one registered for the client id is used.
import { type Caller, type CallerOptions, offersTokens, readCaller } from '../../auth/index.ts';
import type { CallControlNode, UnifiedCm } from '../unified-cm/index.ts';
import { answerDeny, answerStatus } from './answers.ts';
import type { Call } from './call.ts';
import { pass, type PassOptions } from './pass.ts';

export interface OauthServicesOptions extends PassOptions {
  readonly callers: CallerOptions;
  readonly unifiedCm: PassOptions['unifiedCm'] & Pick<UnifiedCm, 'homeOf'>;
  /** Name of the first cluster of a deployment: it redeems codes and refresh tokens. */
  readonly clusterOf: (deployment: string) => string | undefined;
  /** Ends the user's sessions and tokens at this core. */
  readonly revoke: (user: string) => Promise<void>;
}

const services = {
  authorize: { path: '/ssosp/oauth/authorize', methods: ['GET'] },
  token: { path: '/ssosp/oauth/token', methods: ['POST'] },
  revoke: { path: '/ssosp/token/revoke', methods: ['GET', 'POST'] },
} as const;

export type OauthService = keyof typeof services;

export function isOauthService(name: string): name is OauthService {
  return Object.hasOwn(services, name);
}

/** Answers one request for a service, or hands it to the user's home cluster. */
export async function answerOauth(
  options: OauthServicesOptions,
  call: Call,
  name: OauthService,
): Promise<void> {
  const { request } = call.exchange;
  const query = new URLSearchParams(request.query ?? '');
  const methods: readonly string[] = services[name].methods;
  if (!offersTokens(options.callers.settings)) return refuse(options, call, 404, 'service-unknown');
  if (!methods.includes(request.method)) return refuse(options, call, 405, 'method');
  if (query.has('redirect_uri')) return refuse(options, call, 400, 'redirect-uri');
  if (name === 'token') {
    // The code or refresh token in the body is the credential; a second one would only be something to guess with.
    request.headers.remove('authorization');
    return passHome(options, call, name, options.clusterOf(call.deployment), undefined);
  }
  const caller = await identify(options, call);
  if (caller === undefined) return;
  const { user, homeCluster } = caller.account;
  const named = query.get('user_id');
  if (name === 'revoke' && named !== null && named.toLowerCase() !== user)
    return refuse(options, call, 403, 'other-user');
  passHome(options, call, name, homeCluster, name === 'revoke' ? user : undefined);
}

/** Who asks; undefined when the refusal has been answered. */
async function identify(options: OauthServicesOptions, call: Call): Promise<Caller | undefined> {
  const lines = call.exchange.request.headers.all('authorization');
  const authorization = lines.length > 1 ? '' : lines[0];
  const shown = { deployment: call.deployment, authorization, clientAddress: call.trace.clientAddress };
  const caller = await readCaller(options.callers, shown, 'signIn');
  if (caller.outcome === 'caller') {
    call.record.user(caller.account.user);
    return caller;
  }
  call.record.claimed(caller.claimed);
  options.count('sign-in-refused', caller.verdict.reason);
  call.record.rejected(caller.verdict.reason, caller.verdict.text);
  answerDeny(call.exchange, caller.verdict);
  return undefined;
}

function passHome(
  options: OauthServicesOptions,
  call: Call,
  name: OauthService,
  cluster: string | undefined,
  revoked: string | undefined,
): void {
  const home = cluster === undefined ? undefined : options.unifiedCm.homeOf(cluster);
  const node = home === undefined ? undefined : nodeOf(options, home.node, home.cluster);
  if (home === undefined || node === undefined) return refuse(options, call, 503, 'unreachable');
  options.count('request-allowed', `oauth-${name}`);
  call.record.allowed('edge-service', `${name} is for Unified CM to answer`);
  const { udsPort: port } = home;
  const lane = { kind: 'proxy', domain: call.domain, protocol: 'https', host: node.name, port } as const;
  pass(options, call, lane, services[name].path, { node, protocol: 'https', port }, (status) => {
    if (name === 'token' && status >= 400) options.count('token-refused');
    if (revoked !== undefined && status < 300) void endSessions(options, call, revoked);
  });
}

async function endSessions(options: OauthServicesOptions, call: Call, user: string): Promise<void> {
  try {
    await options.revoke(user);
  } catch (error) {
    options.count('revocation-failed');
    call.record.failed('store-unavailable', `the revocation could not be stored: ${String(error)}`);
  }
}

function nodeOf(options: OauthServicesOptions, name: string, cluster: string): CallControlNode | undefined {
  return options.unifiedCm.nodes().find((node) => node.name === name && node.cluster === cluster);
}

function refuse(options: OauthServicesOptions, call: Call, status: number, reason: string): void {
  options.count('request-refused', reason);
  call.record.rejected(reason, 'the OAuth service cannot be used like this');
  answerStatus(call.exchange, status);
}
