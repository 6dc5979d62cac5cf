// Debian's baresip 1.0.0 driven through its ctrl_tcp module: netstrings of JSON, commands in, events out.
// What a phone hears is in the files its sndfile module writes. Quirks of 1.0.0 that shape this file:
// ausine speaks only 48 kHz stereo, so a WAV file is the microphone; without a loudspeaker it still decodes and records;
// the recorder of received sound is lost at the first re-INVITE, so what comes after one is measured on the wire
// (capture.ts) or by how many seconds the decoder made.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Namespace } from '../topology/network.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';
import { passwordOf } from './kamailio.ts';
import { NetstringReader, printNetstring } from './netstring.ts';
import { writeTone } from './tone.ts';

const CONTROL_PORT = 4444;
const SAMPLE_RATE = 8000;
const TONE_SECONDS = 180;

export interface BaresipOptions {
  readonly folder: string;
  readonly at: Namespace;
  readonly address: string;
  readonly user: string;
  /** Right of the @ in its address. */
  readonly domain: string;
  /** Where every request goes first, as a SIP URI. */
  readonly outbound: string;
  readonly transport: 'tcp' | 'tls';
  /** `srtp-mand` is SDES with RTP/SAVP. */
  readonly mediaEncryption?: 'srtp' | 'srtp-mand';
  /** PEM file of the authorities it believes. */
  readonly authority?: string;
  /** The tone it speaks. */
  readonly speaks: { readonly hz: number };
  readonly registerSeconds?: number;
  /** ICE, full, with regular nomination; `server` is a TURN server beside its host candidates. */
  readonly ice?: {
    /** RTP and RTCP on one port: half the candidates. */
    readonly rtcpMux?: boolean;
    readonly server?: { readonly uri: string; readonly user: string; readonly password: string };
  };
}

/** An event of ctrl_tcp, such as CALL_ESTABLISHED with the peer in `peeruri`. */
export interface PhoneEvent {
  readonly type: string;
  readonly param?: string;
  readonly id?: string;
  readonly peeruri?: string;
}

/** A running phone. */
export class Baresip {
  readonly options: BaresipOptions;
  readonly process: StartedProcess;
  readonly events: PhoneEvent[] = [];
  readonly #control: StartedProcess;
  readonly #replies = new Map<string, (reply: { ok: boolean; data: string }) => void>();
  #nextToken = 1;

  constructor(options: BaresipOptions, phone: StartedProcess, control: StartedProcess) {
    this.options = options;
    this.process = phone;
    this.#control = control;
    const reader = new NetstringReader();
    control.child.stdout?.on('data', (chunk: Buffer) => {
      for (const text of reader.read(chunk)) this.#take(text);
    });
  }

  #take(text: string): void {
    const message = JSON.parse(text) as PhoneEvent & { token?: string; ok: boolean; data: string };
    if (message.token === undefined) {
      this.events.push(message);
      return;
    }
    this.#replies.get(message.token)?.(message);
    this.#replies.delete(message.token);
  }

  /** Sends a command of its menu (dial, accept, hold, resume, hangup, reginfo …) and waits for the reply. */
  async command(command: string, params = ''): Promise<string> {
    const token = String(this.#nextToken++);
    const reply = new Promise<{ ok: boolean; data: string }>((resolve) => this.#replies.set(token, resolve));
    this.#control.child.stdin?.write(printNetstring(JSON.stringify({ command, params, token })));
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`${this.options.user}: no reply to ${command}`)), 5000).unref();
    });
    return (await Promise.race([reply, late])).data;
  }

  /** A place in the stream of events: `happened` looks only after it. */
  mark(): number {
    return this.events.length;
  }

  /** Waits for an event of this type after `since`; the message of a failure shows the phone's own words. */
  async happened(type: string, since: number, timeoutMs = 10_000): Promise<PhoneEvent> {
    const seen = (): PhoneEvent | undefined => this.events.slice(since).find((event) => event.type === type);
    await until(`${this.options.user}: ${type}`, () => seen() !== undefined, {
      deadlineMs: timeoutMs,
      detail: () =>
        `${JSON.stringify(this.events.slice(since).map((e) => e.type))}\n${this.process.tail(60)}`,
    });
    return seen()!;
  }

  async registered(timeoutMs = 10_000): Promise<void> {
    await this.process.said(/ 200 [^\n]*\[\d+ binding/, { timeoutMs });
  }

  /** Seconds of sound its decoder has made in this call: only what came with a good SRTP tag gets so far. */
  async decodedSeconds(): Promise<number> {
    const found = /rx:[^]*?time = ([\d.]+) sec/.exec(await this.command('audio_debug'))?.[1];
    return Number(found ?? Number.NaN);
  }

  /** The port it sends its sound to. */
  async remoteMediaPort(): Promise<number> {
    return Number(/remote: [\d.]+:(\d+)/.exec(await this.command('audio_debug'))?.[1] ?? Number.NaN);
  }

  /** The newest recording of what it heard. */
  recording(): string {
    const folder = path.join(this.options.folder, this.options.user);
    const newest = readdirSync(folder)
      .filter((name) => name.endsWith('-dec.wav'))
      .toSorted()
      .at(-1);
    if (newest === undefined) throw new Error(`${this.options.user} recorded nothing`);
    return path.join(folder, newest);
  }

  async stop(): Promise<void> {
    await this.process.stop();
    await this.#control.stop();
  }

  /** Ends it without a word to anyone. */
  async kill(): Promise<void> {
    await this.process.stop('SIGKILL');
    await this.#control.stop();
  }
}

/** Starts a phone and waits until its control port answers. */
export async function startBaresip(keeper: ProcessKeeper, options: BaresipOptions): Promise<Baresip> {
  const folder = path.join(options.folder, options.user);
  mkdirSync(folder, { recursive: true });
  const tone = { ...options.speaks, seconds: TONE_SECONDS, amplitude: 12_000, sampleRate: SAMPLE_RATE };
  writeTone(path.join(folder, 'microphone.wav'), tone);
  writeFileSync(path.join(folder, 'config'), configuration(options, folder));
  writeFileSync(path.join(folder, 'accounts'), account(options));
  writeFileSync(path.join(folder, 'contacts'), '');
  const name = `baresip-${options.user}`;
  const phone = keeper.start(['baresip', '-s', '-f', folder], { inside: options.at.exec, name });
  await phone.said(/baresip is ready/);
  const control = keeper.start([process.execPath, '-e', PIPE, String(CONTROL_PORT)], {
    inside: options.at.exec,
    name: `${name}-control`,
  });
  const started = new Baresip(options, phone, control);
  await started.command('reginfo'); // events before the control port is open would be lost
  return started;
}

/** stdin and stdout to the control port: the port is in the phone's namespace, the test is not. */
const PIPE = `const s=require('node:net').connect(Number(process.argv[1]),'127.0.0.1');
s.on('error',(e)=>{console.error(e.message);process.exit(1)});s.on('close',()=>process.exit(0));
process.stdin.pipe(s);s.pipe(process.stdout);`;

function configuration(options: BaresipOptions, folder: string): string {
  return [
    'poll_method epoll',
    `sip_listen ${options.address}:5060`,
    ...(options.authority === undefined ? [] : [`sip_cafile ${options.authority}`]),
    'call_local_timeout 60',
    'call_max_calls 4',
    `audio_source aufile,${path.join(folder, 'microphone.wav')}`,
    `ausrc_srate ${SAMPLE_RATE}`,
    `auplay_srate ${SAMPLE_RATE}`,
    'ausrc_channels 1',
    'auplay_channels 1',
    'audio_buffer 20-160',
    'jitter_buffer_delay 5-10',
    'rtp_stats yes',
    ...(options.ice?.rtcpMux === true ? ['rtcp_mux yes'] : []),
    'module_path /usr/lib/baresip/modules',
    ...[
      'g711',
      'aufile',
      'sndfile',
      'srtp',
      ...(options.ice === undefined ? [] : ['stun', 'turn', 'ice']),
    ].map((name) => `module ${name}.so`),
    'module_tmp account.so',
    'module_app menu.so',
    'module_app ctrl_tcp.so',
    `snd_path ${folder}`,
    `ctrl_tcp_listen 127.0.0.1:${CONTROL_PORT}`,
    '',
  ].join('\n');
}

function account(options: BaresipOptions): string {
  const parts = [
    `<sip:${options.user}@${options.domain};transport=${options.transport}>`,
    `auth_user=${options.user}`,
    `auth_pass=${passwordOf(options.user)}`,
    `outbound="${options.outbound}"`,
    `regint=${options.registerSeconds ?? 60}`,
    'answermode=manual',
    'audio_codecs=pcmu',
    ...(options.mediaEncryption === undefined ? [] : [`mediaenc=${options.mediaEncryption}`]),
    ...(options.ice === undefined ? [] : iceParts(options.ice)),
  ];
  return `${parts.join(';')}\n`;
}

function iceParts({ server }: NonNullable<BaresipOptions['ice']>): string[] {
  if (server === undefined) return ['medianat=ice'];
  const { uri, user, password } = server;
  return ['medianat=ice', `stunserver="${uri}"`, `stunuser=${user}`, `stunpass=${password}`];
}
