// Alice outside and Bob at his desk, as simulated phones and as a web client: what a test lets them do is what proves that
// edge and core serve.
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Call } from '../../lab/client/call.ts';
import { CookieJar } from '../../lab/client/cookie-jar.ts';
import { type EdgeConfig, parseEdgeConfig } from '../../lab/client/edge-config.ts';
import { EdgeRequests, type EdgeResponse } from '../../lab/client/edge-requests.ts';
import { connectPhone, type Phone } from '../../lab/client/phone.ts';
import { systemClock } from '../../sip/index.ts';
import { type Company, DOMAIN, EDGE_NAME } from './company.ts';

export const ALICE = { user: 'alice', password: 'wonderland' };
const ALICE_HZ = 440;
const BOB_HZ = 880;
/** 200 ms of unbroken sound. */
const HEARD_FRAMES = 10;
const TIMEOUT_MS = 5_000;
const SETTINGS = 'get_edge_config?service_name=_cisco-uds&service_name=_cuplogin';

const phoneBasics = {
  clock: systemClock,
  random: (bytes: number) => randomBytes(bytes),
  requestTimeoutMs: TIMEOUT_MS,
};

/** A web client outside, not yet signed in. */
export function webClient(company: Company, localAddress = company.at.client): EdgeRequests {
  return new EdgeRequests({
    host: EDGE_NAME,
    address: company.at.edge,
    port: 8443,
    domain: DOMAIN,
    authority: company.publicAuthority,
    localAddress,
    jar: new CookieJar(),
    now: () => Date.now(),
    timeoutMs: TIMEOUT_MS,
  });
}

/** Signs Alice in; afterwards the client carries her cookie. */
export async function signIn(client: EdgeRequests): Promise<EdgeConfig> {
  const answer = await client.toEdge(SETTINGS, ALICE);
  expect(answer.status, answer.body.toString()).toBe(200);
  return parseEdgeConfig(answer.body.toString('utf8'));
}

/** Asks for Alice's device file by cookie alone. */
export async function deviceFile(company: Company, client: EdgeRequests): Promise<EdgeResponse> {
  return client.throughLane({ protocol: 'http', host: company.at.ucm, port: 6970 }, 'CSFALICE.cnf.xml');
}

/** Alice's soft client on a connection of its own; not yet registered. */
export async function alicePhone(company: Company, config: EdgeConfig): Promise<Phone> {
  const { at } = company;
  return connectPhone({
    ...phoneBasics,
    number: '1001',
    displayName: 'Alice Adams',
    deviceName: 'CSFALICE',
    credentials: { user: 'CSFALICE', password: 'looking-glass' },
    toneHz: ALICE_HZ,
    isSecure: true,
    connection: {
      transport: 'TLS',
      address: at.edge,
      port: 5061,
      localAddress: at.client,
      tls: { name: EDGE_NAME, authority: company.publicAuthority },
    },
    node: at.ucm,
    route: config.sipRoute,
  });
}

/** Bob's desk phone, registered straight with Unified CM. */
export async function bobPhone(company: Company): Promise<Phone> {
  const { at } = company;
  const phone = await connectPhone({
    ...phoneBasics,
    number: '1002',
    displayName: 'Bob Brown',
    deviceName: 'SEP001122334455',
    toneHz: BOB_HZ,
    isSecure: false,
    connection: { transport: 'TCP', address: at.ucm, port: 5060, localAddress: at.deskPhone },
    node: at.ucm,
  });
  await phone.register();
  return phone;
}

export interface Talk {
  readonly caller: Call;
  readonly callee: Call;
}

/** One calls the other and is answered. */
export async function connect(caller: Phone, callee: Phone, number: string): Promise<Talk> {
  const calling = caller.call(number);
  const ringing = callee.nextCall();
  await Promise.race([ringing, calling]);
  const [atCaller, atCallee] = await Promise.all([calling, ringing.then((incoming) => incoming.accept())]);
  return { caller: atCaller, callee: atCallee };
}

/** Each hears the other's tone. */
export async function hearBoth(alice: Call, bob: Call): Promise<void> {
  await Promise.all([
    alice.audio.stream.hear(BOB_HZ, HEARD_FRAMES),
    bob.audio.stream.hear(ALICE_HZ, HEARD_FRAMES),
  ]);
}

/** Sign-in, a file through the lane, registration, a call with sound both ways: everything a client comes for. */
export async function expectService(company: Company, bob: Phone): Promise<void> {
  const client = webClient(company);
  const config = await signIn(client);
  expect((await deviceFile(company, client)).status).toBe(200);
  client.close();
  const alice = await alicePhone(company, config);
  await alice.register();
  const { caller, callee } = await connect(alice, bob, '1002');
  await hearBoth(caller, callee);
  await caller.hangUp();
  expect(await callee.ended).toBe('there');
  await alice.register(0);
  alice.close();
}
