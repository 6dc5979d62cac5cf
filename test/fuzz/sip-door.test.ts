// Edge and core joined under bytes that are nearly SIP, cut anywhere: from strangers, from a registered client, from call
// control. Whatever comes out at a far end is a whole message of the strict framer with our hops on it, and afterwards a
// phone registers as if nothing had been.
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Actor } from '../sip-pair/dialogue.ts';
import { openPair, type Pair } from '../sip-pair/pair.ts';
import { contactOf, rewrittenOf, signIn } from '../sip-pair/sign-in.ts';
import { effort, patienceMs } from './effort.ts';
import { cut, cuts, nearly, turn } from './mutation.ts';

const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };
const SDP =
  'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';

function request(method: string, uri: string, extra: readonly string[], body = ''): string {
  const lines = [
    `${method} ${uri} SIP/2.0`,
    'Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bKfuzz;rport',
    'Max-Forwards: 70',
    'From: "Alice \\"A\\"" <sip:alice@example.com>;tag=f',
    'To: <sip:1002@cm1.example.com>',
    'Call-ID: fuzz@172.16.84.136',
    `CSeq: 7 ${method}`,
    ...extra,
    `Content-Length: ${body.length}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

const contact = `Contact: <${contactOf(alice)}>;+sip.instance="<urn:uuid:a>"`;
const sdp = 'Content-Type: application/sdp';
const fromClient = [
  request('REGISTER', 'sip:cm1.example.com', [contact, 'Expires: 3600', 'Supported: path,outbound']),
  request('INVITE', 'sip:1002@cm1.example.com', [contact, sdp, 'Allow: INVITE, ACK, BYE'], SDP),
  request('MESSAGE', 'sip:1002@cm1.example.com', ['Content-Type: text/plain'], 'hello'),
  request('SUBSCRIBE', 'sip:1002@cm1.example.com', [contact, 'Event: presence', 'Expires: 600']),
  request('OPTIONS', 'sip:edge.example.com', ['Accept: application/sdp']),
  request('CANCEL', 'sip:1002@cm1.example.com', []),
  request('ACK', 'sip:1002@cm1.example.com', []),
  '\r\n\r\n',
];
const fromInside = [
  request('INVITE', rewrittenOf(alice), ['Contact: <sip:1002@cm1.example.com:5060>', sdp], SDP),
  request('NOTIFY', rewrittenOf(alice), ['Event: presence', 'Subscription-State: active;expires=9']),
  request('OPTIONS', 'sip:10.15.20.10:5060', []),
  'SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 10.15.20.10:5060;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n',
];

let pair: Pair;
beforeEach(async () => {
  pair = await openPair();
});
afterEach(() => pair.close());

async function say(actor: Actor, text: string, places: readonly number[]): Promise<void> {
  for (const piece of cut(text, places)) {
    if (actor.isClosed) return;
    actor.send(piece);
    await turn();
  }
}

/** What reached a far end is whole, and a request has been through both of us. */
function expectWhole(messages: readonly string[]): void {
  for (const message of messages) {
    expect(message).toMatch(/^(?:[\w.!%*+`'~-]+ \S+ SIP\/2\.0|SIP\/2\.0 [1-6]\d\d .*)\r\n/);
    if (!message.startsWith('SIP/2.0')) expect(message.match(/^Via:/gim)?.length ?? 0).toBeGreaterThan(2);
  }
}

const settle = async (): Promise<void> => {
  for (let turns = 0; turns < 8; turns += 1) await turn();
};

let phones = 0;
/** A new phone registers over the node connection that core has, or a new one. */
async function expectServed(known: Actor): Promise<void> {
  phones += 1;
  const device = { user: 'bob', host: `10.1.1.1:${phones + 1024}`, instance: `<urn:uuid:b${phones}>` };
  const phone = pair.client('phone', '198.51.100.9', 20_000 + phones);
  await signIn(pair, phone, device, known.isClosed ? undefined : known);
  phone.close();
  await phone.closed;
}

test(
  'from strangers: only REGISTER reaches call control, and phones register',
  { timeout: patienceMs },
  async () => {
    const phone = pair.client();
    const node = await signIn(pair, phone, alice);
    await fc.assert(
      fc.asyncProperty(
        fc.array(nearly(fromClient), { minLength: 1, maxLength: 4 }),
        cuts,
        async (texts, places) => {
          const stranger = pair.client('stranger', '203.0.113.66');
          await say(stranger, texts.join(''), places);
          await settle();
          stranger.close();
          await stranger.closed;
          await settle();
          const reached = drain(node);
          expectWhole(reached);
          for (const message of reached) expect(message).toMatch(/^REGISTER /);
        },
      ),
      effort(200),
    );
    while (pair.edge.status().unproven > 0) await turn();
    expect(phone.isClosed).toBe(false);
    await expectServed(node);
  },
);

test(
  'from a registered client: call control sees whole messages that speak as her',
  { timeout: patienceMs },
  async () => {
    let node: Actor | undefined;
    await fc.assert(
      fc.asyncProperty(
        fc.array(nearly(fromClient), { minLength: 1, maxLength: 3 }),
        cuts,
        async (texts, places) => {
          const phone = pair.client();
          node = await signIn(pair, phone, alice, node?.isClosed === false ? node : undefined);
          await say(phone, texts.join(''), places);
          await settle();
          const reached = drain(node);
          expectWhole(reached);
          for (const message of reached) {
            if (/^(?:SIP\/2\.0|REGISTER|ACK|CANCEL) /.test(message)) continue;
            expect(message).toMatch(/^(?:From|f)[ \t]*:.*sips?:alice@example\.com/im);
          }
          phone.close();
          await phone.closed;
        },
      ),
      effort(120),
    );
    if (node !== undefined) await expectServed(node);
  },
);

test(
  'from call control: a client sees whole messages, and others register',
  { timeout: patienceMs },
  async () => {
    const phone = pair.client();
    let node = await signIn(pair, phone, alice);
    await fc.assert(
      fc.asyncProperty(
        fc.array(nearly(fromInside), { minLength: 1, maxLength: 3 }),
        cuts,
        async (texts, places) => {
          // broken framing ends the connection; the next REGISTER opens another
          if (node.isClosed) node = await signIn(pair, phone, alice);
          await say(node, texts.join(''), places);
          await settle();
          expectWhole(drain(phone));
          drain(node);
          expect(phone.isClosed).toBe(false);
        },
      ),
      effort(120),
    );
    await expectServed(node);
  },
);

/** Takes what has come so far. */
function drain(actor: Actor): string[] {
  return (actor.unread as string[]).splice(0);
}
