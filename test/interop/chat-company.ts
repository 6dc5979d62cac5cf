// A company whose people chat: edge and core as an operator starts them, messaging switched on, a certificate that the
// clients trust, and an authority that certifies the messaging servers inside.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type XmppClient, client, type XmlElement } from '@xmpp/client';
import { createLabAuthority } from '../../lab/authority/authority.ts';
import { type Company, DOMAIN, EDGE_NAME, foundCompany } from '../e2e/company.ts';
import { until } from '../topology/until.ts';
import type { ChatServerOptions } from './chat-server.ts';

export interface ChatCompanyOptions {
  readonly block: number;
  /** Addresses of the messaging servers, in the order in which core knows them. */
  readonly nodes: readonly string[];
  readonly accounts: Readonly<Record<string, string>>;
  /** Settings of the messaging sections beside `enabled`. */
  readonly edgeXmpp?: object;
  readonly coreXmpp?: object;
}

export interface ChatCompany {
  readonly company: Company;
  /** What a messaging server at an address is to be started with. */
  server(address: string): ChatServerOptions;
  /** File with the PEM that outside clients trust. */
  readonly authorityFile: string;
  /** A client outside; `change` may send it elsewhere. */
  person(user: string, change?: Partial<Parameters<typeof client>[0]>): XmppClient;
  /** Every client that `person` made goes away. */
  everybodyLeaves(): Promise<void>;
}

/** Everything but the servers inside, and nothing started yet. */
export async function foundChatCompany(options: ChatCompanyOptions): Promise<ChatCompany> {
  const { accounts, block, nodes } = options;
  const [outside, inside] = await Promise.all([
    createLabAuthority(`Public messaging authority ${block} of a test`, Date.now()),
    createLabAuthority(`Inside messaging authority ${block} of a test`, Date.now()),
  ]);
  const door = await outside.issue([EDGE_NAME, DOMAIN, `127.0.${block}.10`]);
  const certificate = await inside.issue([DOMAIN, `conference.${DOMAIN}`]);
  const company = await foundCompany({
    block,
    edge: {
      certificate: { chain: 'file:door.pem', key: 'file:door.key' },
      xmpp: { enabled: true, ...options.edgeXmpp },
    },
    core: {
      xmpp: { enabled: true, 'connect-timeout': '2 s', ...options.coreXmpp },
      'unified-cm': [
        {
          publisher: `127.0.${block}.30`,
          authority: 'file:all-inside.pem',
          'static-nodes': nodes.map((address) => ({ name: address, kind: 'im-presence', address })),
        },
      ],
    },
  });
  const write = (name: string, text: string): string => {
    const file = path.join(company.folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  write('door.pem', door.chain);
  write('door.key', door.key);
  write('all-inside.pem', inside.certificate);
  setDefaultCACertificates([...getCACertificates('default'), outside.certificate, inside.certificate]);
  const clients: XmppClient[] = [];
  return {
    company,
    server: (address) => ({ folder: company.folder, address, domain: DOMAIN, certificate, accounts }),
    authorityFile: write('outside.pem', outside.certificate),
    person(user, change) {
      const xmpp = client({
        service: `xmpp://${company.at.edge}:5222`,
        domain: DOMAIN,
        username: user,
        password: accounts[user] ?? '',
        resource: 'desk',
        ...change,
      });
      xmpp.on('error', () => undefined);
      xmpp.reconnect.stop();
      clients.push(xmpp);
      return xmpp;
    },
    async everybodyLeaves() {
      for (const xmpp of clients.splice(0)) await xmpp.stop().catch(() => undefined);
    },
  };
}

/**
 * Signs in and waits for stream management: @xmpp/client counts a stanza wrongly that arrives together with `<enabled/>`,
 * and Prosody ends such a session.
 */
export async function signIn(...people: readonly XmppClient[]): Promise<void> {
  for (const xmpp of people) {
    await xmpp.start();
    await until('stream management is on', () => xmpp.streamManagement.enabled);
  }
}

/** Resolves with the next stanza that fits. */
export function heard(xmpp: XmppClient, fits: (stanza: XmlElement) => boolean): Promise<XmlElement> {
  return new Promise((resolve) => {
    const listener = (stanza: XmlElement): void => {
      if (!fits(stanza)) return;
      xmpp.off('stanza', listener);
      resolve(stanza);
    };
    xmpp.on('stanza', listener);
  });
}

/** Why it did not come about; undefined when it did. */
export function failureOf(attempt: Promise<unknown>): Promise<unknown> {
  return attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

export function isChat(stanza: XmlElement): boolean {
  return stanza.is('message') && stanza.getChild('body') !== undefined;
}
