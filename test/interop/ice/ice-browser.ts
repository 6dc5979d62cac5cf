// Debian's Chromium in a network namespace, headless, with a microphone that beeps: one page that makes an RTCPeerConnection
// which may use relays only. It believes the test's authority by its own certificate store, as a user's browser would.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Namespace } from '../../topology/network.ts';

/** What the two pages found out of each other. */
export interface IceReport {
  readonly state: string;
  readonly localType: string;
  readonly remoteType: string;
  /** How the relay is reached: udp, tcp or tls. */
  readonly relayProtocol: string;
  readonly audioBytes: number;
  /** Loudest moment of what was heard, 0 to 1. */
  readonly loudest: number;
  /** Texts that came over the data channel. */
  readonly texts: readonly string[];
}

export interface IceServer {
  readonly urls: string;
  readonly username: string;
  readonly credential: string;
}

/** Starts a browser inside `at`; its files are in `folder`. */
export async function openIceBrowser(
  at: Namespace,
  folder: string,
  authority: string,
): Promise<{ page: Page; browser: Browser }> {
  mkdirSync(folder, { recursive: true });
  trust(folder, authority);
  const wrapper = path.join(folder, 'chromium');
  writeFileSync(wrapper, `#!/bin/sh\nexec ${at.exec.join(' ')} /usr/bin/chromium "$@"\n`);
  chmodSync(wrapper, 0o755);
  const browser = await chromium.launch({
    executablePath: wrapper,
    env: { ...process.env, HOME: folder },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ],
  });
  const page = await browser.newPage();
  await page.route('**', (route) => route.fulfill({ contentType: 'text/html', body: '<title>ICE</title>' }));
  await page.goto('http://localhost/');
  await page.evaluate(PAGE);
  return { page, browser };
}

/** Puts the authority into the certificate store of a user whose home is `folder`. */
function trust(folder: string, authority: string): void {
  const store = path.join(folder, '.pki/nssdb');
  mkdirSync(store, { recursive: true });
  const certutil = (...words: string[]): void => {
    execFileSync('certutil', ['-d', `sql:${store}`, ...words], { stdio: 'ignore' });
  };
  certutil('-N', '--empty-password');
  certutil('-A', '-t', 'C,,', '-n', 'test authority', '-i', authority);
}

/** Runs in the page: `ice.begin`, `ice.offer`, `ice.answer`, `ice.accept`, `ice.report`, `ice.end`. */
const PAGE = `
window.ice = {
  async begin(server) {
    const pc = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: 'relay' });
    this.pc = pc; this.texts = []; this.loudest = 0; this.errors = [];
    pc.onicecandidateerror = ({ errorCode, errorText, url }) => this.errors.push([errorCode, errorText, url].join(' '));
    pc.ondatachannel = ({ channel }) => this.use(channel);
    const media = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of media.getTracks()) pc.addTrack(track, media);
    pc.ontrack = ({ streams }) => { this.audio = new Audio(); this.audio.srcObject = streams[0]; this.audio.play(); };
  },
  use(channel) {
    this.channel = channel;
    channel.onmessage = ({ data }) => {
      this.texts.push(data);
      if (data === 'ping') channel.send('pong');
      if (data === 'pong') channel.send('thanks');
    };
  },
  async gathered(description) {
    const { pc } = this;
    const done = new Promise((resolve) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
    });
    await pc.setLocalDescription(description);
    if (pc.iceGatheringState !== 'complete') await done;
    if (!pc.localDescription.sdp.includes('a=candidate:')) throw new Error('no relay: ' + this.errors.join('; '));
    return pc.localDescription.sdp;
  },
  async offer() {
    const channel = this.pc.createDataChannel('chat');
    channel.onopen = () => channel.send('ping');
    this.use(channel);
    return this.gathered(await this.pc.createOffer());
  },
  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: 'offer', sdp });
    return this.gathered(await this.pc.createAnswer());
  },
  accept(sdp) { return this.pc.setRemoteDescription({ type: 'answer', sdp }); },
  async report() {
    const stats = [...(await this.pc.getStats()).values()];
    const heard = stats.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio');
    this.loudest = Math.max(this.loudest, heard?.audioLevel ?? 0);
    const pair = stats.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    const local = stats.find((s) => s.id === pair?.localCandidateId);
    const remote = stats.find((s) => s.id === pair?.remoteCandidateId);
    return {
      state: this.pc.connectionState, localType: local?.candidateType ?? '', remoteType: remote?.candidateType ?? '',
      relayProtocol: local?.relayProtocol ?? '', audioBytes: heard?.bytesReceived ?? 0, loudest: this.loudest, texts: this.texts,
    };
  },
  end() { this.pc?.close(); },
};
`;
