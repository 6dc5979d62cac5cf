// Either process dies without a word (SIGKILL) or goes quiet with its connections open (SIGSTOP). The other one is never
// restarted, says what is wrong, and both serve again within five seconds of the return.
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Phone } from '../../lab/client/phone.ts';
import { until } from '../topology/until.ts';
import { type Company, foundCompany, linksUp } from './company.ts';
import {
  alicePhone,
  bobPhone,
  connect,
  deviceFile,
  expectService,
  hearBoth,
  signIn,
  webClient,
} from './people.ts';

const SERVE_AGAIN_MS = 5_000;
const FOUND_MS = 5_000;

let company: Company;
let bob: Phone;

beforeAll(async () => {
  company = await foundCompany({ block: 21, core: { 'rate-control': { logins: 0 } } });
  await company.start();
  bob = await bobPhone(company);
});
afterAll(async () => {
  bob?.close();
  await company?.close();
});

const other = { edge: 'core', core: 'edge' } as const;

async function killAndReturn(role: 'edge' | 'core'): Promise<void> {
  const survivor = company[other[role]];
  const pid = survivor.pid;
  await company[role].kill();
  await company[role].start();
  await linksUp(company.edge, company.core, SERVE_AGAIN_MS);
  expect(survivor.isRunning && survivor.pid === pid, 'the other process was not restarted').toBe(true);
}

async function registeredAlice(): Promise<Phone> {
  const client = webClient(company);
  const alice = await alicePhone(company, await signIn(client));
  client.close();
  await alice.register();
  return alice;
}

describe.each(['edge', 'core'] as const)('%s killed', (role) => {
  test('at idle: it returns and everything is served again', async () => {
    await killAndReturn(role);
    await expectService(company, bob);
  });

  test('in a call: it returns, and the next call is heard', async () => {
    const alice = await registeredAlice();
    const { caller, callee } = await connect(alice, bob, '1002');
    await hearBoth(caller, callee);
    await killAndReturn(role);
    alice.close();
    await callee.hangUp().catch(() => undefined);
    await expectService(company, bob);
  });
});

/** Whether an entry of core's journal on disk speaks of this. */
function journalHolds(text: string): boolean {
  const file = path.join(company.folder, 'core-state/store.sqlite');
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare('SELECT 1 FROM entries WHERE instr(value, ?) > 0').all(text).length > 0;
  } finally {
    database.close();
  }
}

test('core killed: cookie and registration outlive it', async () => {
  const client = webClient(company);
  const alice = await alicePhone(company, await signIn(client));
  await alice.register();
  const contactUser = alice.contactUri.slice('sip:'.length, alice.contactUri.indexOf('@'));
  // Written behind the answer, within 100 ms: what is newer may be lost with the process.
  await until('the journal is written', () => journalHolds(contactUser));
  await killAndReturn('core');
  expect((await deviceFile(company, client)).status).toBe(200);
  const { caller, callee } = await connect(bob, alice, '1001');
  await hearBoth(callee, caller);
  await caller.hangUp();
  expect(await callee.ended).toBe('there');
  alice.close();
  client.close();
});

const causes = {
  edge: /^https: peer has been silent for 4 s\nsip: peer has been silent for 4 s\nmedia: no answer from UDP 2776 and 2777/,
  core: /^https: peer has been silent for 4 s\nsip: peer has been silent for 4 s\nmedia: no hello on UDP 2776 and 2777/,
};

describe.each(['edge', 'core'] as const)('%s frozen with its connections open', (role) => {
  test('the other finds it and says so; it returns and is served', async () => {
    const survivor = company[other[role]];
    company[role].freeze();
    let said: string[] = [];
    await until('each link is found dead', async () => (said = await survivor.complaints()).length === 3, {
      deadlineMs: FOUND_MS,
      detail: () => said.join('\n'),
    });
    expect(said.join('\n')).toMatch(causes[role]);
    company[role].thaw();
    await linksUp(company.edge, company.core, SERVE_AGAIN_MS);
    await expectService(company, bob);
  });
});
