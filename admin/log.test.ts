import { closeSync, openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openLog } from './index.ts';
import { openOutput } from './log.ts';

function lines(level: 'debug' | 'info' = 'info') {
  const written: Record<string, unknown>[] = [];
  const write = (line: string) => written.push(JSON.parse(line) as Record<string, unknown>);
  return { written, log: openLog({ level, role: 'edge', self: 'edge.example.com' }, { write }).log('sip') };
}

it('a line says who, what and how severe', () => {
  const { written, log } = lines();
  log.warn({ method: 'REGISTER' }, 'refused');
  expect(written[0]).toMatchObject({
    level: 'warn',
    role: 'edge',
    self: 'edge.example.com',
    component: 'sip',
    method: 'REGISTER',
    text: 'refused',
  });
});

it.each(['authorization', 'Cookie', 'setCookie', 'password', 'secret', 'token', 'key', 'nonce'])(
  'a field called %s is concealed, the others stay',
  (name) => {
    const { written, log } = lines();
    log.info({ [name]: 'hunter2', user: 'alice' }, 'signed in');
    expect(JSON.stringify(written)).not.toContain('hunter2');
    expect(written[0]).toMatchObject({ [name]: '[concealed]', user: 'alice' });
  },
);

it('what is below the level is not written', () => {
  const { written, log } = lines('info');
  log.debug({}, 'detail');
  expect(written).toEqual([]);
});

it.skipIf(process.platform !== 'linux')('a full disk costs lines, not memory and not the process', () => {
  const fd = openSync('/dev/full', 'w');
  const held = openOutput(fd, 4096);
  const { log, dropped } = openLog({ level: 'info', role: 'edge', self: 'edge.example.com' }, held);
  for (let at = 0; at < 100; at += 1) log('sip').info({ at }, 'x'.repeat(200));
  expect(dropped()).toBeGreaterThan(50);
  closeSync(fd);
});
