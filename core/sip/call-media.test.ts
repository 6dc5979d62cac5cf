import { describe, expect, test } from 'vitest';
import { parseMessage, type SipRequest, type SipResponse } from '../../sip/index.ts';
import { CallMedia, type Exchange, type MediaVerdict } from './call-media.ts';
import type { MediaAnchor, MediaSide } from './media-anchor.ts';

/** A session whose answers come when the test lets them. */
class SteppedAnchor implements MediaAnchor {
  readonly events: string[] = [];
  readonly #steps: ((sdp: Buffer | Error) => void)[] = [];

  open() {
    const hand = (what: string) => (from: MediaSide, sdp: Buffer) => {
      this.events.push(`${what} ${from} ${sdp.toString()}`);
      return new Promise<Buffer>((resolve, reject) => {
        this.#steps.push((result) => (result instanceof Error ? reject(result) : resolve(result)));
      });
    };
    return {
      offer: hand('offer'),
      answer: hand('answer'),
      rollback: () => void this.events.push('rollback'),
      connected: () => undefined,
      iceCallType: () => 'none',
      close: (reason: string) => void this.events.push(`close ${reason}`),
      status: () => ({}),
    };
  }

  async let(result: string | Error): Promise<void> {
    this.#steps.shift()?.(result instanceof Error ? result : Buffer.from(result));
    for (let turns = 0; turns < 4; turns += 1) await Promise.resolve();
  }
}

const head =
  'Via: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\n';
const body = (sdp: string) =>
  sdp === ''
    ? 'Content-Length: 0\r\n\r\n'
    : `Content-Type: application/sdp\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}`;
const request = (method: string, sdp = '') =>
  parseMessage(
    Buffer.from(`${method} sip:c@d SIP/2.0\r\n${head}CSeq: 1 ${method}\r\n${body(sdp)}`),
  ) as SipRequest;
const response = (status: number, method: string, sdp = '', extra = '') =>
  parseMessage(
    Buffer.from(`SIP/2.0 ${status} X\r\n${head}CSeq: 1 ${method}\r\n${extra}${body(sdp)}`),
  ) as SipResponse;

function start() {
  const anchor = new SteppedAnchor();
  const media = new CallMedia(anchor, { callId: 'x', key: 'a@b' }, { name: 'edge1', zone: 'z', zoneId: 1 });
  const log: string[] = [];
  const note = (what: string) => (refused: MediaVerdict | undefined) =>
    void log.push(`${what}: ${refused?.status ?? 'on'}`);
  return { anchor, media, log, note };
}

const invite = (): Exchange => CallMedia.exchange('INVITE', 'client');

describe('messages of one call', () => {
  test('leave in the order they came in, whatever the media session takes', async () => {
    const { anchor, media, log, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE', 'o'), exchange, note('INVITE'));
    await anchor.let('o2');
    const early = response(183, 'INVITE', 'early');
    const final = response(200, 'INVITE', 'final');
    media.fromResponse(early, exchange, note('183'));
    media.fromResponse(response(180, 'INVITE'), exchange, note('180'));
    media.fromResponse(final, exchange, note('200'));
    expect(log).toEqual(['INVITE: on']);
    await anchor.let('early2');
    await anchor.let('final2');
    expect(log).toEqual(['INVITE: on', '183: on', '180: on', '200: on']);
    expect([early.body.toString(), final.body.toString()]).toEqual(['early2', 'final2']);
  });

  test('still waiting when the call ends are refused, none is forgotten', async () => {
    const { anchor, media, log, note } = start();
    media.fromRequest(request('INVITE', 'o'), invite(), note('INVITE'));
    media.fromRequest(request('UPDATE', 'p'), CallMedia.exchange('UPDATE', 'client'), note('UPDATE'));
    media.close('over');
    expect(log).toEqual(['UPDATE: 481']);
    await anchor.let('o2');
    expect(log).toEqual(['UPDATE: 481', 'INVITE: 481']);
    media.fromRequest(request('INFO'), CallMedia.exchange('INFO', 'client'), note('later'));
    expect(log.at(-1)).toBe('later: 481');
  });

  test('that pile up behind a session that never answers are refused', () => {
    const { media, log, note } = start();
    media.fromRequest(request('INVITE', 'o'), invite(), note('INVITE'));
    for (let n = 0; n < 40; n += 1)
      media.fromRequest(request('UPDATE', 'p'), CallMedia.exchange('UPDATE', 'client'), note('u'));
    expect(log).toEqual(Array.from({ length: 8 }, () => 'u: 503'));
  });
});

describe('offer and answer', () => {
  test('a repeated answer is not negotiated twice', async () => {
    const { anchor, media, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE', 'o'), exchange, note(''));
    await anchor.let('o2');
    media.fromResponse(response(183, 'INVITE', 'a'), exchange, note(''));
    await anchor.let('a2');
    const final = response(200, 'INVITE', 'a');
    media.fromResponse(final, exchange, note(''));
    expect(final.body.toString()).toBe('a2');
    expect(anchor.events).toEqual(['offer client o', 'answer inside a']);
  });

  test('an answer in an unreliable 183 leaves the offer open for the final one', async () => {
    const { anchor, media, log, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE', 'o'), exchange, note('INVITE'));
    await anchor.let('o2');
    media.fromResponse(response(183, 'INVITE', 'a'), exchange, note('183'));
    await anchor.let('a2');
    media.fromRequest(request('UPDATE', 'u'), CallMedia.exchange('UPDATE', 'inside'), note('UPDATE'));
    expect(log.at(-1)).toBe('UPDATE: 491');
    media.fromResponse(response(183, 'INVITE', 'a', 'RSeq: 1\r\n'), exchange, note('183'));
    media.fromRequest(request('UPDATE', 'u'), CallMedia.exchange('UPDATE', 'inside'), note('UPDATE'));
    await anchor.let('u2');
    expect(log.at(-1)).toBe('UPDATE: on');
  });

  test('a 200 without a description keeps what an unreliable 183 agreed, and ends the exchange', async () => {
    const { anchor, media, log, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE', 'o'), exchange, note('INVITE'));
    await anchor.let('o2');
    media.fromResponse(response(183, 'INVITE', 'a'), exchange, note('183'));
    await anchor.let('a2');
    media.fromResponse(response(200, 'INVITE'), exchange, note('200'));
    expect(anchor.events).toEqual(['offer client o', 'answer inside a']);
    media.fromRequest(request('UPDATE', 'u'), CallMedia.exchange('UPDATE', 'inside'), note('UPDATE'));
    await anchor.let('u2');
    expect(log).toEqual(['INVITE: on', '183: on', '200: on', 'UPDATE: on']);
  });

  test('a late offer is answered by ACK; a PRACK may carry a new one', async () => {
    const { anchor, media, log, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE'), exchange, note('INVITE'));
    media.fromResponse(response(183, 'INVITE', 'late', 'RSeq: 1\r\n'), exchange, note('183'));
    await anchor.let('late2');
    media.fromRequest(request('PRACK', 'ans'), CallMedia.exchange('PRACK', 'client'), note('PRACK'));
    await anchor.let('ans2');
    media.fromRequest(request('PRACK', 'new'), CallMedia.exchange('PRACK', 'client'), note('PRACK'));
    await anchor.let('new2');
    expect(anchor.events).toEqual(['offer inside late', 'answer client ans', 'offer client new']);
    expect(log).toEqual(['INVITE: on', '183: on', 'PRACK: on', 'PRACK: on']);
  });

  test('an ACK without the answer it owes rolls the offer back', async () => {
    const { anchor, media, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE'), exchange, note(''));
    media.fromResponse(response(200, 'INVITE', 'late'), exchange, note(''));
    await anchor.let('late2');
    media.fromRequest(request('ACK'), CallMedia.exchange('ACK', 'client'), note(''));
    expect(anchor.events.at(-1)).toBe('rollback');
  });

  test('a description that answers nothing is taken out', () => {
    const { anchor, media, note } = start();
    const ringing = response(183, 'INVITE', 'stray');
    const exchange = invite();
    media.fromRequest(request('INVITE'), exchange, note(''));
    media.fromResponse(ringing, exchange, note(''));
    expect(ringing.body).toHaveLength(0);
    expect(ringing.headers.has('Content-Type')).toBe(false);
    expect(anchor.events).toEqual([]);
  });

  const failures: [string, Error, number][] = [
    ['a refusal of the media room', Object.assign(new Error('x'), { sipStatus: 503, text: 'No Ports' }), 503],
    ['anything else', new Error('bug'), 500],
  ];
  test.each(failures)('%s refuses the request and closes no door', async (_name, error, status) => {
    const { anchor, media, log, note } = start();
    media.fromRequest(request('INVITE', 'o'), invite(), note('one'));
    await anchor.let(error);
    media.fromRequest(request('INVITE', 'o'), invite(), note('two'));
    await anchor.let('o2');
    expect(log).toEqual([`one: ${status}`, 'two: on']);
  });

  const finals: [string, SipResponse | undefined][] = [
    ['refused', response(488, 'INVITE')],
    ['accepted without an answer', response(200, 'INVITE')],
    ['never answered', undefined],
  ];
  test.each(finals)('an offer that is %s is rolled back', async (_name, final) => {
    const { anchor, media, note } = start();
    const exchange = invite();
    media.fromRequest(request('INVITE', 'o'), exchange, note(''));
    await anchor.let('o2');
    if (final === undefined) media.failed(exchange);
    else media.fromResponse(final, exchange, note(''));
    expect(anchor.events).toEqual(['offer client o', 'rollback']);
  });

  test('a malformed multipart body is refused', () => {
    const { media, log, note } = start();
    const bad = request('INVITE', 'x');
    bad.headers.set('Content-Type', 'multipart/mixed');
    media.fromRequest(bad, invite(), note('INVITE'));
    expect(log).toEqual(['INVITE: 400']);
  });
});
