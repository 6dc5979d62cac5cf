// Both relays get the same random traffic of a client and of peers; what they pass, drop and count must be the same.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { printChannelData } from '../channel-data.ts';
import type { TransportAddress } from '../ip-address.ts';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { findAttribute, parseStun } from '../stun.ts';
import { addressesOf, sendIndication } from '../test-client.ts';
import type { RelayCounters, RelayEngine } from './relay-engine.ts';
import { openRelay } from './system-relay.ts';
import { RELAY_ENGINES } from './test-engines.ts';

const LOOPBACK = '127.0.0.1';
const OWN = { announced: '203.0.113.9', reachable: '127.0.0.8' };
const MESSAGES = 600;
const sockets: Socket[] = [];

/** A generator whose numbers are the same in every run. */
class Dice {
  #state = 20_261_120;
  roll(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_103_515_245) + 12_345) >>> 0;
    return (this.#state >>> 8) % limit;
  }
}

async function udp(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  sockets.push(socket);
  return socket;
}

/** Peers: bound to a channel, permitted, permitted at some ports, not permitted, at our announced address. */
async function peers(): Promise<Socket[]> {
  return Promise.all(['127.0.0.9', '127.0.0.10', '127.0.0.11', '127.0.0.12', OWN.reachable].map(udp));
}

function told(socket: Socket): TransportAddress {
  const { address, port } = socket.address();
  return { address: address === OWN.reachable ? OWN.announced : address, port };
}

/** Messages of a client: good ones, and good ones with a bit, a length or an end that is wrong. */
function messages(targets: readonly TransportAddress[]): Buffer[] {
  const dice = new Dice();
  return Array.from({ length: MESSAGES }, (_, index) => {
    const payload = Buffer.alloc(2 + dice.roll(40), index);
    payload.writeUInt16BE(index);
    const target = targets[dice.roll(targets.length)]!;
    const extra = dice.roll(8) === 0 ? [{ type: 0x7777, value: Buffer.alloc(3) }] : [];
    const good =
      dice.roll(2) === 0
        ? printChannelData(0x4000 + dice.roll(4), payload, dice.roll(2) === 0)
        : sendIndication(target, payload, ...extra);
    if (dice.roll(3) > 0) return good;
    const spoiled = Buffer.from(good);
    const at = 2 + dice.roll(spoiled.length - 2);
    spoiled[at]! ^= 1 << dice.roll(8);
    return dice.roll(2) === 0 ? spoiled : spoiled.subarray(0, 4 + dice.roll(spoiled.length - 4));
  });
}

const total = ({ packetsFromClient, drops }: RelayCounters): number =>
  packetsFromClient + Object.values(drops).reduce((sum, count) => sum + count, 0);

interface Outcome {
  readonly passed: readonly string[];
  readonly heard: readonly string[];
  readonly counters: RelayCounters | undefined;
  readonly control: number;
}

let targets: Socket[];
beforeAll(async () => {
  targets = await peers();
});
afterAll(() => sockets.forEach((socket) => socket.close()));

async function through(kind: RelayEngine['kind']): Promise<Outcome> {
  let control = 0;
  const options = { listenerBufferBytes: 4 << 20, relayBufferBytes: 1 << 20, maxRelays: 4, sweepMs: 1_000 };
  const { engine } = openRelay(
    {
      ...options,
      own: [OWN],
      controlsPerSecond: 10_000,
      every: () => () => undefined,
      events: { onControl: () => (control += 1), onStray: () => undefined, onFailure: () => undefined },
    },
    kind,
  );
  const { id, bound } = await engine.openListener({ address: LOOPBACK, port: 0 });
  const client = await udp(LOOPBACK);
  const probe = createSocket('udp4');
  probe.bind(0, LOOPBACK);
  await once(probe, 'listening');
  const at = { address: LOOPBACK, port: probe.address().port };
  probe.close();
  await once(probe, 'close');
  const end = { kind: 'udp', listener: id, remote: client.address() } as const;
  await engine.open({ allocation: 1, client: end, relays: [{ family: 4, bound: at, announced: at }] });
  const [channel, permitted, some, , own] = targets.map(told);
  for (const { address } of [channel!, permitted!, own!]) engine.permit(1, address, undefined);
  engine.permit(1, some!.address, [{ first: 1, last: some!.port - 1 }]);
  engine.bindChannel(1, 0x4000, channel!);
  engine.bindChannel(1, 0x4001, own!);
  engine.bindChannel(1, 0x4002, { address: '127.0.0.12', port: 9 });

  const passed: string[] = [];
  const heard: string[] = [];
  const listen = targets.map((target, index) => {
    const listener = (bytes: Buffer): void => void passed.push(`${index} ${bytes.toString('hex')}`);
    target.on('message', listener);
    return () => target.off('message', listener);
  });
  client.on('message', (bytes: Buffer) => heard.push(...readable(bytes)));
  const all = messages(targets.map(told));
  const counters = (): number => total(engine.counters(1)!) + control;
  for (const [index, bytes] of all.entries()) {
    client.send(bytes, bound.port, bound.address);
    if (index % 20 === 19) await expect.poll(counters, { interval: 1 }).toBeGreaterThanOrEqual(index - 60);
  }
  // The last to each peer that is reached tells him that all before it were dealt with.
  const last = Buffer.from('last');
  for (const peer of [channel!, permitted!, own!])
    client.send(sendIndication(peer, last), bound.port, bound.address);
  const ends = [0, 1, 4].map((index) => `${index} ${last.toString('hex')}`);
  await expect.poll(() => ends.every((end) => passed.includes(end)), { interval: 1 }).toBe(true);
  for (const target of targets) target.send('from a peer', at.port, at.address);
  await expect.poll(() => heard.length, { interval: 1 }).toBe(3);
  const { drops } = engine.counters(1)!;
  expect(drops['no-permission'] > 0 && drops['port-denied'] > 0 && drops.malformed > 0).toBe(true);
  for (const stop of listen) stop();
  const outcome = {
    passed: passed.toSorted(),
    heard: heard.toSorted(),
    counters: engine.counters(1),
    control,
  };
  await engine.close();
  return outcome;
}

/** ChannelData as it is; a Data indication without its random transaction id; an ICMP error, which one of the two tells, is nothing. */
function readable(bytes: Buffer): string[] {
  if ((bytes[0]! & 0xc0) === 0x40) return [bytes.toString('hex')];
  const message = parseStun(bytes);
  const [peer] = addressesOf(message, ATTRIBUTE.xorPeerAddress);
  const data = findAttribute(message, ATTRIBUTE.data);
  return data === undefined ? [] : [`${peer?.address} ${peer?.port} ${data.toString()}`];
}

test.skipIf(!RELAY_ENGINES.includes('native'))(
  'native and portable do the same with random traffic',
  async () => {
    const portable = await through('portable');
    expect(portable.passed.length).toBeGreaterThan(100);
    expect(await through('native')).toEqual(portable);
  },
);
