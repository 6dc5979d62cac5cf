// The same conversation through edge and core with each messaging server that may stand inside, and with two clients that
// nobody here wrote: @xmpp/client in this process, Profanity in a terminal.
import { xml } from '@xmpp/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DOMAIN } from '../e2e/company.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { until } from '../topology/until.ts';
import { type ChatCompany, failureOf, foundChatCompany, heard, isChat, signIn } from './chat-company.ts';
import type { ChatServerOptions } from './chat-server.ts';
import { startEjabberd } from './ejabberd.ts';
import { type Profanity, startProfanity } from './profanity.ts';
import { startProsody } from './prosody.ts';

const ACCOUNTS = { alice: 'alice-password', bob: 'bob-password', carol: 'carol-password' };
const ROOM = `lunch@conference.${DOMAIN}`;
const NS_MUC = 'http://jabber.org/protocol/muc';
const address = (user: string, resource = ''): string => `${user}@${DOMAIN}${resource}`;

interface ServerKind {
  readonly name: string;
  readonly block: number;
  readonly programs: readonly string[];
  readonly start: (keeper: ProcessKeeper, options: ChatServerOptions) => Promise<StartedProcess>;
}

const servers: readonly ServerKind[] = [
  {
    name: 'Prosody',
    block: 45,
    programs: ['prosody', 'prosodyctl'],
    start: (keeper, options) =>
      startProsody(keeper, { ...options, modules: ['smacks', 'carbons', 'offline'], hasRooms: true }),
  },
  { name: 'ejabberd', block: 46, programs: ['erl', 'ejabberdctl'], start: startEjabberd },
];

for (const { name, block, programs, start } of servers) {
  const isRunnable = canRun(`messaging (${name})`, [...programs, 'profanity', 'tmux']);
  describe.skipIf(!isRunnable)(`messaging with ${name} inside`, { timeout: 60_000 }, () => {
    let chat: ChatCompany;
    let terminal: Profanity;
    const node = `127.0.${block}.40`;

    beforeAll(async () => {
      chat = await foundChatCompany({ block, nodes: [node], accounts: ACCOUNTS });
      await start(chat.company.keeper, chat.server(node));
      await chat.company.start();
      terminal = await startProfanity(chat.company.keeper, {
        folder: chat.company.folder,
        jid: address('carol'),
        password: ACCOUNTS.carol,
        host: chat.company.at.edge,
        port: 5222,
        authorityFile: chat.authorityFile,
      });
    });

    afterEach(() => chat.everybodyLeaves());
    afterAll(() => chat?.company.close());

    it('signs in with what the server offers, and refuses a wrong password', async () => {
      const alice = chat.person('alice');
      expect((await alice.start()).toString()).toBe(address('alice', '/desk'));
      const error = await failureOf(chat.person('alice', { password: 'wrong' }).start());
      expect(error).toMatchObject({ condition: 'not-authorized' });
    });

    it('carries contact lists, presence both ways and chat', async () => {
      const [alice, bob] = [chat.person('alice'), chat.person('bob')];
      await signIn(alice, bob);
      const asked = heard(bob, ({ attrs }) => attrs['type'] === 'subscribe');
      await bob.send(xml('presence'));
      await alice.send(xml('presence'));
      await alice.send(xml('presence', { to: address('bob'), type: 'subscribe' }));
      await asked;
      const online = heard(alice, ({ attrs }) => attrs['from'] === address('bob', '/desk'));
      await bob.send(xml('presence', { to: address('alice'), type: 'subscribed' }));
      await online;
      const away = heard(alice, (stanza) => stanza.getChildText('show') === 'away');
      await bob.send(xml('presence', {}, xml('show', {}, 'away')));
      await away;
      const roster = await alice.iqCaller.request(
        xml('iq', { type: 'get' }, xml('query', { xmlns: 'jabber:iq:roster' })),
      );
      const items = roster.getChild('query')?.getChildren('item') ?? [];
      expect(items.map(({ attrs }) => attrs['jid'])).toContain(address('bob'));
      const said = heard(bob, isChat);
      const words = `"a" < 'b' & ]]> é 😀`;
      await alice.send(xml('message', { to: address('bob', '/desk'), type: 'chat' }, xml('body', {}, words)));
      expect((await said).getChildText('body')).toBe(words);
    });

    it('carries a room: who is in it, and what each says to all', async () => {
      const [alice, bob] = [chat.person('alice'), chat.person('bob')];
      await signIn(alice, bob);
      const enter = (nick: string) => xml('presence', { to: `${ROOM}/${nick}` }, xml('x', { xmlns: NS_MUC }));
      const isIn = heard(alice, ({ attrs }) => attrs['from'] === `${ROOM}/Alice`);
      await alice.send(enter('Alice'));
      await isIn;
      const form = xml('x', { xmlns: 'jabber:x:data', type: 'submit' });
      const query = xml('query', { xmlns: `${NS_MUC}#owner` }, form);
      await alice.iqCaller.request(xml('iq', { type: 'set', to: ROOM }, query));
      const [seesBob, seesAlice] = [
        heard(alice, ({ attrs }) => attrs['from'] === `${ROOM}/Bob`),
        heard(bob, ({ attrs }) => attrs['from'] === `${ROOM}/Alice`),
      ];
      await bob.send(enter('Bob'));
      await Promise.all([seesBob, seesAlice]);
      const both = [alice, bob].map((xmpp) => heard(xmpp, isChat));
      await bob.send(xml('message', { to: ROOM, type: 'groupchat' }, xml('body', {}, 'Lunch at noon?')));
      for (const message of await Promise.all(both))
        expect([message.attrs['from'], message.getChildText('body')]).toEqual([
          `${ROOM}/Bob`,
          'Lunch at noon?',
        ]);
    });

    it('carries every device of a user, and keeps words for one who is away', async () => {
      const [desk, mobile] = [chat.person('alice'), chat.person('alice', { resource: 'mobile' })];
      const bob = chat.person('bob');
      await signIn(desk, mobile, bob);
      for (const device of [desk, mobile]) {
        await device.send(xml('presence'));
        await device.iqCaller.request(
          xml('iq', { type: 'set' }, xml('enable', { xmlns: 'urn:xmpp:carbons:2' })),
        );
      }
      const copy = heard(mobile, (stanza) => stanza.getChild('received', 'urn:xmpp:carbons:2') !== undefined);
      const first = heard(desk, isChat);
      const say = (words: string) =>
        bob.send(xml('message', { to: address('alice', '/desk'), type: 'chat' }, xml('body', {}, words)));
      await say('on all devices');
      await Promise.all([first, copy]);
      await Promise.all([desk.stop(), mobile.stop()]);
      await bob.send(xml('message', { to: address('alice'), type: 'chat' }, xml('body', {}, 'for later')));
      const again = chat.person('alice');
      const kept = heard(again, (stanza) => stanza.getChildText('body') === 'for later');
      await signIn(again);
      await again.send(xml('presence'));
      expect((await kept).attrs['from']).toBe(address('bob', '/desk'));
    });

    it('refuses files from client to client, and goes on counting stanzas right (XEP-0198)', async () => {
      const [alice, bob] = [chat.person('alice'), chat.person('bob')];
      await signIn(alice, bob);
      const offer = xml('si', { xmlns: 'http://jabber.org/protocol/si', id: 'f' });
      const answer = heard(alice, ({ attrs }) => attrs['id'] === 'offer');
      await alice.send(xml('iq', { type: 'set', id: 'offer', to: address('bob', '/desk') }, offer));
      const refused = await answer;
      expect([refused.attrs['type'], refused.attrs['from']]).toEqual(['error', address('bob', '/desk')]);
      expect(refused.getChild('error')?.getChild('not-acceptable')).toBeDefined();
      const said = heard(bob, isChat);
      await alice.send(
        xml('message', { to: address('bob', '/desk'), type: 'chat' }, xml('body', {}, 'still here')),
      );
      await said;
      const counted = heard(alice, ({ name: kind }) => kind === 'iq');
      await alice.send(
        xml('iq', { type: 'get', id: 'p', to: DOMAIN }, xml('ping', { xmlns: 'urn:xmpp:ping' })),
      );
      await counted;
    });

    it('says conflict when the same device signs in a second time', async () => {
      const first = chat.person('alice');
      const errors: string[] = [];
      first.on('error', (error) => errors.push((error as Error & { condition?: string }).condition ?? ''));
      await first.start();
      const over = new Promise<void>((resolve) => first.on('disconnect', resolve));
      await chat.person('alice').start();
      await over;
      expect(errors).toContain('conflict');
    });

    it('shows Profanity who is there, and brings words to it and from it', async () => {
      await terminal.shows(/carol@example\.com\/terminal logged in successfully/);
      const alice = chat.person('alice');
      await signIn(alice);
      const asked = heard(alice, ({ attrs }) => attrs['type'] === 'subscribe');
      await alice.send(xml('presence'));
      terminal.type(`/sub request ${address('alice')}`);
      await asked;
      await alice.send(xml('presence', { to: address('carol'), type: 'subscribed' }));
      await terminal.shows(/Available for chat|alice/);
      await alice.send(xml('presence', {}, xml('show', {}, 'dnd'), xml('status', {}, 'deep in thought')));
      await terminal.shows(/deep in thought/);
      const said = heard(alice, isChat);
      terminal.type(`/msg ${address('alice')} Hello <from> a & terminal, é`);
      expect((await said).getChildText('body')).toBe('Hello <from> a & terminal, é');
      await alice.send(
        xml(
          'message',
          { to: address('carol', '/terminal'), type: 'chat' },
          xml('body', {}, 'Read & <understood>'),
        ),
      );
      await terminal.shows(/Read & <understood>/);
    });

    it('takes Profanity into a room', async () => {
      const alice = chat.person('alice');
      await signIn(alice);
      const room = `tea@conference.${DOMAIN}`;
      terminal.type(`/join ${room} nick Carol`);
      await terminal.shows(/You have joined the room as Carol/);
      terminal.type('/room accept');
      let isIn = false;
      alice.on('stanza', ({ attrs }) => {
        isIn ||= attrs['from'] === `${room}/Carol` && attrs['type'] === undefined;
      });
      const enter = async (): Promise<boolean> => {
        await alice.send(xml('presence', { to: `${room}/Alice` }, xml('x', { xmlns: NS_MUC })));
        return isIn;
      };
      await until('the room is open to others', enter, { everyMs: 200 });
      await terminal.shows(/Alice/);
      const said = heard(alice, isChat);
      terminal.type('Tea is ready');
      expect((await said).getChildText('body')).toBe('Tea is ready');
      await alice.send(xml('message', { to: room, type: 'groupchat' }, xml('body', {}, 'On my way')));
      await terminal.shows(/Alice: On my way/);
    });
  });
}
