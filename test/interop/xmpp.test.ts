// Messaging through edge and core, as an operator starts them: clients of @xmpp/client outside, Prosody inside.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type XmppClient, client, xml, type XmlElement } from '@xmpp/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLabAuthority, type LabAuthority } from '../../lab/authority/authority.ts';
import { type Company, DOMAIN, EDGE_NAME, foundCompany } from '../e2e/company.ts';
import { canRun } from '../topology/requirements.ts';
import { until } from '../topology/until.ts';
import { startProsody } from './prosody.ts';

const BLOCK = 41;
const at = (last: number): string => `127.0.${BLOCK}.${last}`;
const DEAD_NODE = at(41);
const NODE = at(40);
const ACCOUNTS = { alice: 'alice-password', bob: 'bob-password' };

let company: Company;
let inside: LabAuthority;
const clients: XmppClient[] = [];

/** A client outside that signs in to the domain through edge. */
function person(
  username: keyof typeof ACCOUNTS,
  change: { password?: string; service?: string } = {},
): XmppClient {
  const xmpp = client({
    service: `xmpp://${at(10)}:5222`,
    domain: DOMAIN,
    username,
    password: ACCOUNTS[username],
    resource: 'desk',
    ...change,
  });
  xmpp.on('error', () => undefined);
  xmpp.reconnect.stop();
  clients.push(xmpp);
  return xmpp;
}

/** Resolves with the next stanza that fits. */
function heard(xmpp: XmppClient, fits: (stanza: XmlElement) => boolean): Promise<XmlElement> {
  return new Promise((resolve) => {
    const listener = (stanza: XmlElement): void => {
      if (!fits(stanza)) return;
      xmpp.off('stanza', listener);
      resolve(stanza);
    };
    xmpp.on('stanza', listener);
  });
}

const isChat = (stanza: XmlElement): boolean => stanza.is('message') && stanza.getChild('body') !== undefined;

describe.skipIf(!canRun('messaging (Prosody)', ['prosody', 'prosodyctl']))(
  'messaging through edge and core',
  () => {
    beforeAll(async () => {
      const outside = await createLabAuthority('Public messaging authority of a test', Date.now());
      inside = await createLabAuthority('Inside messaging authority of a test', Date.now());
      const door = await outside.issue([EDGE_NAME, DOMAIN]);
      const node = (address: string): object => ({ name: address, kind: 'im-presence', address });
      company = await foundCompany({
        block: BLOCK,
        edge: { certificate: { chain: 'file:door.pem', key: 'file:door.key' }, xmpp: { enabled: true } },
        core: {
          xmpp: { enabled: true, 'connect-timeout': '2 s' },
          'unified-cm': [
            {
              publisher: at(30),
              authority: 'file:all-inside.pem',
              'static-nodes': [node(DEAD_NODE), node(NODE)],
            },
          ],
        },
      });
      const write = (name: string, text: string): void =>
        writeFileSync(path.join(company.folder, name), text, { mode: 0o600 });
      write('door.pem', door.chain);
      write('door.key', door.key);
      write('all-inside.pem', inside.certificate);
      setDefaultCACertificates([...getCACertificates('default'), outside.certificate]);
      await startProsody(company.keeper, {
        folder: company.folder,
        address: NODE,
        domain: DOMAIN,
        certificate: await inside.issue([DOMAIN]),
        accounts: ACCOUNTS,
        modules: ['smacks'],
      });
      await company.start();
    });

    afterEach(async () => {
      for (const xmpp of clients.splice(0)) await xmpp.stop().catch(() => undefined);
    });

    afterAll(() => company?.close());

    it('signs in and binds a resource, past a node that is down', async () => {
      const alice = person('alice');
      expect((await alice.start()).toString()).toBe(`alice@${DOMAIN}/desk`);
      expect(await company.core.counted('signed-in')).toBe(1);
    });

    it('refuses a wrong password with the words of the RFC', async () => {
      const error = await person('alice', { password: 'wrong' })
        .start()
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      expect(error).toMatchObject({ condition: 'not-authorized' });
    });

    it('carries contact lists, presence both ways and chat', async () => {
      const [alice, bob] = [person('alice'), person('bob')];
      await alice.start();
      await bob.start();
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

    it('carries 1 MiB of stanzas whole and in order', async () => {
      const [alice, bob] = [person('alice'), person('bob')];
      await alice.start();
      await bob.start();
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
