// Random lives of calls: offers and answers of any shape from either side, refusals, rollbacks, closing in between,
// the control channel going and coming. Whatever happens, only a refusal is ever thrown and every port comes back.
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MediaRefusal } from '../../core/media/index.ts';
import type { MediaSide } from '../../core/sip/media-anchor.ts';
import { EDGE, MediaPair } from './media-pair.ts';
import { CRLF } from './phones.ts';

let pair: MediaPair;
beforeAll(async () => {
  pair = await MediaPair.open({ network: 64, core: { insideEncryption: 'best-effort' } });
});
afterAll(() => pair.close());

const CRYPTO = [
  '',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz',
  `a=crypto:1 AEAD_AES_256_GCM inline:${Buffer.alloc(44, 3).toString('base64')}`,
  `a=crypto:2 AEAD_AES_128_GCM inline:${Buffer.alloc(28, 4).toString('base64')}`,
  'a=crypto:1 nonsense',
];
const section = fc
  .tuple(
    fc.constantFrom('audio', 'video', 'application'),
    fc.constantFrom(0, 4000, 4002),
    fc.constantFrom('RTP/AVP', 'RTP/SAVP', 'RTP/SAVPF', 'UDP/BFCP', 'TCP/BFCP'),
    fc.constantFrom(...CRYPTO),
    fc.constantFrom('', 'c=IN IP4 0.0.0.0', 'c=IN IP4 127.0.0.1', 'c=IN IP4 name'),
    fc.constantFrom('', 'a=rtcp-mux', 'a=rtcp:5', 'a=sendonly', 'a=rtcp:x'),
  )
  .map(([kind, port, protocol, crypto, connection, extra]) =>
    [`m=${kind} ${port} ${protocol} 0`, connection, crypto, extra].filter((line) => line !== ''),
  );
const sdp = fc
  .array(section, { minLength: 1, maxLength: 3 })
  .map((all) =>
    ['v=0', 'o=x 1 1 IN IP4 10.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...all.flat(), ''].join(CRLF),
  );

const side = fc.constantFrom<MediaSide>('client', 'inside');
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('offer' as const), from: side, sdp }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), from: side, sdp }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('rollback' as const, 'close' as const, 'bounce' as const) }),
  },
);

test('every random life ends with nothing held', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const call = pair.core.open({ callId: 'call', key: 'alice' }, EDGE);
      const work: Promise<unknown>[] = [];
      for (const one of steps) {
        if (one.do === 'rollback') call.rollback();
        if (one.do === 'close') call.close('early');
        if (one.do === 'bounce') {
          pair.disconnect();
          await pair.connect();
        }
        if (one.do === 'offer' || one.do === 'answer') {
          const result = call[one.do](one.from, Buffer.from(one.sdp)).then(
            () => (taken += 1),
            (error: unknown) => expect(error).toBeInstanceOf(MediaRefusal),
          );
          work.push(result);
          // Some are awaited, some still under way when the next step comes.
          if (one.sdp.length % 2 === 0) await result;
        }
      }
      await Promise.all(work);
      call.close('over');
    }),
    // The seed is one that once found a call closed between the opening of its last port and the writing of its offer.
    { numRuns: 500, seed: 819_360_836 },
  );
  expect(taken).toBeGreaterThan(20);
  await pair.run(5000);
  expect(pair.core.sizes()).toMatchObject({
    sessions: 0,
    keys: 0,
    watched: 0,
    engine: { ports: 2, flows: 0, crypto: 0 },
  });
  expect(pair.edge.sizes()).toMatchObject({
    sessions: 0,
    pairs: { lent: 0 },
    engine: { ports: 2, flows: 0 },
  });
});
