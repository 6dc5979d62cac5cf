// The work that both sides of the SIP benchmark are given: phones that each do one thing after the other, without a pause,
// for a while. A run with one failure is no result.
import type { Answer, Phone } from './sip-phone.ts';

/** What phones do over and over. */
export type Work = 'register' | 'call' | 'call with media';

/** An offer as phones outside make it: SRTP with the keys in the description. */
const OFFER = [
  'v=0',
  'o=bench 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 30000 RTP/SAVP 0 101',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz',
  'a=rtpmap:0 PCMU/8000',
  'a=rtpmap:101 telephone-event/8000',
  'a=sendrecv',
  '',
].join('\r\n');

/** Does `work` on all phones for that long; resolves with what was completed. Rejects at the first failure. */
export async function load(phones: readonly Phone[], work: Work, durationMs: number): Promise<number> {
  const until = performance.now() + durationMs;
  const done = await Promise.all(phones.map((phone) => repeat(phone, work, until)));
  return done.reduce((sum, one) => sum + one, 0);
}

const STALL_MS = 10_000;

function repeat(phone: Phone, work: Work, until: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let completed = 0;
    const fail = (why: string): void => {
      clearTimeout(stalled);
      reject(new Error(`${phone.user}, ${work} ${completed + 1}: ${why}`));
    };
    const stalled = setTimeout(() => fail('no answer'), until - performance.now() + STALL_MS);
    const begin = (): void => {
      if (work === 'register') phone.register();
      else phone.invite(work === 'call' ? 'silent' : 'voice', work === 'call' ? '' : OFFER);
    };
    phone.onGone = fail;
    phone.onAnswer = (answer) => {
      if (answer.status < 200) return;
      if (answer.status > 200) return fail(answer.head);
      if (answer.method === 'INVITE') return phone.hangUp(answer);
      completed += 1;
      if (performance.now() < until) return begin();
      clearTimeout(stalled);
      resolve(completed);
    };
    begin();
  });
}

/** Registers every phone once, a few at a time. */
export async function registerAll(phones: readonly Phone[]): Promise<void> {
  await load(phones, 'register', 0);
}

export type { Answer };
