// What the operator reads when the engine is in trouble.
import { expect, test } from 'vitest';
import { EngineWatch } from './engine-watch.ts';

test('each trouble has a name, and the same one fills no log', () => {
  const clock = { now: 0 };
  const [lines, counted]: [string[], string[]] = [[], []];
  const line =
    (level: string) =>
    (fields: object, text: string): void =>
      void lines.push(`${level} ${JSON.stringify(fields)} ${text}`);
  const watch = new EngineWatch({
    now: () => clock.now,
    log: { info: line('info'), warn: line('warn') },
    count: (event, reason) => counted.push(`${event} ${reason}`),
  });
  for (let times = 0; times < 3; times++)
    watch.hear({ type: 'port-failed', port: times, code: 'ENETUNREACH' });
  clock.now = 10_000;
  watch.hear({ type: 'port-failed', port: 1, code: 'ENETUNREACH' });
  watch.hear({ type: 'shard', shard: 1, state: 'restarted', cause: 'epoll_wait: Bad file descriptor' });
  watch.hear({ type: 'shard', shard: 0, state: 'stuck', cause: 'x' });
  expect(watch.status()).toEqual({
    threadRestarts: 1,
    threadsStuck: [0],
    portFailures: { ENETUNREACH: 4 },
    refusedForPorts: 0,
  });
  watch.hear({ type: 'shard', shard: 0, state: 'running', cause: '' });
  watch.hear({ type: 'clock-step', byMs: -5000 });
  watch.hear({ type: 'idle', flow: 1 });
  expect(lines.map((one) => one.split(' ').slice(0, 2).join(' '))).toEqual([
    'warn {"code":"ENETUNREACH","since":1,"hint":"there',
    'warn {"code":"ENETUNREACH","since":3,"hint":"there',
    'warn {"shard":1,"cause":"epoll_wait:',
    'warn {"shard":0,"cause":"x"}',
    'info {"shard":0}',
    'warn {"byMs":-5000}',
  ]);
  expect(counted.slice(4)).toEqual([
    'media-shard restarted',
    'media-shard stuck',
    'media-shard running',
    'clock-step back',
  ]);
  for (const at of [20_000, 25_000, 30_000]) {
    clock.now = at;
    watch.portsExhausted({ firstPort: 36_002, lastPort: 59_999 });
  }
  expect(lines.slice(6)).toEqual([
    expect.stringContaining('"ports":"36002-59999","refusals":1'),
    expect.stringContaining('"refusals":3'),
  ]);
  for (let code = 0; code < 100; code++) watch.hear({ type: 'port-failed', port: 1, code: `E${code}` });
  expect(Object.keys((watch.status() as { portFailures: object }).portFailures)).toHaveLength(32);
});
