import { describe, expect, test } from 'vitest';
import { belongsTo, DialogTable, type Dialog, type DialogStart } from './dialog-table.ts';

const limits = {
  maxDialogs: 4,
  maxCallsPerUser: 2,
  maxUsagesPerUser: 1,
  setupTimeoutMs: 180_000,
  acknowledgeTimeoutMs: 40_000,
  maxSilenceMs: 1_000_000,
  lingerMs: 32_000,
};

const start = (id: string, over: Partial<DialogStart> = {}): DialogStart => ({
  proxyCallId: id,
  kind: 'call',
  aor: 'alice@example.com',
  bindingId: 'b',
  instance: '',
  callId: 'c',
  callerTag: 'caller',
  isClientCaller: true,
  nodeZone: 'CEtcp-cm1',
  edge: { name: 'edge1', zone: 'z', zoneId: 1 },
  caller: { address: '', target: undefined, routes: [], cseq: 1 },
  flow: { edge: 'edge1', token: 't' },
  ...over,
});

function open(table: DialogTable, id: string, nowMs = 0): Dialog {
  const dialog = table.open(start(id), nowMs);
  if (typeof dialog === 'string') throw new Error(dialog);
  return dialog;
}

describe('limits', () => {
  test('each user has a share of calls and of usages, half-open ones included', () => {
    const table = new DialogTable(limits);
    open(table, '1');
    const second = open(table, '2');
    expect(table.open(start('3'), 0)).toBe('user-call-limit');
    expect(table.open(start('3', { kind: 'usage' }), 0)).toBeTypeOf('object');
    expect(table.open(start('4', { kind: 'usage' }), 0)).toBe('user-call-limit');
    table.end(second, 'over', 0);
    table.end(second, 'twice', 0);
    expect(table.open(start('5'), 0)).toBeTypeOf('object');
    expect(table.open(start('6'), 0)).toBe('dialog-table-full');
  });

  test('an ended dialog is remembered for a while and then forgotten', () => {
    const table = new DialogTable(limits);
    table.end(open(table, '1'), 'over', 1000);
    expect(table.sweep(32_999)).toEqual([]);
    expect(table.size).toBe(1);
    table.sweep(33_000);
    expect(table.size).toBe(0);
  });
});

describe('time', () => {
  test('an early call has its set-up time, an answered one its time for the ACK, a confirmed one may be silent', () => {
    const table = new DialogTable(limits);
    const dialog = open(table, '1');
    expect(table.sweep(179_999)).toEqual([]);
    expect(table.sweep(180_000)).toEqual([dialog]);
    table.accept(dialog, undefined, 180_000);
    expect(dialog.state).toBe('accepted');
    expect(table.sweep(220_000)).toEqual([dialog]);
    table.acknowledge(dialog, 220_000);
    expect(table.sweep(1_219_999)).toEqual([]);
    table.touch(dialog, 1_000_000);
    expect(table.sweep(1_999_999)).toEqual([]);
    expect(table.sweep(2_000_000)).toEqual([dialog]);
  });

  test('a dialog’s own interval counts when it is shorter, and a refresh renews it', () => {
    const table = new DialogTable(limits);
    const dialog = open(table, '1');
    table.accept(dialog, 10_000, 0);
    table.acknowledge(dialog, 0);
    expect(table.sweep(10_000)).toEqual([dialog]);
    table.accept(dialog, 9_999_999_999, 10_000);
    expect(table.sweep(1_009_999)).toEqual([]);
    expect(table.sweep(1_010_000)).toEqual([dialog]);
  });
});

describe('who belongs to a dialog', () => {
  const rows: [string, Parameters<typeof belongsTo>[1], boolean, boolean][] = [
    [
      'the caller, to a callee known by its answer',
      { callId: 'c', fromTag: 'caller', toTag: 'one' },
      true,
      true,
    ],
    ['the caller, to a tag nobody gave', { callId: 'c', fromTag: 'caller', toTag: 'two' }, true, false],
    ['another call', { callId: 'd', fromTag: 'caller', toTag: 'one' }, true, false],
    ['another caller', { callId: 'c', fromTag: 'other', toTag: 'one' }, true, false],
    ['a request without a tag', { callId: 'c', fromTag: 'caller', toTag: undefined }, true, false],
    ['a callee', { callId: 'c', fromTag: 'one', toTag: 'caller' }, false, true],
    [
      'a callee whose NOTIFY overtakes its 2xx',
      { callId: 'c', fromTag: 'new', toTag: 'caller' },
      false,
      true,
    ],
    ['a callee posing as caller', { callId: 'c', fromTag: 'one', toTag: 'caller' }, true, false],
  ];
  test.each(rows)('%s', (_name, message, isFromCaller, belongs) => {
    const dialog = open(new DialogTable(limits), '1');
    dialog.callees.set('one', { address: '', target: undefined, routes: undefined, cseq: 0 });
    expect(belongsTo(dialog, message, isFromCaller)).toBe(belongs);
  });

  test('tags are learnt while the dialog is young, and only so many', () => {
    const table = new DialogTable(limits);
    const dialog = open(table, '1');
    const from = (tag: string) => belongsTo(dialog, { callId: 'c', fromTag: tag, toTag: 'caller' }, false);
    for (let n = 0; n < 16; n += 1) expect(from(`t${n}`)).toBe(true);
    expect(from('t16')).toBe(false);
    table.accept(dialog, undefined, 0);
    expect(from('t3')).toBe(true);
    expect(from('late')).toBe(false);
  });
});
