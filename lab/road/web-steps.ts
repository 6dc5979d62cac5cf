// The HTTPS half of the road: links, discovery, sign-in, settings and the proxy lanes (mra-wire §1).
import { Resolver } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { addressPlan } from '../address-plan.ts';
import { CookieJar } from '../client/cookie-jar.ts';
import { discover, type ServiceTarget } from '../client/discovery.ts';
import { parseEdgeConfig, parseSignInOffer } from '../client/edge-config.ts';
import { EdgeRequests, type EdgeResponse, type Lane } from '../client/edge-requests.ts';
import { type Lab } from '../lab.ts';
import { type ProcessReport, readProcessStatus } from '../process-status.ts';
import { broughtBy, expectThat, type ProofStep } from '../proof.ts';
import { type LabUser } from '../unified-cm/enterprise.ts';
import { signOn } from './sign-on-step.ts';
import { needs, type Person, requestTimeoutMs, type Road } from './road-state.ts';

/** Longest wait for both processes to start and their links to come up. */
const linksUpMs = 12_000;
const settings = 'get_edge_config?service_name=_cisco-uds&service_name=_cuplogin';

/** From the start of the processes to a client that is signed in. */
export function webSteps(road: Road, lab: Lab, alice: Person, bob: Person): ProofStep[] {
  return [
    { title: 'core has dialled edge: web, SIP and media links are up', run: () => linksUp(lab) },
    { title: 'outside, the client finds the edge by DNS', run: () => findEdge(road, lab) },
    { title: 'the edge says how to sign in (get_edge_sso)', run: () => askSignIn(road, alice.user) },
    { title: 'a wrong password is refused', run: () => wrongPassword(road, alice.user) },
    { title: 'the right password: settings arrive (get_edge_config)', run: () => signIn(road, alice.user) },
    { title: 'the client was given a cookie that the edge will know', run: () => checkCookie(road) },
    { title: 'with it the device file comes through the proxy lane', run: () => fetchFile(road, alice) },
    { title: 'without it the lane is closed', run: () => strangerInLane(road, lab, alice) },
    { title: "somebody else's data is refused", run: () => otherUser(road, alice.user, bob.user) },
    { title: 'a lane to a server nobody allowed is refused', run: () => forbiddenLane(road, alice.user) },
    {
      title: 'a client signs in at the identity provider (SAML) and by the token it gets',
      run: () => signOn(createRequests(broughtBy(needs.edge, road.edge), lab), lab, alice),
    },
    {
      title: 'a client without password signs in by its refresh token',
      run: () => signInByToken(road, lab, alice.user),
    },
  ];
}

async function linksUp(lab: Lab): Promise<string> {
  const { edge, core } = addressPlan;
  const deadline = performance.now() + linksUpMs;
  for (;;) {
    const [atEdge, atCore] = await Promise.all([
      readProcessStatus(edge.address, edge.admin),
      readProcessStatus(core.address, core.admin),
    ]);
    const planes = atCore?.planes ?? [];
    const missing = notReady(atEdge, atCore);
    if (missing === undefined) return planes.map((plane) => plane.name).join(', ');
    for (const child of lab.children) {
      const ended = child.ended();
      expectThat(ended === undefined, `${child.name} ${ended ?? ''}: ${child.tail(3).join(' / ')}`);
    }
    expectThat(performance.now() < deadline, missing);
    await delay(25);
  }
}

/** What is missing, in words; undefined when both processes serve and every plane is up. */
function notReady(atEdge: ProcessReport | undefined, atCore: ProcessReport | undefined): string | undefined {
  if (atEdge === undefined) return 'edge does not answer on its admin address';
  if (atCore === undefined) return 'core does not answer on its admin address';
  const down = atCore.planes.filter((plane) => plane.state !== 'up');
  if (down.length > 0)
    return down.map((plane) => `${plane.name} is ${plane.state}, ${plane.cause}`).join('; ');
  if (atCore.planes.length === 0) return 'core reports no link';
  if (!atCore.isHealthy) return 'core does not call itself healthy';
  return atEdge.isHealthy ? undefined : 'edge does not call itself healthy';
}

async function findEdge(road: Road, lab: Lab): Promise<string> {
  const { domain, outsideDns } = addressPlan;
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  resolver.setServers([`${outsideDns.address}:${outsideDns.port}`]);
  const found = await discover(domain, resolver, Math.random);
  expectThat(found.kind === 'outside', 'the client believes it is inside');
  const target = found.targets[0]!;
  const [address] = await resolver.resolve4(target.name);
  road.edge = { ...target, address: address ?? '' };
  road.requests = createRequests(road.edge, lab);
  return `${target.name}:${target.port}`;
}

function createRequests(edge: ServiceTarget & { address: string }, lab: Lab): EdgeRequests {
  return new EdgeRequests({
    host: edge.name,
    address: edge.address,
    port: edge.port,
    domain: addressPlan.domain,
    authority: lab.files.publicAuthority,
    localAddress: addressPlan.client.address,
    jar: new CookieJar(),
    now: () => Date.now(),
    timeoutMs: requestTimeoutMs,
  });
}

async function askSignIn(road: Road, { id }: LabUser): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  const answer = await requests.toEdge(`get_edge_sso?email=${id}@${addressPlan.domain}`);
  expectStatus(answer, 200);
  const offer = parseSignInOffer(answer.body.toString('utf8'));
  return offer.singleSignOn
    ? 'single sign-on'
    : offer.token
      ? 'tokens, or name and password'
      : 'name and password';
}

async function wrongPassword(road: Road, { id, password }: LabUser): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  const answer = await requests.toEdge(settings, { user: id, password: `not ${password}` });
  expectStatus(answer, 401);
  return String(answer.headers['www-authenticate'] ?? '401');
}

async function signIn(road: Road, { id, password }: LabUser): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  const answer = await requests.toEdge(settings, { user: id, password });
  expectStatus(answer, 200);
  road.config = parseEdgeConfig(answer.body.toString('utf8'));
  [road.cookie = ''] = [answer.headers['set-cookie']].flat();
  expectThat(answer.cookies.length > 0, 'no cookie was set');
  expectThat(answer.cookies[0] === 'stored', `the cookie was not accepted: ${answer.cookies[0]}`);
  return `home node ${road.config.userUds}`;
}

function checkCookie(road: Road): string {
  const cookie = broughtBy(needs.signIn, road.cookie);
  const attributes = cookie.split(';').map((part) => part.trim().toLowerCase());
  expectThat(
    attributes.includes('secure') && attributes.includes('httponly'),
    'it is not Secure and HttpOnly',
  );
  const domain = attributes.find((part) => part.startsWith('domain='));
  const expires = attributes.find((part) => part.startsWith('expires='))?.slice('expires='.length);
  const hours = (Date.parse(expires ?? '') - Date.now()) / 3_600_000;
  return `X-Auth, ${domain ?? 'this host only'}, good for ${hours.toFixed(1)} h`;
}

/** The cookie alone, without a password, must open what it should. */
async function fetchFile(road: Road, { device }: Person): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  const name = `${device.name}.cnf.xml`;
  const answer = await requests.throughLane(fileLane(road), name);
  expectStatus(answer, 200);
  const text = answer.body.toString('utf8');
  expectThat(text.includes(`<name>${device.directoryNumber}</name>`), 'the file does not name the line');
  return `${name}, ${answer.body.length} bytes`;
}

/** Once a code for the password, then tokens only: what a client that has been here before does. */
async function signInByToken(road: Road, lab: Lab, { id, password }: LabUser): Promise<string> {
  const requests = createRequests(broughtBy(needs.edge, road.edge), lab);
  try {
    const code = await authorizeCode(requests, { id, password });
    const first = await requests.postToEdge('token', { grant_type: 'authorization_code', code });
    const { refresh_token: refresh } = readTokens(first);
    const renewed = await requests.postToEdge('token', {
      grant_type: 'refresh_token',
      refresh_token: refresh,
    });
    const { access_token: token } = readTokens(renewed);
    const answer = await requests.toEdge(settings, { token });
    expectStatus(answer, 200);
    const { userUds } = parseEdgeConfig(answer.body.toString('utf8'));
    const own = await requests.throughLane(
      { protocol: 'https', host: userUds, port: 8443 },
      `cucm-uds/user/${id}/devices`,
      { token },
    );
    expectStatus(own, 200);
    const forged = await requests.toEdge(settings, { token: `${token.slice(0, -8)}AAAAAAAA` });
    expectStatus(forged, 401);
    road.token = token;
    return 'RS256 round A128CBC-HS256, verified by core; a changed one is refused';
  } finally {
    requests.close();
  }
}

async function authorizeCode(
  requests: EdgeRequests,
  { id, password }: { id: string; password: string },
): Promise<string> {
  const query = `authorize?response_type=code&realm=local&client_id=C${'0'.repeat(64)}`;
  const answer = await requests.toEdge(query, { user: id, password });
  expectStatus(answer, 302);
  const location = new URL(String(answer.headers['location']), 'https://edge.invalid');
  return location.searchParams.get('code') ?? '';
}

function readTokens(answer: EdgeResponse): { access_token: string; refresh_token: string } {
  expectStatus(answer, 200);
  return JSON.parse(answer.body.toString('utf8')) as { access_token: string; refresh_token: string };
}

/** A stranger: another client, without the cookie. */
async function strangerInLane(road: Road, lab: Lab, { device }: Person): Promise<string> {
  const lane = fileLane(road);
  const stranger = createRequests(broughtBy(needs.edge, road.edge), lab);
  try {
    expectStatus(await stranger.throughLane(lane, `${device.name}.cnf.xml`), 401);
  } finally {
    stranger.close();
  }
  return '401';
}

async function otherUser(road: Road, { id, password }: LabUser, other: LabUser): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  const { userUds } = broughtBy(needs.signIn, road.config);
  const lane: Lane = { protocol: 'https', host: userUds, port: 8443 };
  const answer = await requests.throughLane(lane, `cucm-uds/user/${other.id}/devices`, {
    user: id,
    password,
  });
  expectStatus(answer, 403);
  return '403';
}

async function forbiddenLane(road: Road, { id, password }: LabUser): Promise<string> {
  const requests = broughtBy(needs.edge, road.requests);
  broughtBy(needs.signIn, road.config);
  const lane: Lane = { protocol: 'http', host: addressPlan.core.address, port: addressPlan.core.admin };
  const answer = await requests.throughLane(lane, 'status', { user: id, password });
  expectStatus(answer, 403);
  return "core's own admin page, 403";
}

function fileLane(road: Road): Lane {
  const config = broughtBy(needs.signIn, road.config);
  return { protocol: 'http', host: config.tftp[0] ?? config.userUds, port: 6970 };
}

function expectStatus(answer: EdgeResponse, status: number): void {
  expectThat(answer.status === status, `wanted ${status}, got ${answer.status}`);
}
