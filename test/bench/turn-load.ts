// The TURN benchmark's generator, test/bench/native/turn-load.c: compiled when the benchmark starts, pinned to the second
// processor. The protocol is spoken here: allocations, channels and the packets that the generator then sends.
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { ATTRIBUTE, parseStun } from '../../turn/index.ts';
import { printChannelData } from '../../turn/channel-data.ts';
import { addressesOf, sendIndication, TestClient, verdictOf } from '../../turn/test-client.ts';
import { CREDENTIALS, TURN_PORT } from './turn-parties.ts';

/** What the packets are: of the client as channel data or Send, of the peer as channel data or Data. */
export type TurnShape = 'ChannelData out' | 'Send out' | 'ChannelData in' | 'Data in';

export interface TurnRun {
  readonly sent: number;
  readonly received: number;
  readonly seconds: number;
}

export const PEER_PORT = 13_480;
const PEER = { address: '127.0.0.1', port: PEER_PORT };

export class TurnLoad {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<string, (rest: string) => void>();

  private constructor(folder: string, clients: number) {
    const words = [path.join(folder, 'turn-load'), String(clients), String(TURN_PORT), String(PEER.port)];
    const pinned = availableParallelism() > 1 ? ['taskset', '-c', '1', ...words] : words;
    this.#child = spawn(pinned[0]!, pinned.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#said(line));
  }

  /** Compiles the generator into `folder`. */
  static compile(folder: string): void {
    const source = path.join(import.meta.dirname, 'native/turn-load.c');
    execFileSync('/usr/bin/gcc', ['-O2', '-o', path.join(folder, 'turn-load'), source]);
  }

  /** Starts it with so many allocations and the packets of one shape. */
  static async open(folder: string, shape: TurnShape, clients: number, payload: Buffer): Promise<TurnLoad> {
    const load = new TurnLoad(folder, clients);
    for (let index = 0; index < clients; index++) await load.#prepare(index, shape, payload);
    return load;
  }

  /** Starts it for a bare relay that sends everything on to the peer. */
  static openPlain(folder: string, clients: number, payload: Buffer): TurnLoad {
    const load = new TurnLoad(folder, clients);
    for (let index = 0; index < clients; index++) load.#say(`out ${index} ${payload.toString('hex')}`);
    return load;
  }

  async #prepare(index: number, shape: TurnShape, payload: Buffer): Promise<void> {
    const client = new TestClient(CREDENTIALS);
    client.learn(await this.#ask(index, client.allocate()));
    const answer = parseStun(await this.#ask(index, client.allocate()));
    const [relayed] = addressesOf(answer, ATTRIBUTE.xorRelayedAddress);
    if (relayed === undefined) throw new Error(`Allocate ${index}: ${verdictOf(answer.raw)}`);
    const isChannel = shape.startsWith('Channel');
    const request = isChannel ? client.channelBind(0x4000, PEER) : client.createPermission(PEER);
    const verdict = verdictOf(await this.#ask(index, request));
    if (verdict !== 'success') throw new Error(`${shape} ${index}: ${verdict}`);
    const packet = isChannel ? printChannelData(0x4000, payload, false) : sendIndication(PEER, payload);
    this.#say(`out ${index} ${packet.toString('hex')}`);
    this.#say(`in ${index} ${relayed.port} ${payload.toString('hex')}`);
  }

  /** Sends at a rate for a time. */
  async run(shape: TurnShape, rate: number, ms: number): Promise<TurnRun> {
    const said = this.#hear('ran');
    this.#say(`run ${shape.endsWith('out') ? 'out' : 'in'} ${rate} ${ms}`);
    const [sent = 0, received = 0, micros = 0] = (await said).split(' ').map(Number);
    return { sent, received, seconds: micros / 1e6 };
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }

  async #ask(index: number, request: Buffer): Promise<Buffer> {
    const heard = this.#hear(`recv ${index}`);
    this.#say(`send ${index} ${request.toString('hex')}`);
    return Buffer.from(await heard, 'hex');
  }

  #hear(start: string): Promise<string> {
    return new Promise((resolve) => this.#waiting.set(start, resolve));
  }

  #say(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  #said(line: string): void {
    const [word = '', first = '', ...rest] = line.split(' ');
    const key = word === 'recv' ? `recv ${first}` : word;
    this.#waiting.get(key)?.(word === 'recv' ? rest.join(' ') : [first, ...rest].join(' '));
    this.#waiting.delete(key);
  }
}
