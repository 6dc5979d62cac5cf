// Messaging through edge and core, between Profanity outside behind a NAT and Profanity inside, with Prosody inside behind a
// firewall that lets nothing in.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Profanity, startProfanity } from '../interop/profanity.ts';
import { startProsody } from '../interop/prosody.ts';
import { ADDRESS, DOMAIN, EDGE_NAME } from './addresses.ts';
import { readInner } from './firewalls.ts';
import { canRun } from './requirements.ts';
import { setStage, STAGE_PROGRAMS, type Stage } from './stage.ts';

const PROGRAMS = [...STAGE_PROGRAMS, 'prosody', 'prosodyctl', 'profanity', 'tmux'];
const ACCOUNTS = { alice: 'alice-password', bob: 'bob-password' };
const SERVER = ADDRESS.phone2;
const address = (user: string): string => `${user}@${DOMAIN}`;

describe.skipIf(!canRun('messaging through the topology', PROGRAMS))('messaging', () => {
  let stage: Stage;
  let outside: Profanity;
  let inside: Profanity;

  beforeAll(async () => {
    const node = { name: SERVER, kind: 'im-presence', address: SERVER };
    stage = await setStage('messaging', {
      edge: { xmpp: { enabled: true } },
      core: () => ({ xmpp: { enabled: true }, node: { 'static-nodes': [node] } }),
    });
    const { authority, folder, ground, keeper, publicAuthority } = stage;
    const leaf = authority.issue([DOMAIN]);
    await startProsody(keeper, {
      folder: folder.path,
      address: SERVER,
      domain: DOMAIN,
      certificate: { chain: readFileSync(leaf.chain, 'utf8'), key: readFileSync(leaf.key, 'utf8') },
      accounts: ACCOUNTS,
      modules: [],
      inside: ground.phone2.exec,
    });
    outside = await startProfanity(keeper, {
      folder: folder.path,
      jid: address('alice'),
      password: ACCOUNTS.alice,
      host: EDGE_NAME,
      port: 5222,
      authorityFile: publicAuthority.certificate,
      inside: ground.client.exec,
    });
    inside = await startProfanity(keeper, {
      folder: folder.path,
      jid: address('bob'),
      password: ACCOUNTS.bob,
      host: SERVER,
      port: 5222,
      authorityFile: authority.certificate,
      inside: ground.phone.exec,
    });
  });

  afterAll(async () => stage?.close());

  test('both sign in, one of them through edge and core', async () => {
    await Promise.all([outside, inside].map((one) => one.shows(/logged in successfully/)));
    const status = JSON.parse((await stage.edge.ask('/status')) ?? '{}') as { xmpp: { signedIn: number } };
    expect(status.xmpp.signedIn).toBe(1);
  });

  test('each reads what the other writes', async () => {
    outside.type(`/msg ${address('bob')} Good morning from outside, é <&>`);
    inside.type(`/msg ${address('alice')} And from inside`);
    await inside.shows(/Good morning from outside, é <&>/);
    await outside.shows(/And from inside/);
  });

  test('not one packet came inward that core had not asked for', () => {
    const { inward, openedByCore, replies } = readInner(stage.ground.inner);
    expect(inward).toBe(0);
    expect(openedByCore).toBeGreaterThan(0);
    expect(replies).toBeGreaterThan(0);
  });
});
