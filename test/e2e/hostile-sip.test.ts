// The SIP rows of docs/attacks.md through the real door, with real core and registrar behind it, while Alice is in a call.
// Broken bytes are answered or cut off, never passed on; memory held for them is given back.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Phone } from '../../lab/client/phone.ts';
import { until } from '../topology/until.ts';
import { type Company, foundCompany, smallHeaps } from './company.ts';
import { alicePhone, bobPhone, connect, hearBoth, signIn, type Talk, webClient } from './people.ts';
import { dialTcp, dialTls, type RawClient } from './raw-client.ts';

const SIPS = 5061;
const MIB = 1024 * 1024;
const MAX_GROWTH_MIB = 24;

let company: Company;
let alice: Phone;
let bob: Phone;
let talk: Talk;

beforeAll(async () => {
  company = await foundCompany({ block: 26, environment: smallHeaps });
  await company.start();
  bob = await bobPhone(company);
  const client = webClient(company);
  alice = await alicePhone(company, await signIn(client));
  client.close();
  await alice.register();
  talk = await connect(alice, bob, '1002');
});
afterAll(async () => {
  alice?.close();
  bob?.close();
  await company?.close();
});

/** Alice's call is heard both ways and her registration can be refreshed. */
async function expectAliceServed(): Promise<void> {
  await hearBoth(talk.caller, talk.callee);
  await alice.register();
}

const head = (method: string, uri = 'sip:1002@127.0.26.30'): string[] => [
  `${method} ${uri} SIP/2.0`,
  'Via: SIP/2.0/TLS 127.0.26.66:5070;branch=z9hG4bKx',
  'Max-Forwards: 70',
  'From: <sip:1001@127.0.26.30>;tag=x',
  'To: <sip:1002@127.0.26.30>',
  'Call-ID: x@stranger',
  `CSeq: 1 ${method}`,
];
const message = (lines: readonly string[], body = ''): string => `${lines.join('\r\n')}\r\n\r\n${body}`;
const empty = 'Content-Length: 0';
/** A MESSAGE with one line put in another's place, found by its first word. */
const changed = (line: string): string => {
  const name = line.split(/[ :]/)[0] ?? '';
  return message([...head('MESSAGE').map((one) => (one.startsWith(name) ? line : one)), empty]);
};

interface Row {
  readonly name: string;
  readonly bytes: string;
  /** Status of the answer; `cut` when the connection ends without one. */
  readonly outcome: number | 'cut';
}

const broken: readonly Row[] = [
  { name: 'no length on a stream', bytes: message(head('MESSAGE')), outcome: 400 },
  {
    name: 'two lengths that differ',
    bytes: message([...head('MESSAGE'), empty, 'l: 5'], 'abcde'),
    outcome: 'cut',
  },
  { name: 'a negative length', bytes: message([...head('MESSAGE'), 'Content-Length: -1']), outcome: 'cut' },
  {
    name: 'a signed length',
    bytes: message([...head('MESSAGE'), 'Content-Length: +1'], 'x'),
    outcome: 'cut',
  },
  {
    name: 'a length of 2^64',
    bytes: message([...head('MESSAGE'), 'Content-Length: 18446744073709551616']),
    outcome: 'cut',
  },
  {
    name: 'a body of 1 GiB',
    bytes: message([...head('MESSAGE'), 'Content-Length: 1073741824']),
    outcome: 513,
  },
  {
    name: 'a head of 40 KiB (T-051)',
    bytes: message([...head('MESSAGE'), `X: ${'x'.repeat(40_960)}`, empty]),
    outcome: 'cut',
  },
  {
    name: 'a From tag of 30 KiB (T-051)',
    bytes: changed(`From: <sip:1001@127.0.26.30>;tag=${'x'.repeat(30_000)}`),
    outcome: 400,
  },
  { name: 'CSeq beyond 31 bits (T-053)', bytes: changed('CSeq: 4294967296 MESSAGE'), outcome: 400 },
  { name: 'CSeq of another method', bytes: changed('CSeq: 1 INVITE'), outcome: 400 },
  { name: 'Max-Forwards that is no number', bytes: changed('Max-Forwards: many'), outcome: 400 },
  { name: 'no hops left (T-067)', bytes: changed('Max-Forwards: 0'), outcome: 483 },
  {
    name: 'a NUL in the request line',
    bytes: changed('MESSAGE sip:10\u0000@127.0.26.30 SIP/2.0'),
    outcome: 'cut',
  },
  { name: 'a version nobody speaks', bytes: changed('MESSAGE sip:1002@127.0.26.30 SIP/7.0'), outcome: 505 },
  { name: 'a URI without a host', bytes: changed('MESSAGE sip: SIP/2.0'), outcome: 400 },
  { name: 'a scheme nobody routes', bytes: changed('MESSAGE gopher://x SIP/2.0'), outcome: 416 },
  { name: 'HTTP', bytes: 'GET / HTTP/1.1\r\nHost: edge.example.com\r\n\r\n', outcome: 'cut' },
  {
    name: 'an answer to nobody, and a request behind it',
    bytes:
      message(['SIP/2.0 200 OK', ...head('MESSAGE').slice(1), empty]) +
      message([...head('OPTIONS', 'sip:edge.example.com'), empty]),
    outcome: 200,
  },
];

/** Sends and reads until the door answers or closes; then the client leaves. */
async function outcomeOf(bytes: string): Promise<number | 'cut'> {
  const client = await dialTls(company, SIPS);
  client.socket.write(bytes, 'latin1');
  const status = (): number => Number(/^SIP\/2\.0 ([2-6]\d\d) /m.exec(client.text())?.[1] ?? 0);
  await Promise.race([client.closed, client.until(/^SIP\/2\.0 [2-6]\d\d .*\r\n\r\n/ms).catch(() => '')]);
  client.socket.destroy();
  return status() === 0 ? 'cut' : status();
}

describe('a stranger', () => {
  test.each(broken)('sends $name', async ({ bytes, outcome }) => {
    const before = await company.core.counted('component="sip"', 'not-registered');
    expect(await outcomeOf(bytes)).toBe(outcome);
    expect(await company.core.counted('component="sip"', 'not-registered')).toBe(before);
  });

  test.each(['INVITE', 'MESSAGE', 'SUBSCRIBE', 'NOTIFY', 'REFER', 'PUBLISH', 'OPTIONS', 'BYE', 'X-NEW'])(
    'may not send %s, as whomever (T-054, T-055, T-061)',
    async (method) => {
      expect(await outcomeOf(message([...head(method), empty]))).toBe(403);
    },
  );

  test('registers as Alice without her password: the registrar decides, nothing is kept (T-060)', async () => {
    const contact = 'Contact: <sip:evil@127.0.26.66:5070;transport=tls>;expires=3600';
    const register = message([...head('REGISTER', 'sip:127.0.26.30'), contact, empty]).replace(
      '1002',
      '1001',
    );
    expect(await outcomeOf(register)).toBe(401);
    const ringing = alice.nextCall();
    const given = bob.callAndCancel('1001');
    expect((await ringing).from).toBe('1002');
    expect((await given).status).toBe(487);
  });
});

test('all of that left the call and the registration alone', () => expectAliceServed());

describe('floods (T-057, T-142)', { timeout: 180_000 }, () => {
  async function growth(burst: () => Promise<void>): Promise<number[]> {
    await burst();
    const before = [company.edge.residentBytes(), company.core.residentBytes()];
    await burst();
    return [company.edge, company.core].map((one, at) => (one.residentBytes() - (before[at] ?? 0)) / MIB);
  }

  /** Sends `count` messages no faster than the door lets one connection speak, or until it is cut off. */
  async function speak(client: RawClient, text: (n: number) => string, count: number): Promise<void> {
    for (let n = 0; n < count && !client.socket.destroyed; n += 1) {
      if (!client.socket.write(text(n))) {
        await Promise.race([client.closed, new Promise((go) => client.socket.once('drain', go))]);
      }
    }
    client.socket.end();
    await Promise.race([
      client.closed,
      until('what was sent is answered or cut', () => client.socket.destroyed, { deadlineMs: 20_000 }),
    ]);
  }

  test('20,000 messages from strangers: memory stays, Alice is served meanwhile', async () => {
    const text = (n: number): string =>
      message([...head('MESSAGE'), empty])
        .replaceAll('x@stranger', `${n}@stranger`)
        .replace('z9hG4bKx', `z9hG4bK${n}`);
    const grown = await growth(async () => {
      for (let connection = 0; connection < 50; connection += 1) {
        await speak(await dialTls(company, SIPS), text, 200);
        if (connection % 10 === 0) await expectAliceServed();
      }
    });
    for (const mebibytes of grown) expect(mebibytes).toBeLessThan(MAX_GROWTH_MIB);
  });

  test('4,000 connections of junk before and after the handshake: memory stays', async () => {
    const junk = Buffer.from(
      '\u0016\u0003\u0001\u0002\u0000INVITE sip:x SIP/2.0\r\n\r\n'.repeat(20),
      'latin1',
    );
    const grown = await growth(async () => {
      for (let round = 0; round < 20; round += 1) {
        await Promise.all(
          Array.from({ length: 100 }, async (_, n) => {
            const client = await (n < 90 ? dialTcp : dialTls)(company, SIPS);
            client.socket.end(junk);
            await client.closed;
          }),
        );
      }
      await expectAliceServed();
    });
    for (const mebibytes of grown) expect(mebibytes).toBeLessThan(MAX_GROWTH_MIB);
  });
});

test('the call that was there all the time ends as calls end', async () => {
  await talk.caller.hangUp();
  expect(await talk.callee.ended).toBe('there');
});
