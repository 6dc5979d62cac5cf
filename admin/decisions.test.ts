import { beforeEach, expect, test } from 'vitest';
import { createDecisions, type Decisions } from './decisions.ts';
import type { Log } from './log.ts';

let decisions: Decisions;
let log: Log;
let written: object[];
beforeEach(() => {
  decisions = createDecisions(8_000, () => 0);
  written = [];
  const write = (fields: object): void => void written.push(fields);
  log = decisions.tee({ debug: write, info: write, warn: write, error: write });
});

test('a line with a tracking id is written and remembered, as far as its fields are known', () => {
  const fields = {
    trackingId: 'a',
    event: 'Request Rejected',
    reason: 'path',
    status: 403,
    token: 'x',
    body: { a: 1 },
  };
  log.info(fields, 'x');
  expect(written).toEqual([fields]);
  expect(decisions.find('a')).toEqual([
    { time: '1970-01-01T00:00:00.000Z', event: 'Request Rejected', reason: 'path', status: 403 },
  ]);
});

test('without one it is only written', () => {
  log.warn({ reason: 'x' }, 'x');
  log.debug({ trackingId: 'a' }, 'x');
  expect(written).toHaveLength(2);
  expect(decisions.find('a')).toEqual([]);
});

test('bounded in lines told and characters', () => {
  for (const trackingId of ['a', 'b', 'b', 'b', 'b', 'b', 'c'])
    log.info({ trackingId, detail: 'x'.repeat(900) }, 'x');
  expect(decisions.find('b')).toHaveLength(4);
  expect(String(decisions.find('c')[0]?.['detail'])).toHaveLength(300);
});

test('the newest are kept whole, whatever has been overwritten', () => {
  for (let at = 0; at < 500; at += 1) {
    log.info({ trackingId: `t${at}`, detail: 'é"\n'.repeat(at % 37) }, 'x');
    expect(decisions.find(`t${at}`)).toHaveLength(1);
    if (at > 10) expect(decisions.find(`t${at - 10}`)).toHaveLength(1);
    expect(decisions.find(`t${at - 400}`)).toEqual([]);
  }
});

test('a line that is a piece of the memory is not kept, nor found by half its id', () => {
  log.info({ trackingId: 'big', detail: 'x'.repeat(9_999) }, 'x');
  log.info({ trackingId: 'abc' }, 'x');
  expect(decisions.find('big')).toEqual([]);
  expect(decisions.find('ab')).toEqual([]);
  expect(decisions.find('abc')).toHaveLength(1);
});
