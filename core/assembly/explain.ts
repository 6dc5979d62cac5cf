// `explain` in a running core: what was decided about a logged request, at core and at the edge it came through, and what
// would be decided now about a URL, a user, a device or a token, with the live allow list, bans and counters. Reads
// everything, changes and counts nothing, repeats no token and no password. What an edge tells is its word only.
import { z } from 'zod';
import type { Decision, Decisions } from '../../admin/index.ts';
import { type Ban, type BanList, foldUser, type TokenService } from '../../auth/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import type { EdgePeer } from '../../zones/index.ts';
import type { CoreHttps } from '../https/index.ts';
import { explainUrl, type Step } from './explain-url.ts';

export interface ExplainWorld {
  readonly config: Pick<CoreConfig, 'access' | 'domains'>;
  readonly https: Pick<CoreHttps, 'unifiedCm' | 'standing' | 'tokens' | 'listTokens'>;
  readonly registrations: (whose: string) => readonly object[];
  readonly bans: BanList;
  readonly decisions: Decisions;
  readonly edges: () => readonly Pick<EdgePeer, 'identity' | 'control'>[];
}

/** Answers `?url=`, `?trackingId=`, `?user=` or `?device=`; undefined when none of them is there. */
export async function explain(world: ExplainWorld, question: URLSearchParams): Promise<object | undefined> {
  const of = (name: string): string | undefined => question.get(name) ?? undefined;
  const [trackingId, url, user, device] = [of('trackingId'), of('url'), of('user'), of('device')];
  if (trackingId !== undefined) return explainRequest(world, trackingId);
  if (url !== undefined)
    return explainLive(world, url, {
      method: of('method') ?? 'GET',
      user,
      domain: of('domain'),
      address: of('address'),
    });
  if (user !== undefined) return explainUser(world, user, of('domain'));
  return device === undefined ? undefined : explainDevice(world, device);
}

// -- a request that was ----------------------------------------------------------------------------------------------

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const maxWord = 400;
const told = z.object({
  decisions: z
    .array(z.record(z.string().regex(/^[A-Za-z]{1,20}$/), z.union([z.number(), z.string().max(maxWord)])))
    .max(8),
});

async function explainRequest(world: ExplainWorld, trackingId: string): Promise<object> {
  if (!uuid.test(trackingId)) return { steps: [[false, 'a tracking id is a UUID, as the log writes it']] };
  const core = world.decisions.find(trackingId);
  const edges = await Promise.all(world.edges().map((edge) => askEdge(edge, trackingId)));
  const steps: Step[] = [...edges.flat().map(stepOfEdge), ...core.map(stepOfCore)];
  if (core.length === 0) {
    const reached = edges.some((decisions) => decisions.length > 0);
    const words = reached
      ? 'this core has not seen it: edge refused it itself, or another core answered it'
      : 'nobody remembers it: each process keeps its last few thousand requests, until it ends';
    steps.push([false, words]);
  }
  return { steps, edge: edges.flat(), core };
}

/** Edge's half; nothing when it cannot be asked, or answers what cannot be read. */
async function askEdge(
  { identity, control }: Pick<EdgePeer, 'identity' | 'control'>,
  trackingId: string,
): Promise<Decision[]> {
  try {
    const { decisions } = told.parse(await control.request('explain.find', { trackingId }));
    return decisions.map((decision) => ({ edge: identity.name, ...decision }));
  } catch {
    return [];
  }
}

function stepOfEdge(decision: Decision): Step {
  const { edge, status, reason, client, method } = decision;
  const why = reason === undefined ? '' : `, because of ${reason}`;
  return [
    reason === undefined,
    `edge ${edge}: ${method ?? 'request'} from ${client ?? 'a client'} was answered ${status}${why}`,
  ];
}

function stepOfCore(decision: Decision): Step {
  const { event, request, method, status, reason, detail, rule, user } = decision;
  const good = event === 'Request Allowed';
  const who = user === undefined ? '' : ` of ${user}`;
  const by = rule === undefined ? '' : `; ${good ? 'rule' : 'nearest rule'} ${rule}`;
  const words = `core: ${method ?? ''} ${request ?? ''}${who}: ${event} (${reason}): ${detail}${by}; answered ${status}`;
  return [good, good || typeof reason !== 'string' ? words : `${words}. ${adviceOn(reason)}`];
}

/** What to change, by the reason word of a verdict. */
export function adviceOn(reason: string): string {
  return advice[reason] ?? 'See docs/access-control.md for this reason';
}

const advice: Readonly<Record<string, string>> = {
  'access-off': 'Switch this way of signing in on under access, or have the client use another',
  'bad-credentials': 'The password is wrong: call control says so',
  'unknown-user': 'No cluster of the deployment knows the user: is the domain in the right deployment?',
  'no-home-cluster': "Add the user's home cluster to unified-cm",
  unreachable: 'See callControl in viaduct status: the node or the directory does not answer',
  busy: 'Too many sign-ins of this user at once: is a client in a loop?',
  rate: 'Rate control: wait, or raise rate-control.logins',
  banned: 'viaduct bans lists who is out; viaduct bans unblock lets in',
  'cookie-expired': 'The client should sign in again by itself',
  'cookie-invalid':
    'The cookie was made by another core without the same key, or for another deployment: the client signs in again',
  'cookie-revoked': "The user's sessions were ended; signing in again makes a new one",
  'store-unavailable': 'The store fails: see state in viaduct status',
  'token-expired': 'The client should fetch a new token with its refresh token; are the clocks right?',
  'token-key-unknown': 'Is the cluster that issued the token under unified-cm, with its oauth-keys?',
  'token-deployment':
    'The token is of another deployment than the domain asked for: see domains and unified-cm',
  'token-scope': "Unified CM's access policy for the user does not open this service",
  'token-revoked': "The user's tokens were ended; signing in again makes new ones",
  'identity-mismatch': 'Cookie and credentials belong to two users: the client must drop one',
  'node-unknown': 'Is it a node that discovery finds (viaduct status)? Else add a rule for it',
  'service-unknown': 'No rule speaks of this port of the node: add one if clients need it',
  path: 'Add a rule if clients need this path',
  method: 'Add the method to the rule, or a rule of its own',
  'other-user': 'A user reaches only what is theirs',
  domain: 'Add the domain to domains, or 403 is right',
};

// -- what would be decided now ---------------------------------------------------------------------------------------

interface LiveChoices {
  readonly method: string;
  readonly user: string | undefined;
  readonly domain: string | undefined;
  readonly address: string | undefined;
}

async function explainLive(world: ExplainWorld, url: string, choices: LiveChoices): Promise<object> {
  if (!URL.canParse(url)) return { steps: [[false, 'that is no URL']] };
  const steps: Step[] = [];
  if (choices.address !== undefined)
    steps.push(...banSteps([world.bans.find({ kind: 'address', address: choices.address })]));
  if (choices.user !== undefined) steps.push(...(await userSteps(world, choices.user, choices.domain)));
  return { steps: [...steps, ...explainUrl(world.config, world.https.unifiedCm.allowList(), url, choices)] };
}

async function explainUser(world: ExplainWorld, user: string, domain: string | undefined): Promise<object> {
  const steps = await userSteps(world, user, domain);
  const deployment = deploymentOf(world, domain);
  if (deployment !== undefined) steps.push(await homeStep(world, deployment, user));
  const tokens = await world.https.listTokens(user).catch(() => []);
  return { steps, tokens, registrations: world.registrations(user) };
}

function deploymentOf({ config }: ExplainWorld, domain: string | undefined): string | undefined {
  const found = config.domains.find(({ name }) => domain === undefined || name === domain.toLowerCase());
  return found?.deployment;
}

async function userSteps(world: ExplainWorld, user: string, domain: string | undefined): Promise<Step[]> {
  const deployment = deploymentOf(world, domain);
  if (deployment === undefined) return [[false, `${domain} is none of core's domains`]];
  const folded = foldUser(user);
  const out = world.bans
    .list()
    .filter(({ offender }) => offender.kind === 'user' && foldUser(offender.user) === folded);
  const steps: Step[] = [[true, `the domain is of deployment ${deployment}`], ...banSteps(out)];
  try {
    const { limited, revoked } = await world.https.standing(deployment, folded);
    steps.push(
      limited === undefined
        ? [true, 'rate control has sign-ins left for the user']
        : [false, `${limited.text}: again in ${limited.retryAfterS} s. ${adviceOn('rate')}`],
    );
    if (revoked) steps.push([true, "the user's earlier sessions and tokens were ended; new ones are good"]);
  } catch (error) {
    steps.push([false, `the store fails (${String(error)}): nobody can sign in until it is back`]);
  }
  return steps;
}

function banSteps(bans: readonly (Ban | undefined)[]): Step[] {
  const found = bans.filter((ban) => ban !== undefined);
  if (found.length === 0) return [[true, 'intrusion protection keeps nobody of this out']];
  return found.map(({ id, category, failures, until }) => [
    false,
    `${id} is out until ${new Date(until).toISOString()} after ${failures} failures of ${category}: viaduct bans unblock ${id}`,
  ]);
}

async function homeStep(world: ExplainWorld, deployment: string, user: string): Promise<Step> {
  const found = await world.https.unifiedCm.findUser(deployment, user);
  if (found.kind === 'ok') return [true, `the user's home cluster is ${found.account.homeCluster}`];
  const cause = 'cause' in found ? `: ${found.cause}` : '';
  return [false, `call control says ${found.kind}${cause}. ${adviceOn(found.kind)}`];
}

async function explainDevice(world: ExplainWorld, device: string): Promise<object> {
  const registrations = world.registrations(device);
  const all = (await world.https.listTokens(undefined).catch(() => [])) as readonly { deviceId?: string }[];
  const tokens = all.filter(({ deviceId }) => deviceId?.toLowerCase() === device.toLowerCase());
  const out = world.bans
    .list()
    .filter(({ offender }) => offender.kind === 'device' && offender.device === device);
  const registered: Step =
    registrations.length > 0
      ? [true, `registered ${registrations.length} time${registrations.length === 1 ? '' : 's'}`]
      : [false, 'no registration names it: has it signed in, and does call control accept its REGISTER?'];
  return { steps: [registered, ...banSteps(out)], registrations, tokens };
}

// -- a token ---------------------------------------------------------------------------------------------------------

const services: readonly TokenService[] = ['https', 'sip', 'xmpp'];

/** Whose a token is and which doors it opens; the token itself is not repeated. */
export async function explainToken(world: ExplainWorld, token: string): Promise<object> {
  const { tokens } = world.https;
  if (tokens === undefined)
    return { steps: [[false, 'tokens with refresh are off: access.authorize-by-oauth-token-with-refresh']] };
  const steps: Step[] = [];
  let account: object | undefined;
  for (const service of services) {
    const result = await tokens.check(undefined, token, service);
    if (result.outcome === 'deny')
      steps.push([false, `${service}: ${result.text}. ${adviceOn(result.reason)}`]);
    else {
      const { user, cluster, deployment, expiresAt, scopes } = result;
      account = { user, cluster, deployment, expires: new Date(expiresAt).toISOString(), scopes };
      steps.push([true, `${service}: opens for ${user} in deployment ${deployment}`]);
    }
  }
  return account === undefined ? { steps } : { steps, account };
}
