// Debian's rtpengine as a peer of the media benchmark: one thread in userspace, calls set up by its ng protocol
// (bencoded dictionaries over UDP).
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { TransportAddress } from '../../turn/index.ts';
import { pinned } from './media-load.ts';
import type { BenchSuite } from './media-engine-process.ts';

const PROGRAM = '/usr/bin/rtpengine';
const CONTROL = { address: '127.0.0.1', port: 22_222 };
const ATTEMPTS = 50;

export const rtpenginePresent = existsSync(PROGRAM);

type Bencoded = string | readonly string[] | { readonly [key: string]: Bencoded };

function bencode(value: Bencoded): string {
  if (typeof value === 'string') return `${Buffer.byteLength(value)}:${value}`;
  if (Array.isArray(value)) return `l${value.map(bencode).join('')}e`;
  return `d${Object.entries(value)
    .map(([key, part]) => bencode(key) + bencode(part))
    .join('')}e`;
}

/** The string under `key` of a bencoded answer. */
function answerOf(text: string, key: string): string | undefined {
  const found = new RegExp(`${key.length}:${key}(\\d+):`).exec(text);
  if (found === null) return undefined;
  const start = found.index + found[0].length;
  return text.slice(start, start + Number(found[1]));
}

export class Rtpengine {
  readonly #child: ChildProcess;
  readonly #socket = createSocket('udp4');
  #cookie = 0;

  constructor() {
    const [program, args] = pinned(0, [
      PROGRAM,
      '--foreground',
      '--table=-1',
      '--num-threads=1',
      '--interface=127.0.0.1',
      `--listen-ng=${CONTROL.address}:${CONTROL.port}`,
      '--port-min=40000',
      '--port-max=48999',
      '--timeout=600',
      '--silent-timeout=600',
      '--log-level=1',
      '--log-stderr',
    ]);
    this.#child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] });
    this.#socket.on('error', () => {});
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ready(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if ((await this.#ask({ command: 'ping' }, 100)) !== undefined) return;
    }
    throw new Error('rtpengine does not answer');
  }

  /**
   * Sets up a call from `source` to `sink`; resolves where to send its packets. A suite on either side makes that
   * side SRTP under `key` (base64 of key and salt).
   */
  async call(
    id: number,
    source: TransportAddress,
    sink: TransportAddress,
    seals: { readonly source?: BenchSuite; readonly sink?: BenchSuite; readonly key: string },
  ): Promise<TransportAddress> {
    const flags = { 'call-id': `call-${id}`, ICE: 'remove', 'rtcp-mux': ['demux'], 'from-tag': 'a' };
    const protocol = seals.sink === undefined ? 'RTP/AVP' : 'RTP/SAVP';
    const offer = { ...flags, command: 'offer', sdp: sdp(source, seals.source, seals.key), DTLS: 'off' };
    const forSink = await this.#must({ ...offer, 'transport-protocol': protocol });
    // The answer takes up one line of the offer by its tag (RFC 4568 §5.1.2).
    const tag = new RegExp(`a=crypto:(\\d+) ${seals.sink} `).exec(forSink)?.[1] ?? '1';
    const answer = { ...flags, command: 'answer', 'to-tag': 'b', sdp: sdp(sink, seals.sink, seals.key, tag) };
    const text = await this.#must(answer);
    const port = /m=audio (\d+)/.exec(answerOf(text, 'sdp') ?? '')?.[1];
    if (port === undefined) throw new Error(`rtpengine gave no port: ${text}`);
    return { address: '127.0.0.1', port: Number(port) };
  }

  async #must(question: Bencoded): Promise<string> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const text = await this.#ask(question, 2000);
      if (text === undefined) continue;
      if (answerOf(text, 'result') !== 'ok') throw new Error(`rtpengine refused: ${text}`);
      return text;
    }
    throw new Error('rtpengine does not answer');
  }

  async #ask(question: Bencoded, waitMs: number): Promise<string | undefined> {
    const cookie = String(++this.#cookie);
    this.#socket.send(`${cookie} ${bencode(question)}`, CONTROL.port, CONTROL.address);
    const abort = new AbortController();
    const answered = once(this.#socket, 'message', { signal: abort.signal });
    const first = await Promise.race([answered, pause(waitMs)]);
    abort.abort();
    answered.catch(() => {});
    const text = (first as [Buffer] | undefined)?.[0].toString();
    return text?.startsWith(`${cookie} `) === true ? text : undefined;
  }

  async close(): Promise<void> {
    this.#socket.close();
    this.#child.kill('SIGKILL');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }
}

function sdp(
  { address, port }: TransportAddress,
  suite: BenchSuite | undefined,
  key: string,
  tag = '1',
): string {
  const profile = suite === undefined ? 'RTP/AVP' : 'RTP/SAVP';
  const lines = [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} ${profile} 0`,
    ...(suite === undefined ? [] : [`a=crypto:${tag} ${suite} inline:${key}`]),
    'a=sendrecv',
    '',
  ];
  return lines.join('\r\n');
}
