import { expect, test } from 'vitest';
import { knowCores } from './known-cores.ts';

const core = '192.0.2.1';
const stranger = '192.0.2.2';

test('who has been a core is never asked about, and nothing it does counts', () => {
  const noted: string[] = [];
  const cores = knowCores({
    admits: () => false,
    misbehaved: (kind, address) => void noted.push(`${kind} ${address}`),
  });
  cores.know(core);
  for (const address of [core, stranger]) cores.misbehaved('auth', address);
  expect([cores.admits(core), cores.admits(stranger)]).toEqual([true, false]);
  expect(noted).toEqual([`auth ${stranger}`]);
});

test('the oldest is forgotten, not the one that comes again', () => {
  const cores = knowCores({ admits: () => false, misbehaved: () => undefined });
  for (let i = 0; i < 200; i += 1) {
    cores.know(core);
    cores.know(`10.0.0.${i}`);
  }
  expect([cores.admits(core), cores.admits('10.0.0.0'), cores.admits('10.0.0.199')]).toEqual([
    true,
    false,
    true,
  ]);
});

test('without intrusion protection everybody is heard', () => {
  const cores = knowCores(undefined);
  cores.misbehaved('protocol', stranger);
  expect(cores.admits(stranger)).toBe(true);
});
