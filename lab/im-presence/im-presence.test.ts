import { Element } from 'ltx';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLabAuthority, type LabAuthority } from '../authority/authority.ts';
import { type ChatClient, type ChatClientOptions, ChatError, connectChat } from '../client/chat-client.ts';
import { exampleEnterprise } from '../unified-cm/enterprise.ts';
import { type ImPresence, startImPresence } from './im-presence.ts';

const NAME = 'im1.example.com';
let authority: LabAuthority;
let node: ImPresence;
const open: ChatClient[] = [];

beforeAll(async () => {
  authority = await createLabAuthority('Authority of a test', Date.now());
  node = await startImPresence({
    enterprise: exampleEnterprise([]),
    address: '127.0.0.1',
    port: 0,
    soapPort: 0,
    userOfToken: (token) => (token === 'good.token' ? 'alice' : undefined),
    certificate: await authority.issue([NAME]),
  });
});

afterEach(() => open.splice(0).forEach((client) => client.close()));
afterAll(() => node.close());

async function person(
  user: string,
  password: string,
  change: Partial<ChatClientOptions> = {},
): Promise<ChatClient> {
  const client = await connectChat({
    host: '127.0.0.1',
    port: node.port,
    localAddress: '127.0.0.1',
    domain: 'example.com',
    serverName: NAME,
    authority: authority.certificate,
    user,
    password,
    timeoutMs: 4000,
    ...change,
  });
  open.push(client);
  return client;
}

const named = (name: string) => (element: Element) => element.name === name;

describe('the embedded IM and Presence', () => {
  it('lets two people see each other and chat', async () => {
    const [alice, bob] = [await person('alice', 'wonderland'), await person('bob', 'builder')];
    alice.send(new Element('presence'));
    bob.send(new Element('presence'));
    expect((await alice.next('presence', named('presence'))).attrs.from).toBe('bob@example.com/viaduct');
    expect((await bob.next('presence', named('presence'))).attrs.from).toBe('alice@example.com/viaduct');
    alice.send(new Element('message', { to: 'bob@example.com' }).c('body').t('hello').root());
    const message = await bob.next('message', named('message'));
    expect([message.attrs.from, message.getChildText('body')]).toEqual([
      'alice@example.com/viaduct',
      'hello',
    ]);
    alice.close();
    const gone = await bob.next('the end', ({ attrs }) => attrs.type === 'unavailable');
    expect(gone.attrs.from).toBe('alice@example.com/viaduct');
  });

  it('has the colleagues on the contact list', async () => {
    const alice = await person('alice', 'wonderland');
    const ask = new Element('iq', { type: 'get', id: 'r' });
    ask.c('query', { xmlns: 'jabber:iq:roster' });
    alice.send(ask);
    const list = await alice.next('a contact list', ({ attrs }) => attrs.id === 'r');
    const items = list
      .getChild('query')
      ?.getChildren('item')
      .map(({ attrs }) => String(attrs.jid));
    expect(items).toEqual(['bob@example.com']);
  });

  it.each([
    ['a wrong password', { password: 'wrong' }, 'not-authorized'],
    ['nobody', { user: 'eve' }, 'not-authorized'],
  ])('refuses %s', async (_name, change, condition) => {
    await expect(person('alice', 'wonderland', change)).rejects.toMatchObject({ condition });
  });

  it.each([
    ['OAUTHBEARER', 'n,,\u0001auth=Bearer good.token\u0001\u0001', undefined],
    ['OAUTHBEARER', 'n,a=bob@example.com,\u0001auth=Bearer good.token\u0001\u0001', 'not-authorized'],
    ['X-OAUTH2', '\0alice\0good.token', undefined],
    ['X-OAUTH2', '\0alice\0bad.token', 'not-authorized'],
    ['CISCO-VTG-TOKEN', 'userid=alice@example.com\0token=never-given', 'not-authorized'],
  ])('takes %s with %j: %s', async (mechanism, message, refused) => {
    const condition = await person('alice', '', { proof: { mechanism, message } }).then(
      () => undefined,
      (error: unknown) => (error instanceof ChatError ? error.condition : String(error)),
    );
    expect(condition).toBe(refused);
  });

  it('has rooms: who enters is seen, what one says all read, who goes is seen to go', async () => {
    const people = [await person('alice', 'wonderland'), await person('bob', 'builder')] as const;
    const room = 'tea@conference.example.com';
    for (const [at, one] of people.entries()) {
      one.send(new Element('presence', { to: `${room}/n${at}` }));
      await one.next('own entry', ({ attrs }) => attrs.from === `${room}/n${at}`);
    }
    await people[0].next('the other', ({ attrs }) => attrs.from === `${room}/n1`);
    people[0].send(new Element('message', { to: room, type: 'groupchat' }).c('body').t('tea').root());
    for (const one of people) {
      const read = await one.next('a word', named('message'));
      expect([read.attrs.from, read.getChildText('body')]).toEqual([`${room}/n0`, 'tea']);
    }
    people[1].close();
    await people[0].next('gone', ({ attrs }) => attrs.from === `${room}/n1` && attrs.type === 'unavailable');
  });

  it('is refused by a client when its certificate is of another authority or name', async () => {
    const stranger = await createLabAuthority('Another', Date.now());
    const wrong = [{ authority: stranger.certificate }, { serverName: 'im2.example.com' }];
    for (const change of wrong)
      await expect(person('alice', 'wonderland', change)).rejects.toThrow(/certificate|altnames/);
  });
});
