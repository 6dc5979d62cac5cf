// Two cores of one zone, which share no registrations: clients of different cores reach each other through call control,
// and those of a core that stays away are at home at the other soon (T-068).
import { afterEach, describe, expect, test } from 'vitest';
import { play, type Actor } from './dialogue.ts';
import { openPair, type Pair } from './pair.ts';
import { contactOf, rewrittenOf, signIn } from './sign-in.ts';

let pair: Pair;
afterEach(() => pair.close());
const alice = { user: 'alice', host: '172.16.84.136:58980', instance: '<urn:uuid:a>' };
const bob = { user: 'bob', host: '192.168.7.7:5061', instance: '<urn:uuid:b>' };

interface Both {
  readonly phone: Actor;
  readonly other: Actor;
  /** The registrar's ends: alice registered over the first core, bob over the second. */
  readonly first: Actor;
  readonly second: Actor;
}

async function both(options: Parameters<typeof openPair>[0] = {}): Promise<Both> {
  pair = await openPair({ cores: ['core1', 'core2'], ...options });
  const phone = pair.client();
  const first = await signIn(pair, phone, alice);
  const other = pair.client('other', '203.0.113.5');
  const second = await signIn(pair, other, bob);
  const registered = ['core1', 'core2'].map((name) => pair.cores.get(name)?.status().registrations);
  expect(registered).toEqual([1, 1]);
  return { phone, other, first, second };
}

/** Bob writes to alice: out by the second core, in by the one where she is registered. */
async function reaches({ other, second }: Both, home: Actor, phone: Actor, branch: string): Promise<void> {
  await play(
    `
    other sends:
      MESSAGE sip:alice@example.com SIP/2.0
      Via: SIP/2.0/TLS 10.0.0.1:5061;branch=z9hG4bK${branch}
      From: <sip:bob@example.com>;tag=m
      To: <sip:alice@example.com>
      Call-ID: ${branch}
      CSeq: 1 MESSAGE
    second receives:
      MESSAGE sip:alice@example.com SIP/2.0
      ...
    home sends:
      MESSAGE ${rewrittenOf(alice)} SIP/2.0
      Via: SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bKon${branch}
      From: <sip:bob@example.com>;tag=m
      To: <sip:alice@example.com>
      Call-ID: ${branch}
      CSeq: 1 MESSAGE
    phone receives:
      MESSAGE ${contactOf(alice)} SIP/2.0
      ...
    `,
    { other, second, home, phone },
  );
}

const away = (): boolean => pair.edge.status().cores.join() === 'core2';

describe('two cores', () => {
  test('a client of one reaches a client of the other', async () => {
    const all = await both();
    await reaches(all, all.first, all.phone, 'm1');
  });

  test('one stays away: its clients are let go, come back to the other, and are reached there', async () => {
    const all = await both({ edge: { rehomeAfterMs: 1 } });
    pair.link('core1').cut();
    await until(away);
    await until(() => {
      pair.edge.sweep();
      return all.phone.isClosed;
    });
    expect([pair.edge.status().connections, pair.counts.get('connection-ended re-homed')]).toEqual([1, 1]);
    expect(all.other.isClosed).toBe(false);
    const back = pair.client();
    await signIn(pair, back, alice, all.second);
    await reaches(all, all.second, back, 'm2');
  });

  test('one is back in time: nobody notices', async () => {
    const all = await both({ edge: { rehomeAfterMs: 60_000 } });
    pair.link('core1').cut();
    await until(away);
    pair.link('core1');
    await until(() => pair.edge.status().cores.length === 2);
    pair.edge.sweep();
    expect([all.phone.isClosed, all.other.isClosed]).toEqual([false, false]);
    await reaches(all, all.first, all.phone, 'm3');
  });

  test('both away: clients stay, as nobody else could take them', async () => {
    const all = await both({ edge: { rehomeAfterMs: 1 } });
    pair.link('core1').cut();
    pair.link('core2').cut();
    await until(() => pair.edge.status().cores.length === 0);
    for (let second = 0; second < 3; second++) pair.edge.sweep();
    await new Promise((resolve) => setImmediate(resolve));
    expect([all.phone.isClosed, all.other.isClosed]).toEqual([false, false]);
  });
});

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 5000 }).toBe(true);
}
