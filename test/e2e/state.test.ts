// A state directory that does not work costs what it would have kept and nothing else: it is told on /status and in the
// log, and people sign in, register and call.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { until } from '../topology/until.ts';
import { type Company, foundCompany } from './company.ts';
import { bobPhone, expectService } from './people.ts';

let company: Company | undefined;
afterEach(async () => {
  await company?.close();
  company = undefined;
});

async function expectServed(at: Company): Promise<void> {
  const bob = await bobPhone(at);
  await expectService(at, bob);
  bob.close();
}

test('it cannot be made: a file stands in its place', async () => {
  company = await foundCompany({ block: 22 });
  writeFileSync(path.join(company.folder, 'core-state'), 'in the way');
  await company.start();
  await expectServed(company);
  expect((await company.core.status())['state']).toMatch(/folder: .*core-state.*journal: .*cookie key: /s);
  const { core } = company;
  await until('it is logged', () => core.output().includes('does not work; going on in memory'));
});

/** A private mount of 1 MiB where core keeps its state; it goes with the process. */
const onSmallDisk = (folder: string): string[] => [
  'unshare',
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=1m none "$0" && exec "$@"',
  folder,
];
const canMount =
  spawnSync('unshare', ['--map-root-user', '--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0;

test.skipIf(!canMount)(
  'its disk fills up under traffic, and is heard of again once there is room',
  async () => {
    const disk = path.join('/tmp', `viaduct-small-disk-${process.pid}`);
    mkdirSync(disk, { recursive: true });
    company = await foundCompany({
      block: 22,
      core: { 'state-directory': disk },
      insideOf: { core: onSmallDisk(disk) },
    });
    await company.start();
    const { core } = company;
    expect((await core.status())['state']).toBe('good');
    // Seen from here, the mount is under the root of the process that has it.
    const filler = path.join('/proc', String(core.pid), 'root', disk, 'filler');
    fillUp(filler);
    await expectServed(company);
    await until('the full disk is told', async () =>
      /journal: /.test(String((await core.status())['state'])),
    );
    await until('it is logged', () => core.output().includes('does not work; going on in memory'));
    await expectServed(company);
    rmSync(filler);
    await until('the journal works again', async () => (await core.status())['state'] === 'good', {
      deadlineMs: 15_000,
    });
    await until('it is logged', () => core.output().includes('state directory works again'));
    rmSync(disk, { recursive: true });
  },
);

function fillUp(file: string): void {
  const piece = Buffer.alloc(4_096, 0x55);
  try {
    for (;;) writeFileSync(file, piece, { flag: 'a' });
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
}
