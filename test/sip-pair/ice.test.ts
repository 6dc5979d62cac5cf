// Which calls may pass ICE and keys: only where the edge's zone, every node that the call may go to, and the way it came
// allow it. Descriptions are the media room's business; here it is told.
import { afterEach, expect, test } from 'vitest';
import type { MediaStart } from '../../core/sip/media-anchor.ts';
import { play } from './dialogue.ts';
import { MarkingAnchor, openPair, type Pair } from './pair.ts';
import { rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
afterEach(() => pair.close());
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };

/** Remembers what it was told of each call. */
class AskedAnchor extends MarkingAnchor {
  readonly asked: (boolean | undefined)[] = [];

  override open(call: MediaStart) {
    this.asked.push(call.mayPassIce);
    return super.open(call);
  }
}

const invite = (who: string, uri: string, from: string): string => `
  ${who} sends:
    INVITE ${uri} SIP/2.0
    Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bKice
    From: <${from}>;tag=c1
    To: <sip:x@example.com>
    Call-ID: ice
    CSeq: 1 INVITE
    Contact: <sip:c@10.0.0.1:5061>
    Content-Type: application/sdp

    v=0
    s=a
`;

test.each([
  ['zone and node', true, true, true],
  ['the node only', false, true, false],
  ['the zone only', true, false, false],
])('a call from outside where %s allow it', async (_name, zone, node, expected) => {
  const media = new AskedAnchor();
  pair = await openPair({
    core: { media, passesIce: () => zone },
    nodes: (registrar) => [{ ...registrar, passesIce: node }],
  });
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  await play(
    `${invite('phone', 'sip:1002@example.com', 'sip:alice@example.com')}
    registrar receives:
      INVITE sip:1002@example.com SIP/2.0
      ...`,
    { phone, registrar },
  );
  expect(media.asked).toEqual([expected]);
});

test('a call from inside that came in the clear does not pass, whatever its zone says', async () => {
  const media = new AskedAnchor();
  pair = await openPair({
    core: { media, passesIce: () => true },
    nodes: (registrar) => [{ ...registrar, passesIce: true }],
  });
  const phone = pair.client();
  const registrar = await signIn(pair, phone, alice);
  await play(
    `${invite('registrar', rewrittenOf(alice), 'sip:1002@cm1.example.com')}
    phone receives:
      INVITE *
      ...`,
    { phone, registrar },
  );
  expect(media.asked).toEqual([false]);
});
