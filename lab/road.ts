// The road the proof walks: what a client outside who knows only her own address does, step by step, and what a
// colleague inside sees of it. State that one step brings and later ones need stands in one place, `Road`.
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../sip/index.ts';
import { addressPlan } from './address-plan.ts';
import { type Call } from './client/call.ts';
import { CookieJar } from './client/cookie-jar.ts';
import { discover, type ServiceTarget } from './client/discovery.ts';
import { type EdgeConfig, parseEdgeConfig, parseSignInOffer } from './client/edge-config.ts';
import { EdgeRequests, type EdgeResponse, type Lane } from './client/edge-requests.ts';
import { connectPhone, type Phone } from './client/phone.ts';
import { type Lab } from './lab.ts';
import { readProcessStatus } from './process-status.ts';
import { broughtBy, expectThat, type ProofStep } from './proof.ts';
import { devicesOf, findUser, type LabDevice, type LabUser } from './unified-cm/enterprise.ts';

/** Tones of the two phones: far enough apart that one is never taken for the other. */
const aliceToneHz = 440;
const bobToneHz = 880;
/** 300 ms of unbroken sound. */
const heardFrames = 15;
const requestTimeoutMs = 4_000;
/** What later steps need of earlier ones, as a step that could not be tried names it. */
const needs = {
  edge: 'the edge found by DNS',
  signIn: 'the sign-in',
  alice: "the client's registration",
  bob: "the desk phone's registration",
  call: 'a call',
} as const;

interface Road {
  edge?: ServiceTarget & { address: string };
  requests?: EdgeRequests;
  config?: EdgeConfig;
  /** Set-Cookie of the sign-in. */
  cookie?: string;
  alice?: Phone;
  bob?: Phone;
  call?: { atAlice: Call; atBob: Call };
}

/** The steps, in order, and what closes the phones and connections they opened. */
export function createRoad(lab: Lab): { readonly steps: readonly ProofStep[]; close(): void } {
  const road: Road = {};
  const alice = person(lab, 'alice');
  const bob = person(lab, 'bob');
  const steps: ProofStep[] = [
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
      title: 'the client outside registers its line through edge and core',
      run: () => registerAlice(road, lab, alice.device),
    },
    { title: 'the keepalive inside the SIP connection is answered', run: () => keepAlive(road) },
    { title: 'the desk phone inside registers', run: () => registerBob(road, bob.device) },
    {
      title: 'outside calls inside: answered, tone heard at both ends',
      run: () => callInside(road, bob.device),
    },
    { title: 'hold: both ends fall silent; resume: both are heard again', run: () => holdAndResume(road) },
    {
      title: "a stranger at the call's media port is neither heard nor answered",
      run: () => sprayMedia(road),
    },
    { title: 'the caller hangs up, the other side is told', run: () => hangUp(road, 'atAlice') },
    {
      title: 'inside calls outside: answered, tone heard at both ends',
      run: () => callOutside(road, alice.device),
    },
    { title: 'the side that was called hangs up', run: () => hangUp(road, 'atAlice') },
    {
      title: 'a call that rings is given up: the phone stops ringing',
      run: () => cancelCall(road, bob.device),
    },
    { title: 'both phones un-register', run: () => unregister(road) },
  ];
  return {
    steps,
    close: () => {
      road.alice?.close();
      road.bob?.close();
      road.requests?.close();
    },
  };
}

interface Person {
  readonly user: LabUser;
  readonly device: LabDevice;
}

function person({ enterprise }: Lab, id: string): Person {
  const user = findUser(enterprise, id);
  const [device] = devicesOf(enterprise, id);
  if (user === undefined || device === undefined)
    throw new Error(`the enterprise has no ${id} with a device`);
  return { user, device };
}

async function linksUp(lab: Lab): Promise<string> {
  const { edge, core } = addressPlan;
  for (;;) {
    const [atEdge, atCore] = await Promise.all([
      readProcessStatus(edge.address, edge.admin),
      readProcessStatus(core.address, core.admin),
    ]);
    const planes = atCore?.planes ?? [];
    const isUp = planes.length > 0 && planes.every((plane) => plane.state === 'up');
    if (isUp && atCore?.isHealthy === true && atEdge?.isHealthy === true) {
      return planes.map((plane) => plane.name).join(', ');
    }
    for (const child of lab.children) {
      const ended = child.ended();
      expectThat(ended === undefined, `${child.name} ${ended ?? ''}: ${child.tail(3).join(' / ')}`);
    }
    await delay(25);
  }
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
  return offer.singleSignOn || offer.token ? 'single sign-on' : 'name and password';
}

const settings = 'get_edge_config?service_name=_cisco-uds&service_name=_cuplogin';

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

async function registerAlice(road: Road, lab: Lab, device: LabDevice): Promise<string> {
  const config = broughtBy(needs.signIn, road.config);
  const edge = broughtBy(needs.edge, road.edge);
  const server = config.sip[0];
  expectThat(server?.address === edge.name, `the SIP server ${server?.address} is not the edge`);
  road.alice = await connectPhone({
    ...phoneOf(device, aliceToneHz, true),
    connection: {
      transport: 'TLS',
      address: edge.address,
      port: server.tlsPort,
      localAddress: addressPlan.client.address,
      tls: { name: server.address, authority: lab.files.publicAuthority },
    },
    node: homeNode(config),
    route: config.sipRoute,
  });
  const answer = await road.alice.register();
  const contact = answer.headers.get('contact') ?? '';
  expectThat(contact.includes('x-cisco-newreg'), 'the answer does not speak of a new registration');
  return `line ${device.directoryNumber}, refreshed within ${answer.expires ?? 0} s`;
}

async function keepAlive(road: Road): Promise<undefined> {
  await broughtBy(needs.alice, road.alice).endpoint.probe();
}

async function registerBob(road: Road, device: LabDevice): Promise<string> {
  const { unifiedCm, deskPhone } = addressPlan;
  const { address } = unifiedCm;
  road.bob = await connectPhone({
    ...phoneOf(device, bobToneHz, false),
    connection: { transport: 'TCP', address, port: 5060, localAddress: deskPhone.address },
    node: address,
  });
  await road.bob.register();
  return `line ${device.directoryNumber}`;
}

async function callInside(road: Road, callee: LabDevice): Promise<string> {
  const alice = broughtBy(needs.alice, road.alice);
  const bob = broughtBy(needs.bob, road.bob);
  const [atAlice, atBob] = await connectCall(alice, bob, callee.directoryNumber);
  road.call = { atAlice, atBob };
  return hearBoth(road.call);
}

async function callOutside(road: Road, callee: LabDevice): Promise<string> {
  const alice = broughtBy(needs.alice, road.alice);
  const bob = broughtBy(needs.bob, road.bob);
  const [atBob, atAlice] = await connectCall(bob, alice, callee.directoryNumber);
  road.call = { atAlice, atBob };
  return hearBoth(road.call);
}

async function connectCall(caller: Phone, callee: Phone, number: string): Promise<[Call, Call]> {
  const calling = caller.call(number);
  const ringing = callee.nextCall();
  await Promise.race([ringing, calling]);
  return Promise.all([calling, ringing.then((incoming) => incoming.accept())]);
}

async function hearBoth({ atAlice, atBob }: { atAlice: Call; atBob: Call }): Promise<string> {
  const [byAlice, byBob] = await Promise.all([
    atAlice.audio.stream.hear(bobToneHz, heardFrames),
    atBob.audio.stream.hear(aliceToneHz, heardFrames),
  ]);
  const outside = `${bobToneHz} Hz at ${byAlice.levelDb.toFixed(1)} dB outside`;
  const inside = `${aliceToneHz} Hz at ${byBob.levelDb.toFixed(1)} dB inside`;
  return `${outside} (${atAlice.audio.suite ?? 'not protected'}), ${inside}`;
}

async function holdAndResume(road: Road): Promise<string> {
  const { atAlice, atBob } = broughtBy(needs.call, road.call);
  await Promise.all([atAlice.hold(), atBob.untilDirection('recvonly')]);
  const received = (): string =>
    [atAlice, atBob].map((call) => String(call.audio.stream.counts.received)).join(' and ');
  // Packets may still be under way; silence is five frames' time in which none came.
  for (let before = ''; before !== received();) {
    before = received();
    await delay(100);
  }
  await Promise.all([atAlice.resume(), atBob.untilDirection('sendrecv')]);
  return hearBoth({ atAlice, atBob });
}

/** Someone who has found the port floods it with RTP of another tone, as an attacker who waits to be latched on. */
async function sprayMedia(road: Road): Promise<string> {
  const call = broughtBy(needs.call, road.call);
  const { far } = call.atAlice.audio;
  expectThat(far !== undefined, 'the call has no media port');
  const stranger = createSocket('udp4');
  try {
    stranger.bind(0, addressPlan.stranger.address);
    await once(stranger, 'listening');
    let answers = 0;
    stranger.on('message', () => (answers += 1));
    const packet = Buffer.concat([Buffer.from('8000000100000000deadbeef', 'hex'), Buffer.alloc(160, 0x55)]);
    for (let count = 0; count < 200; count += 1) stranger.send(packet, far.port, far.address);
    const heard = await hearBoth(call);
    expectThat(answers === 0, `${answers} packets of the call went to the stranger`);
    return `200 packets sprayed, 0 came back; ${heard}`;
  } finally {
    stranger.close();
  }
}

async function hangUp(road: Road, side: 'atAlice' | 'atBob'): Promise<string> {
  const call = broughtBy(needs.call, road.call);
  const other = side === 'atAlice' ? call.atBob : call.atAlice;
  await call[side].hangUp();
  expectThat((await other.ended) === 'there', 'the other side was not told');
  delete road.call;
  return '';
}

async function cancelCall(road: Road, callee: LabDevice): Promise<string> {
  const alice = broughtBy(needs.alice, road.alice);
  const bob = broughtBy(needs.bob, road.bob);
  const [answer] = await Promise.all([
    alice.callAndCancel(callee.directoryNumber),
    bob.nextCall().then(async (incoming) => incoming.cancelled),
  ]);
  expectThat(answer.status === 487, `the INVITE ended with ${answer.status} ${answer.reason}`);
  return '487';
}

async function unregister(road: Road): Promise<undefined> {
  await broughtBy(needs.alice, road.alice).register(0);
  await broughtBy(needs.bob, road.bob).register(0);
}

function phoneOf(device: LabDevice, toneHz: number, isSecure: boolean) {
  return {
    number: device.directoryNumber,
    displayName: device.displayName,
    deviceName: device.name,
    ...(device.digestPassword === undefined
      ? {}
      : { credentials: { user: device.name, password: device.digestPassword } }),
    toneHz,
    isSecure,
    clock: systemClock,
    random: randomBytes,
    requestTimeoutMs,
  };
}

function homeNode(config: EdgeConfig): string {
  return config.services.get('_cisco-uds')?.[0]?.address ?? config.userUds;
}

function fileLane(road: Road): Lane {
  const config = broughtBy(needs.signIn, road.config);
  return { protocol: 'http', host: config.tftp[0] ?? config.userUds, port: 6970 };
}

function expectStatus(answer: EdgeResponse, status: number): void {
  expectThat(answer.status === status, `wanted ${status}, got ${answer.status}`);
}
