import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../sip/index.ts';
import { createLabAuthority, type IssuedCertificate } from '../authority/authority.ts';
import { type Enterprise, exampleEnterprise } from '../unified-cm/enterprise.ts';
import { startUnifiedCm, type UnifiedCm } from '../unified-cm/unified-cm.ts';
import { connectPhone, type Phone, type PhoneOptions } from './phone.ts';

const node = { name: 'ucm1.example.com', address: '127.0.0.1' };
const secondNode = { name: 'ucm2.example.com', address: '127.0.0.3' };
const enterprise: Enterprise = exampleEnterprise([node, secondNode]);
let authority = '';
let cluster: UnifiedCm;
let certificate: IssuedCertificate;
const phones: Phone[] = [];

beforeAll(async () => {
  const made = await createLabAuthority('Inside', Date.now());
  authority = made.certificate;
  certificate = await made.issue([node.name, secondNode.name, node.address, secondNode.address]);
});
beforeEach(async () => {
  const ports = { uds: 0, files: 0, secureFiles: 0, sip: 0, secureSip: 0 };
  cluster = await startUnifiedCm({ enterprise, ports, certificate, authority });
});
afterEach(async () => {
  for (const phone of phones.splice(0)) phone.close();
  await cluster.close();
});

async function phone(
  who: 'alice' | 'bob',
  isSecure: boolean,
  more: Partial<PhoneOptions> = {},
): Promise<Phone> {
  const device = enterprise.devices.find((one) => one.userId === who)!;
  const ports = cluster.sip.bound.get(node.name)!;
  const port = (isSecure ? ports.secureSip : ports.sip) ?? 0;
  const made = await connectPhone({
    connection: {
      transport: isSecure ? 'TLS' : 'TCP',
      address: '127.0.0.1',
      port,
      localAddress: '127.0.0.2',
      tls: { name: node.name, authority },
    },
    number: device.directoryNumber,
    displayName: device.displayName,
    deviceName: device.name,
    node: node.name,
    credentials: { user: device.name, password: device.digestPassword ?? '' },
    toneHz: who === 'alice' ? 440 : 880,
    isSecure,
    clock: systemClock,
    random: randomBytes,
    requestTimeoutMs: 2_000,
    ...more,
  });
  phones.push(made);
  return made;
}

describe.each([
  ['TCP and RTP', false],
  ['TLS and SRTP', true],
])('over %s', (_, isSecure) => {
  test('a call with audio both ways, hold, resume, and hang-up from the other side', async () => {
    const [alice, bob] = await Promise.all([phone('alice', isSecure), phone('bob', isSecure)]);
    expect((await alice.register()).headers.get('contact')).toContain('x-cisco-newreg');
    await bob.register();
    const calling = alice.call('1002');
    const incoming = await bob.nextCall();
    expect(incoming.from).toBe('1001');
    const [atAlice, atBob] = await Promise.all([calling, incoming.accept()]);
    expect(atBob.audio.suite).toBe(isSecure ? 'AEAD_AES_256_GCM' : undefined);
    await Promise.all([atAlice.audio.stream.hear(880, 3), atBob.audio.stream.hear(440, 3)]);
    await atAlice.hold();
    await atBob.untilDirection('recvonly');
    const { sent } = atBob.audio.stream.counts;
    await alice.endpoint.probe();
    expect(atBob.audio.stream.counts.sent).toBe(sent);
    await atAlice.resume();
    await Promise.all([atAlice.audio.stream.hear(880, 3), atBob.audio.stream.hear(440, 3)]);
    await atBob.hangUp();
    expect(await atAlice.ended).toBe('there');
    expect((await alice.register(0)).headers.get('contact')).toBeUndefined();
  }, 10_000);
});

test('two phones on two nodes of one cluster call each other', async () => {
  const alice = await phone('alice', false);
  const port = cluster.sip.bound.get(secondNode.name)?.sip ?? 0;
  const connection = {
    transport: 'TCP',
    address: secondNode.address,
    port,
    localAddress: '127.0.0.2',
  } as const;
  const bob = await phone('bob', false, { connection, node: secondNode.name });
  await Promise.all([alice.register(), bob.register()]);
  const calling = alice.call('1002');
  const [atAlice, atBob] = await Promise.all([calling, bob.nextCall().then((incoming) => incoming.accept())]);
  await atAlice.hold();
  await atBob.hangUp();
  expect(await atAlice.ended).toBe('there');
});

test('the keepalive inside the SIP connection is answered', async () => {
  const bob = await phone('bob', false);
  await expect(bob.endpoint.probe()).resolves.toBeUndefined();
});

test('a caller who gives up: the phone stops ringing, the caller gets 487', async () => {
  const [alice, bob] = await Promise.all([phone('alice', false), phone('bob', false)]);
  await Promise.all([alice.register(), bob.register()]);
  const answer = alice.callAndCancel('1002');
  const incoming = await bob.nextCall();
  await incoming.cancelled;
  expect((await answer).status).toBe(487);
});

test.each([
  ['a busy callee', 486],
  ['a callee who declines', 603],
])('%s', async (_, status) => {
  const [alice, bob] = await Promise.all([phone('alice', false), phone('bob', false)]);
  await Promise.all([alice.register(), bob.register()]);
  const calling = alice.call('1002');
  (await bob.nextCall()).decline(status);
  await expect(calling).rejects.toMatchObject({ status });
});

test.each([
  [
    'a wrong digest password',
    async () => phone('alice', false, { credentials: { user: 'CSFALICE', password: 'x' } }),
    401,
  ],
  ['a device that does not own the line', async () => phone('bob', false, { deviceName: 'CSFALICE' }), 404],
  ['an unknown line', async () => phone('bob', false, { number: '4711' }), 404],
])('%s is not registered', async (_, open, status) => {
  await expect((await open()).register()).rejects.toMatchObject({ status });
});

test.each([
  ['nobody has the number', '4711', 404],
  ['its phone is not registered', '1002', 480],
])('a call fails when %s', async (_, number, status) => {
  const alice = await phone('alice', false);
  await expect(alice.call(number)).rejects.toMatchObject({ status });
});

test('a protected phone refuses an unprotected offer', async () => {
  const [alice, bob] = await Promise.all([phone('alice', false), phone('bob', true)]);
  await Promise.all([alice.register(), bob.register()]);
  const calling = alice.call('1002');
  const incoming = await bob.nextCall();
  await expect(incoming.accept()).rejects.toMatchObject({ status: 488 });
  incoming.decline(488);
  await expect(calling).rejects.toMatchObject({ status: 488 });
});
