// Federation across the whole topology, with servers nobody here wrote: a partner on the internet, edge in the DMZ, core and our
// messaging server inside. The partner is reached by what DNS says outside; our server finds it, by DNS inside, at core.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { TestAuthority } from '../interop/certificates.ts';
import { startDnsmasq } from '../interop/dnsmasq.ts';
import {
  type FederatingServer,
  startFederatingEjabberd,
  startFederatingProsody,
} from '../interop/federating-servers.ts';
import { ADDRESS, CORE_NAME, DOMAIN, EDGE_NAME, UCM_NAME } from './addresses.ts';
import { buildGround, type Ground } from './enterprise.ts';
import { readInner } from './firewalls.ts';
import type { Namespace } from './network.ts';
import { ProcessKeeper, type StartedProcess } from './process-keeper.ts';
import { canRun } from './requirements.ts';
import { makeRunFolder, type RunFolder } from './run-folder.ts';
import { linksUp } from './stage.ts';
import { until } from './until.ts';
import { ViaductProcess, writePairFiles } from './viaduct.ts';

const PARTNER = 'partner.test';
const PARTNER_HOST = `chat.${PARTNER}`;
const ROOM = 'conference';
const PERSON = fileURLToPath(new URL('../interop/chat-person.ts', import.meta.url));
const start = { prosody: startFederatingProsody, ejabberd: startFederatingEjabberd };

type Kind = keyof typeof start;

interface World {
  readonly ground: Ground;
  readonly keeper: ProcessKeeper;
  readonly folder: RunFolder;
  readonly edge: ViaductProcess;
  readonly core: ViaductProcess;
  readonly startPartner: () => Promise<StartedProcess>;
  partner: StartedProcess;
  /** Alice is ours, bob the partner's. */
  alice: StartedProcess;
  bob: StartedProcess;
  readonly signIn: (who: 'alice' | 'bob') => Promise<StartedProcess>;
}

/** Edge may speak to servers and to the name server outside. */
function openOuter(at: Namespace): void {
  at.feed(
    `add rule ip outer through iifname "wan" tcp dport 5269 accept
    add rule ip outer through iifname "dmz" ip saddr ${ADDRESS.edgeExternal} tcp dport { 5269, 5270 } accept
    add rule ip outer through iifname "dmz" ip saddr ${ADDRESS.edgeExternal} udp dport 53 accept\n`,
    'nft',
    '-f',
    '-',
  );
}

/** Lays settings over a file that `writePairFiles` wrote. */
function change(file: string, settings: object): void {
  writeFileSync(file, stringify({ ...(parse(readFileSync(file, 'utf8')) as object), ...settings }));
}

async function buildWorld(label: string, ours: Kind, theirs: Kind, dialback: string): Promise<World> {
  const folder = makeRunFolder(label);
  const keeper = new ProcessKeeper(folder.path);
  const ground = buildGround(label);
  openOuter(ground.outer);
  ground.internet.names({ nameserver: ADDRESS.internetNearClients });
  ground.ucm.names({ nameserver: ADDRESS.ucm });
  const outside = new TestAuthority(folder.path, 'public');
  const inside = new TestAuthority(folder.path, 'inside');
  const door = outside.issue([EDGE_NAME, DOMAIN, `${ROOM}.${DOMAIN}`]);
  const shown = inside.issue([CORE_NAME]);
  const files = await writePairFiles(keeper, folder.path, {
    edge: door,
    insideAuthority: inside.certificate,
  });
  change(files.edge, {
    xmpp: {
      enabled: true,
      federation: {
        enabled: true,
        authorities: `file:${outside.certificate}`,
        'dns-servers': [ADDRESS.internetNearClients],
        'allow-targets': ['198.18.0.0/15'],
      },
    },
  });
  change(files.core, {
    'unified-cm': [
      {
        publisher: UCM_NAME,
        authority: `file:${inside.certificate}`,
        'static-nodes': [{ name: UCM_NAME, kind: 'im-presence', address: ADDRESS.ucm }],
      },
    ],
    xmpp: {
      enabled: true,
      federation: {
        enabled: true,
        domains: [DOMAIN, `${ROOM}.${DOMAIN}`],
        partners: [{ name: PARTNER, subdomains: true, dialback }],
        certificate: { chain: `file:${shown.chain}`, key: `file:${shown.key}` },
        'retry-first': '1 s',
        'retry-most': '2 s',
      },
    },
  });
  // Prosody as the partner is found, and finds us, with TLS from the first byte (XEP-0368).
  const isDirect = theirs === 'prosody';
  const service = (isTls: boolean, domain: string, target: string, port: number) =>
    [domain, `${ROOM}.${domain}`].map((name) => [
      `_xmpp${isTls ? 's' : ''}-server._tcp.${name}`,
      { target, port },
    ]);
  await Promise.all([
    startDnsmasq(keeper, {
      name: 'outside',
      at: ground.internet,
      address: ADDRESS.internetNearClients,
      hosts: { [EDGE_NAME]: ADDRESS.edgePublic, [PARTNER_HOST]: ADDRESS.internetNearClients },
      services: Object.fromEntries([
        ...service(isDirect, DOMAIN, EDGE_NAME, 5269),
        ...service(isDirect, PARTNER, PARTNER_HOST, isDirect ? 5270 : 5269),
      ]),
    }),
    startDnsmasq(keeper, {
      name: 'inside',
      at: ground.ucm,
      address: ADDRESS.ucm,
      hosts: {
        [UCM_NAME]: ADDRESS.ucm,
        [CORE_NAME]: ADDRESS.core,
        [EDGE_NAME]: ADDRESS.edgeInternal,
      },
      services: Object.fromEntries(service(false, PARTNER, CORE_NAME, 5269)),
    }),
  ]);
  const ourServer: FederatingServer = {
    folder: folder.path,
    at: ground.ucm,
    address: ADDRESS.ucm,
    domain: DOMAIN,
    certificate: inside.issueJoined([DOMAIN, `${ROOM}.${DOMAIN}`, UCM_NAME]),
    authority: inside.certificate,
    certificatesOnly: false,
    accounts: { alice: 'alice-password' },
  };
  const partnerServer: FederatingServer = {
    folder: folder.path,
    at: ground.internet,
    address: ADDRESS.internetNearClients,
    domain: PARTNER,
    certificate: outside.issueJoined([PARTNER, `${ROOM}.${PARTNER}`]),
    authority: outside.certificate,
    certificatesOnly: dialback === 'off',
    accounts: { bob: 'bob-password' },
  };
  const edge = new ViaductProcess(keeper, 'edge', ground.edge, files.edge);
  const core = new ViaductProcess(keeper, 'core', ground.core, files.core);
  const startPartner = (): Promise<StartedProcess> => start[theirs](keeper, partnerServer);
  const [, partner] = await Promise.all([
    start[ours](keeper, ourServer),
    startPartner(),
    edge.start(),
    core.start(),
  ]);
  await linksUp(edge, core);
  const signIn = async (who: 'alice' | 'bob'): Promise<StartedProcess> => {
    const home = who === 'alice' ? ourServer : partnerServer;
    const person = {
      service: `xmpp://${home.address}:5222`,
      domain: home.domain,
      username: who,
      password: `${who}-password`,
    };
    const started = keeper.start([process.execPath, PERSON, JSON.stringify(person)], {
      inside: home.at.exec,
      name: who,
      env: { NODE_EXTRA_CA_CERTS: home.authority },
    });
    await started.said(/signed in/);
    return started;
  };
  const [alice, bob] = await Promise.all([signIn('alice'), signIn('bob')]);
  return { ground, keeper, folder, edge, core, startPartner, partner, alice, bob, signIn };
}

function send(person: StartedProcess, stanza: string): void {
  person.child.stdin?.write(`${stanza}\n`);
}

function chat(to: string, body: string): string {
  return `<message to="${to}" type="chat" id="${body}"><body>${body}</body></message>`;
}

/** How often a person got a message of its own with this body. */
function times(person: StartedProcess, body: string): number {
  return person
    .output()
    .split('\n')
    .filter((line) => line.includes(`<body>${body}</body>`) && !line.includes('type="error"')).length;
}

const able = canRun('federation (Prosody, ejabberd)', [
  'nft',
  'dnsmasq',
  'openssl',
  'curl',
  'prosody',
  'prosodyctl',
  'erl',
  'ejabberdctl',
]);

describe.skipIf(!able).each<[ours: Kind, theirs: Kind, dialback: string]>([
  ['ejabberd', 'prosody', 'off'],
  ['prosody', 'ejabberd', 'both'],
])('%s inside, %s as the partner, dialback %s', (ours, theirs, dialback) => {
  const [alice, bob] = [`alice@${DOMAIN}/desk`, `bob@${PARTNER}/desk`];
  let world: World;

  beforeAll(async () => {
    world = await buildWorld(`fed-${ours}`, ours, theirs, dialback);
  });

  afterAll(async () => {
    await world?.keeper.stopAll();
    world?.ground.network.remove();
    world?.folder.remove();
  });

  test('presence is subscribed to, and messages go both ways', async () => {
    send(world.alice, `<presence to="bob@${PARTNER}" type="subscribe"/>`);
    await world.bob.said(new RegExp(`got <presence[^>]*type="subscribe"`));
    send(world.bob, `<presence to="alice@${DOMAIN}" type="subscribed"/>`);
    await world.alice.said(new RegExp(`got <presence[^>]*from="${bob}"`));
    send(world.bob, '<presence><show>away</show></presence>');
    await world.alice.said(/<show>away<\/show>/);
    send(world.alice, chat(bob, 'to-the-partner'));
    await world.bob.said(/<body>to-the-partner<\/body>/);
    send(world.bob, chat(alice, 'from-the-partner'));
    await world.alice.said(/<body>from-the-partner<\/body>/);
  });

  test('people of one side join rooms of the other', async () => {
    const join = (room: string, name: string): string =>
      `<presence to="${room}/${name}"><x xmlns="http://jabber.org/protocol/muc"/></presence>`;
    for (const room of [`ours@${ROOM}.${DOMAIN}`, `theirs@${ROOM}.${PARTNER}`]) {
      const owner = room.endsWith(DOMAIN) ? world.alice : world.bob;
      const guest = owner === world.alice ? world.bob : world.alice;
      send(owner, join(room, 'owner'));
      await owner.said(new RegExp(`got <presence[^>]*from="${room}/owner"`));
      send(
        owner,
        `<iq to="${room}" type="set" id="open"><query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit"/></query></iq>`,
      );
      await owner.said(/got <iq[^>]*type="result"[^>]*/);
      send(guest, join(room, 'guest'));
      await guest.said(new RegExp(`got <presence[^>]*from="${room}/guest"`));
      send(guest, `<message to="${room}" type="groupchat"><body>in-${room}</body></message>`);
      await owner.said(new RegExp(`<body>in-${room}</body>`));
    }
  });

  test('a thousand messages arrive once each and in order', async () => {
    const bodies = Array.from({ length: 1_000 }, (_, n) => `many-${n}`);
    for (const body of bodies) send(world.alice, chat(bob, body));
    await world.bob.said(/<body>many-999<\/body>/, { timeoutMs: 20_000 });
    const heard = [...world.bob.output().matchAll(/<body>(many-\d+)<\/body>/g)].map(([, body]) => body);
    expect(heard).toEqual(bodies);
  });

  test('the link is cut: nothing arrives twice, and what is said later arrives', async () => {
    expect([world.edge.running, world.core.running]).toEqual([true, true]);
    await world.core.kill();
    await until('edge has noticed', async () => !(await world.edge.linked()));
    send(world.bob, chat(alice, 'while-cut'));
    await world.core.start();
    await linksUp(world.edge, world.core);
    await until(
      'messages arrive again',
      () => {
        send(world.bob, chat(alice, 'after-cut'));
        send(world.alice, chat(bob, 'after-cut'));
        return times(world.alice, 'after-cut') > 0 && times(world.bob, 'after-cut') > 0;
      },
      { deadlineMs: 40_000, everyMs: 1_000 },
    );
    expect(times(world.alice, 'while-cut')).toBeLessThanOrEqual(1);
    expect(times(world.alice, 'from-the-partner')).toBe(1);
  });

  test('the partner is killed: senders are told; it comes back: messages arrive', async () => {
    await world.partner.stop('SIGKILL');
    const from = world.alice.output().length;
    await until(
      'alice is told',
      () => {
        send(world.alice, chat(bob, 'nobody-home'));
        return /type="error".*remote-server-(?:timeout|not-found)/.test(world.alice.output().slice(from));
      },
      { deadlineMs: 20_000, everyMs: 500 },
    );
    world.partner = await world.startPartner();
    world.bob = await world.signIn('bob');
    await until(
      'bob hears again',
      () => {
        send(world.alice, chat(bob, 'welcome-back'));
        return times(world.bob, 'welcome-back') > 0;
      },
      { deadlineMs: 40_000, everyMs: 1_000 },
    );
  });

  test('nothing was ever opened inward', () => {
    expect([world.edge.running, world.core.running]).toEqual([true, true]);
    expect(readInner(world.ground.inner)).toMatchObject({ inward: 0, notAllowedOutward: 0 });
  });
});
