import { expect, test } from 'vitest';
import { inactivity } from './media.ts';

test.each([
  ['report', ['media-inactive reported', 'a call has no media in either direction']],
  ['end', ['media-inactive ended', 'a call has no media in either direction', 'end c1 of alice@x: No Media']],
] as const)('a call without media, rule %s', (rule, expected) => {
  const told: string[] = [];
  const silent = (): void => {};
  const log = {
    debug: silent,
    info: silent,
    error: silent,
    warn: (_: object, text: string) => told.push(text),
  };
  const count = (event: string, reason = ''): void => void told.push(`${event} ${reason}`);
  const onInactive = inactivity(rule, { log, count }, ({ callId, key }, reason) =>
    told.push(`end ${callId} of ${key}: ${reason}`),
  );
  onInactive({ callId: 'c1', key: 'alice@x' });
  expect(told).toEqual(expected);
});
