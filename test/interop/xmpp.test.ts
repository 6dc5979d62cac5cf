// Messaging through edge and core, as an operator starts them: clients of @xmpp/client outside, Prosody inside.
import { request } from 'node:https';
import { type XmppClient, xml } from '@xmpp/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Company, DOMAIN } from '../e2e/company.ts';
import type { StartedProcess } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { until } from '../topology/until.ts';
import { type ChatCompany, failureOf, foundChatCompany, heard, isChat, signIn } from './chat-company.ts';
import { startProsody } from './prosody.ts';

const BLOCK = 41;
const at = (last: number): string => `127.0.${BLOCK}.${last}`;
const DEAD_NODE = at(41);
const NODE = at(40);
const ACCOUNTS = { alice: 'alice-password', bob: 'bob-password' };

let chat: ChatCompany;
let company: Company;
let prosody: StartedProcess;
let startServer: () => Promise<StartedProcess>;

/** A client outside that signs in to the domain through edge. */
function person(
  username: keyof typeof ACCOUNTS,
  change: { password?: string; service?: string } = {},
): XmppClient {
  return chat.person(username, change);
}

function signedInAt(status: Record<string, unknown>): number {
  return (status['xmpp'] as { signedIn: number }).signedIn;
}

describe.skipIf(!canRun('messaging (Prosody)', ['prosody', 'prosodyctl']))(
  'messaging through edge and core',
  { timeout: 60_000 },
  () => {
    beforeAll(async () => {
      chat = await foundChatCompany({
        block: BLOCK,
        nodes: [DEAD_NODE, NODE],
        accounts: ACCOUNTS,
        edgeXmpp: { websocket: { enabled: true, origins: ['https://chat.example.com'] } },
      });
      company = chat.company;
      startServer = () => startProsody(company.keeper, { ...chat.server(NODE), modules: ['smacks'] });
      prosody = await startServer();
      await company.start();
    });

    afterEach(() => chat.everybodyLeaves());

    afterAll(() => company?.close());

    it('signs in and binds a resource, past a node that is down', async () => {
      const alice = person('alice');
      expect((await alice.start()).toString()).toBe(`alice@${DOMAIN}/desk`);
      expect(await company.core.counted('signed-in')).toBe(1);
    });

    it('refuses a wrong password with the words of the RFC', async () => {
      const error = await failureOf(person('alice', { password: 'wrong' }).start());
      expect(error).toMatchObject({ condition: 'not-authorized' });
    });

    it('carries contact lists, presence both ways and chat', async () => {
      const [alice, bob] = [person('alice'), person('bob')];
      await signIn(alice, bob);
      const asked = heard(bob, (stanza) => stanza.is('presence') && stanza.attrs['type'] === 'subscribe');
      await bob.send(xml('presence'));
      await alice.send(xml('presence'));
      await alice.send(xml('presence', { to: `bob@${DOMAIN}`, type: 'subscribe' }));
      await asked;
      const online = heard(
        alice,
        (stanza) => stanza.is('presence') && stanza.attrs['from'] === `bob@${DOMAIN}/desk`,
      );
      await bob.send(xml('presence', { to: `alice@${DOMAIN}`, type: 'subscribed' }));
      await online;
      const away = heard(alice, (stanza) => stanza.getChildText('show') === 'away');
      await bob.send(xml('presence', {}, xml('show', {}, 'away')));
      await away;
      const roster = await alice.iqCaller.request(
        xml('iq', { type: 'get' }, xml('query', { xmlns: 'jabber:iq:roster' })),
      );
      const items = roster.getChild('query')?.getChildren('item') ?? [];
      expect(items.map(({ attrs }) => attrs['jid'])).toContain(`bob@${DOMAIN}`);
      const said = heard(bob, isChat);
      await alice.send(
        xml('message', { to: `bob@${DOMAIN}/desk`, type: 'chat' }, xml('body', {}, `"a" < 'b' & ]]> é 😀`)),
      );
      expect((await said).getChildText('body')).toBe(`"a" < 'b' & ]]> é 😀`);
    });

    it('takes a client that speaks WebSocket (RFC 7395), and lets it talk with one that does not', async () => {
      const alice = person('alice', { service: `wss://${at(10)}:8443/xmpp-websocket` });
      const bob = person('bob');
      await signIn(bob);
      await alice.start();
      await Promise.all([alice.send(xml('presence')), bob.send(xml('presence'))]);
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        const said = heard(to, isChat);
        const address = `${to === bob ? 'bob' : 'alice'}@${DOMAIN}/desk`;
        await from.send(xml('message', { to: address, type: 'chat' }, xml('body', {}, 'é < 😀')));
        expect((await said).getChildText('body')).toBe('é < 😀');
      }
      const wrong = person('alice', { service: `wss://${at(10)}:8443/xmpp-websocket`, password: 'wrong' });
      expect(await failureOf(wrong.start())).toMatchObject({ condition: 'not-authorized' });
      await alice.stop();
    });

    it.each([
      ['a page of another site', 'https://evil.example.net', 'xmpp', 403],
      ['a page of ours', 'https://chat.example.com', 'xmpp', 101],
      ['no page at all', undefined, 'xmpp', 101],
      ['another protocol', undefined, 'chat', 400],
    ])('answers %s at the WebSocket door', async (_name, origin, protocol, status) => {
      const asked = request({
        host: at(10),
        port: 8443,
        path: '/xmpp-websocket',
        headers: {
          Connection: 'Upgrade',
          Upgrade: 'websocket',
          'Sec-WebSocket-Version': '13',
          'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
          'Sec-WebSocket-Protocol': protocol,
          ...(origin === undefined ? {} : { Origin: origin }),
        },
      });
      const answered = new Promise<number | undefined>((resolve) => {
        asked.on('upgrade', ({ statusCode }, socket) => {
          socket.destroy();
          resolve(statusCode);
        });
        asked.on('response', ({ statusCode }) => resolve(statusCode));
      });
      asked.end();
      expect(await answered).toBe(status);
    });

    it('carries 1 MiB of stanzas whole and in order', async () => {
      const [alice, bob] = [person('alice'), person('bob')];
      await signIn(alice, bob);
      await bob.send(xml('presence'));
      const total = 1024;
      const seen: string[] = [];
      const all = heard(bob, (stanza) => isChat(stanza) && seen.push(stanza.attrs['id'] ?? '') === total);
      const body = 'é'.repeat(512);
      const sent = Array.from({ length: total }, (_, n) => `m${n}`);
      for (const id of sent)
        await alice.send(
          xml('message', { to: `bob@${DOMAIN}/desk`, type: 'chat', id }, xml('body', {}, body)),
        );
      await all;
      expect(seen).toEqual(sent);
    });

    it('resumes a session whose connection was cut, and what was said meanwhile arrives once (XEP-0198)', async () => {
      const [alice, bob] = [person('alice'), person('bob', { service: `xmpp://${NODE}:5222` })];
      await signIn(alice, bob);
      await alice.send(xml('presence'));
      const seen: string[] = [];
      alice.on('stanza', (stanza) => isChat(stanza) && seen.push(stanza.attrs['id'] ?? ''));
      const resumed = new Promise<void>((resolve) => alice.streamManagement.on('resumed', resolve));
      alice.reconnect.delay = 300;
      alice.reconnect.start();
      alice.socket?.socket?.destroy();
      await until('edge has noticed', async () => signedInAt(await company.edge.status()) === 0);
      const say = (id: string): Promise<void> =>
        bob.send(xml('message', { to: `alice@${DOMAIN}/desk`, type: 'chat', id }, xml('body', {}, id)));
      await say('while-away');
      await resumed;
      await say('after');
      await until('both have arrived', () => seen.includes('after'));
      expect(seen).toEqual(['while-away', 'after']);
      alice.reconnect.stop();
    });

    it('says aloud that the server has gone, and lets people in when it is back', async () => {
      const alice = person('alice');
      const errors: string[] = [];
      alice.on('error', (error) => errors.push((error as Error & { condition?: string }).condition ?? ''));
      await alice.start();
      const over = new Promise<void>((resolve) => alice.on('disconnect', resolve));
      await prosody.stop('SIGKILL');
      await over;
      expect(errors).toContain('remote-connection-failed');
      const refused = await failureOf(person('alice').start());
      expect(refused).toMatchObject({ condition: 'remote-connection-failed' });
      prosody = await startServer();
      await person('alice').start();
    });

    it('leaves nothing behind when everybody has gone', async () => {
      await until('no session is left', async () => {
        const [edge, core] = [await company.edge.status(), await company.core.status()];
        return signedInAt(edge) === 0 && (core['xmpp'] as { sessions: number }).sessions === 0;
      });
    });

    it('tells clients loudly when core dies, and lets them in again when it is back', async () => {
      const alice = person('alice');
      await alice.start();
      const over = new Promise<void>((resolve) => alice.on('disconnect', resolve));
      await company.core.kill();
      await over;
      await company.core.start();
      await until(
        'both linked again',
        async () => (await company.edge.isLinked()) && company.core.isLinked(),
      );
      await person('alice').start();
    });
  },
);
