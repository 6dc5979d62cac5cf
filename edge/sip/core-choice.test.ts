import { describe, expect, test } from 'vitest';
import { CoreChooser } from './core-choice.ts';
import type { CoreLink } from './core-link.ts';

const link = (name: string, zoneId = 1): CoreLink => ({
  peer: { name, zone: `zone${zoneId}`, zoneId },
  transport: {
    id: name,
    scope: name,
    isReliable: true,
    isOpen: true,
    send: () => true,
    close: () => undefined,
  },
});
const a = link('a');
const b = link('b');
const c = link('c', 2);

function chooser(...links: CoreLink[]): CoreChooser {
  const cores = new CoreChooser([
    { name: 'zone1', zoneId: 1 },
    { name: 'zone2', zoneId: 2 },
  ]);
  for (const each of links) cores.add(each);
  return cores;
}
const wish = { zoneId: undefined, coreName: undefined };

describe('which core', () => {
  const rows: [string, CoreChooser, Parameters<CoreChooser['choose']>, string][] = [
    ['named by the Route', chooser(a, b, c), [{ zoneId: 1, coreName: 'b' }, undefined, true], 'b'],
    ['named, but in another zone', chooser(a, c), [{ zoneId: 1, coreName: 'c' }, undefined, true], 'a'],
    ['named, but down', chooser(a), [{ zoneId: 1, coreName: 'b' }, undefined, true], 'a'],
    ['REGISTER moves to the named one', chooser(a, b), [{ zoneId: 1, coreName: 'b' }, 'a', true], 'b'],
    [
      'others stay where the client registered',
      chooser(a, b),
      [{ zoneId: 1, coreName: 'b' }, 'a', false],
      'a',
    ],
    ['others move when that one is down', chooser(b), [{ zoneId: 1, coreName: 'b' }, 'a', false], 'b'],
    ['zone by number', chooser(a, c), [{ zoneId: 2, coreName: undefined }, undefined, false], 'c'],
    ['nobody there', chooser(a), [{ zoneId: 2, coreName: undefined }, undefined, false], 'none-up'],
    ['no such zone', chooser(a), [{ zoneId: 9, coreName: 'a' }, 'a', false], 'unknown-zone'],
  ];
  test.each(rows)('%s', (_name, cores, [wanted, sticky, register], expected) => {
    const choice = cores.choose(wanted, sticky, register);
    expect(choice.kind === 'link' ? choice.link.peer.name : choice.kind).toBe(expected);
  });

  test('each in turn when nothing says otherwise', () => {
    const cores = chooser(a, b);
    const names = [1, 2, 3, 4].map(() => {
      const choice = cores.choose(wish, undefined, true);
      return choice.kind === 'link' ? choice.link.peer.name : choice.kind;
    });
    expect(new Set(names)).toEqual(new Set(['a', 'b']));
    expect(names[0]).toBe(names[2]);
  });

  test('an old link that closes late does not take the new one away', () => {
    const cores = chooser(a);
    const fresh = link('a');
    expect(cores.add(fresh)).toBe(a);
    cores.remove(a);
    expect(cores.byName('a')).toBe(fresh);
  });
});
