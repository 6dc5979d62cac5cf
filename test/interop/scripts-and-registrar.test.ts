// The scripted dialogues without Viaduct: stunnel and Kamailio's own TLS between the two scripts. What passes here and
// fails through edge and core is Viaduct's doing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Network, type Namespace } from '../topology/network.ts';
import { ProcessKeeper } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { makeRunFolder } from '../topology/run-folder.ts';
import { TestAuthority } from './certificates.ts';
import { startKamailio } from './kamailio.ts';
import { startSipp, startStunnel } from './sipp.ts';

const DOMAIN = 'ucm.corp.test';
const NEEDED = ['kamailio', 'sipp', 'stunnel', 'openssl'];

describe.skipIf(!canRun('scripts and registrar among themselves', NEEDED))('two scripts and Kamailio', () => {
  const runFolder = makeRunFolder('scripts');
  const folder = runFolder.path;
  const keeper = new ProcessKeeper(folder);
  const network = new Network('scripts');
  let outside: Namespace;
  let inside: Namespace;

  beforeAll(async () => {
    const ucm = network.namespace('ucm');
    outside = network.namespace('outside');
    inside = network.namespace('inside');
    ucm.bridge('lan0', '10.30.0.20/24');
    network.join({ at: outside, address: '10.30.0.21/24' }, { at: ucm, bridge: 'lan0' });
    network.join({ at: inside, address: '10.30.0.40/24' }, { at: ucm, bridge: 'lan0' });
    const authority = new TestAuthority(folder, 'inside');
    await startKamailio(keeper, {
      folder,
      at: ucm,
      address: '10.30.0.20',
      domains: [DOMAIN],
      aliasContacts: true,
      tls: authority.issue([DOMAIN]),
      fixedUsers: { 2001: 'sip:10.30.0.40:5060;transport=tcp' },
    });
    await startStunnel(keeper, {
      folder,
      at: outside,
      accept: '10.30.0.21:5070',
      connect: '10.30.0.20:5061',
      checkHost: DOMAIN,
      authority: authority.certificate,
    });
  });

  afterAll(async () => {
    await keeper.stopAll();
    network.remove();
    runFolder.remove();
  });

  const common = { domain: DOMAIN, route: '<sip:10.30.0.20:5061;transport=tls;lr>' };

  test.each(['register-and-leave', 'options', 'message', 'subscribe', 'reliable', 'refer'])(
    '%s',
    async (name) => {
      const alone = name === 'register-and-leave';
      const called = {
        at: inside,
        address: '10.30.0.40',
        port: 5060,
        user: '2001',
        scenario: `${name}.inside`,
      };
      const callee = alone ? undefined : await startSipp(keeper, { ...common, ...called, folder });
      const caller = await startSipp(keeper, {
        ...common,
        folder,
        at: outside,
        address: '10.30.0.21',
        port: 5080,
        towards: '10.30.0.21:5070',
        user: '1003',
        scenario: alone ? name : `${name}.outside`,
      });
      await caller.finished();
      await callee?.finished();
      expect(caller.process.running).toBe(false);
    },
  );
});
