// TURN through the edge's own process and file: a client over UDP and one over TLS get relays and hear each other through
// them; nothing of edge, core or the inside can be reached.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { printChannelData } from '../../turn/channel-data.ts';
import { TurnFramer } from '../../turn/doors/turn-framer.ts';
import {
  ATTRIBUTE,
  findAttribute,
  loadTurnBinding,
  parseStun,
  type TransportAddress,
} from '../../turn/index.ts';
import { addressesOf, sendIndication, TestClient, verdictOf } from '../../turn/test-client.ts';
import { type Company, EDGE_NAME, foundCompany } from './company.ts';

const USER = { username: 'alice', password: 'wonderland' };
const HELLO = Buffer.from('hello through two relays');

let company: Company;
const closing: (() => void)[] = [];

beforeAll(async () => {
  company = await foundCompany({
    block: 33,
    edge: { turn: { enabled: true, users: [{ name: USER.username, password: 'env:TURN_PASSWORD' }] } },
    environment: { edge: { TURN_PASSWORD: USER.password } },
  });
  await company.start();
});
afterAll(async () => {
  for (const close of closing) close();
  await company.close();
});

/** A client with its transport: what it asks, what arrives, in order. */
class Caller {
  readonly turn = new TestClient(USER);
  readonly #write: (bytes: Buffer) => void;
  readonly #inbox: Buffer[] = [];
  readonly #waiting: ((bytes: Buffer) => void)[] = [];
  constructor(write: (bytes: Buffer) => void) {
    this.#write = write;
  }

  arrived(bytes: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(bytes);
    else this.#inbox.push(bytes);
  }

  next(): Promise<Buffer> {
    const bytes = this.#inbox.shift();
    return bytes ? Promise.resolve(bytes) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(bytes: Buffer): void {
    this.#write(bytes);
  }

  ask(request: Buffer): Promise<Buffer> {
    this.send(request);
    return this.next();
  }

  /** Its relayed address. */
  async allocate(): Promise<TransportAddress> {
    this.turn.learn(await this.ask(this.turn.allocate()));
    const [relayed] = addressesOf(
      parseStun(await this.ask(this.turn.allocate())),
      ATTRIBUTE.xorRelayedAddress,
    );
    return relayed!;
  }
}

async function overUdp(): Promise<Caller> {
  const socket = createSocket('udp4');
  socket.bind(0, company.at.client);
  await once(socket, 'listening');
  closing.push(() => socket.close());
  const caller = new Caller((bytes) => socket.send(bytes, 3478, company.at.edge));
  socket.on('message', (bytes) => caller.arrived(bytes));
  return caller;
}

async function overTls(port = 5349, alpn?: string[]): Promise<Caller> {
  const { at, publicAuthority: ca } = company;
  const socket = connect({
    host: at.edge,
    port,
    ...(alpn && { ALPNProtocols: alpn }),
    localAddress: at.client,
    servername: EDGE_NAME,
    ca,
  } as object);
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  closing.push(() => socket.destroy());
  const caller = new Caller((bytes) => socket.write(bytes));
  const framer = new TurnFramer(70_000);
  socket.on('data', (chunk: Buffer) => {
    for (const { bytes } of framer.push(chunk)) caller.arrived(bytes);
  });
  return caller;
}

test('two clients hear each other through their relays', async () => {
  const [alice, bob] = [await overUdp(), await overTls()];
  const [aliceAt, bobAt] = [await alice.allocate(), await bob.allocate()];
  expect(aliceAt.address).toBe(company.at.edge);
  expect(verdictOf(await alice.ask(alice.turn.channelBind(0x4000, bobAt)))).toBe('success');
  expect(verdictOf(await bob.ask(bob.turn.createPermission(aliceAt)))).toBe('success');
  alice.send(printChannelData(0x4000, HELLO, false));
  expect(findAttribute(parseStun(await bob.next()), ATTRIBUTE.data)).toEqual(HELLO);
  bob.send(sendIndication(aliceAt, HELLO));
  expect(await alice.next()).toEqual(printChannelData(0x4000, HELLO, false));
});

test('the port of HTTPS serves both: TURN by ALPN and by its first bytes', async () => {
  for (const alpn of [['stun.turn'], undefined]) {
    const caller = await overTls(8443, alpn);
    expect((await caller.allocate()).address).toBe(company.at.edge);
  }
});

const hasDtls = !('missing' in loadTurnBinding());
if (!hasDtls) process.stderr.write('SKIPPED DTLS: it was not built\n');

test.skipIf(!hasDtls)('DTLS is served beside TLS, with the same certificate', async () => {
  const { at, publicAuthority } = company;
  const words = `s_client -dtls1_2 -connect ${at.edge}:5349 -verify_hostname ${EDGE_NAME} -verify_return_error`;
  const authority = path.join(company.folder, 'public-authority-of-test.pem');
  writeFileSync(authority, publicAuthority);
  const client = spawn('openssl', [...words.split(' '), '-CAfile', authority], { stdio: 'pipe' });
  let output = '';
  const said = Promise.withResolvers<void>();
  for (const stream of [client.stdout, client.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (/Verify return code|error/.test(output)) said.resolve();
    });
  }
  client.on('close', () => said.resolve());
  await said.promise;
  client.stdin.end();
  await once(client, 'close');
  expect(output).toMatch(/Verify return code: 0 \(ok\)/);
});

// T-003: a user who may relay reaches no door of the company by it
test('no door of edge, core or Unified CM is a peer', async () => {
  const { edge, core, ucm } = company.at;
  const alice = await overUdp();
  await alice.allocate();
  const doors = [
    `${edge} 8443`,
    `${edge} 2222`,
    `${edge} 8090`,
    `${edge} 3478`,
    `${core} 8090`,
    `${ucm} 5060`,
    '127.0.0.1 53',
  ];
  for (const door of doors) {
    const [address = '', port] = door.split(' ');
    const request = alice.turn.channelBind(0x4001, { address, port: Number(port) });
    expect([door, verdictOf(await alice.ask(request))]).toEqual([door, '403']);
  }
});
