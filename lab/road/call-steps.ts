// The SIP and media half of the road: a client outside and a desk phone inside register, call each other and are
// heard (mra-wire §3.3, §6.1).
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../sip/index.ts';
import { addressPlan } from '../address-plan.ts';
import { type Call, CallError } from '../client/call.ts';
import { type EdgeConfig } from '../client/edge-config.ts';
import { connectPhone, type Phone } from '../client/phone.ts';
import { type Lab } from '../lab.ts';
import { broughtBy, expectThat, type ProofStep } from '../proof.ts';
import { type LabDevice } from '../unified-cm/enterprise.ts';
import { needs, type Person, requestTimeoutMs, type Road } from './road-state.ts';

/** Tones of the two phones: far enough apart that one is never taken for the other. */
const aliceToneHz = 440;
const bobToneHz = 880;
/** 300 ms of unbroken sound. */
const heardFrames = 15;

/** From registration to un-registration. */
export function callSteps(road: Road, lab: Lab, alice: Person, bob: Person): ProofStep[] {
  return [
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
    { title: 'the caller hangs up, the other side is told', run: () => hangUp(road) },
    {
      title: 'inside calls outside: answered, tone heard at both ends',
      run: () => callOutside(road, alice.device),
    },
    { title: 'the side that was called hangs up', run: () => hangUp(road) },
    {
      title: 'a call that rings is given up: the phone stops ringing',
      run: () => cancelCall(road, bob.device),
    },
    {
      title: 'the client un-registers: nobody reaches it any more',
      run: () => unregister(road, alice.device),
    },
  ];
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
  const suite = atAlice.audio.suite ?? 'plain RTP';
  const [outside, inside] = [byAlice, byBob].map((heard) => `${heard.levelDb.toFixed(0)} dB`);
  return `outside ${bobToneHz} Hz at ${outside} under ${suite}, inside ${aliceToneHz} Hz at ${inside}`;
}

async function holdAndResume(road: Road): Promise<undefined> {
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
  await hearBoth({ atAlice, atBob });
  return undefined;
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
    await hearBoth(call);
    expectThat(answers === 0, `${answers} packets of the call went to the stranger`);
    return '200 packets sprayed, the call goes on, none came back';
  } finally {
    stranger.close();
  }
}

/** Alice hangs up: the caller of the first call, the called side of the second. */
async function hangUp(road: Road): Promise<undefined> {
  const { atAlice, atBob } = broughtBy(needs.call, road.call);
  await atAlice.hangUp();
  expectThat((await atBob.ended) === 'there', 'the other side was not told');
  delete road.call;
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

async function unregister(road: Road, device: LabDevice): Promise<string> {
  const bob = broughtBy(needs.bob, road.bob);
  await broughtBy(needs.alice, road.alice).register(0);
  const status = await bob.call(device.directoryNumber).then(
    () => 200,
    (error: unknown) => (error instanceof CallError ? error.status : 0),
  );
  expectThat(status === 480, `calling the line afterwards got ${status}, not 480`);
  await bob.register(0);
  return 'calling it gets 480';
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
