// The control machine: two of them talk in memory, and one meets every way a peer can misbehave.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ControlFrame, CONTROL_VERSION, FrameDecoder, printFrame } from './frame.ts';
import { type ControlAction, ControlMachine, type ControlMachineOptions } from './machine.ts';
import { skewWords } from './hello.ts';

const OPTIONS: ControlMachineOptions = {
  peerName: 'core.inside',
  hello: { protocol: 1, name: 'edge.example.com', software: 't', configHash: 'h' },
  maxOutstanding: 2,
  maxHandling: 2,
  pingIntervalMs: 1500,
  helloTimeoutMs: 5000,
  silentAfterMs: 20_000,
};
const T0 = { now: 0, wall: 1_000_000 };
const at = (now: number) => ({ now, wall: 1_000_000 + now });
const HELLO = { protocol: 1, name: 'core.inside', software: 't', configHash: 'h', wallTimeMs: 1_000_000 };

const frame = (kind: ControlFrame['kind'], id: number, type: string, body: unknown): Buffer =>
  printFrame({ v: CONTROL_VERSION, kind, id, type, body } as ControlFrame);
const kinds = (actions: readonly ControlAction[]): string[] =>
  actions.map((action) =>
    action.do === 'send'
      ? sent([action])
          .map((each) => `send ${each.kind} ${each.type}`)
          .join()
      : action.do,
  );
const sent = (actions: readonly ControlAction[]): ControlFrame[] =>
  actions.flatMap((action) => (action.do === 'send' ? new FrameDecoder().push(action.bytes) : []));

function ready(change: Partial<ControlMachineOptions> = {}): ControlMachine {
  const machine = new ControlMachine({ ...OPTIONS, ...change }, 0);
  machine.receive(frame('notify', 0, 'hello', HELLO), T0);
  return machine;
}

describe('the control machine', () => {
  it('says hello first and is ready at the hello of the peer', () => {
    const machine = new ControlMachine(OPTIONS, 0);
    expect(sent(machine.open(T0))[0]?.body).toEqual({ ...OPTIONS.hello, wallTimeMs: 1_000_000 });
    expect(kinds(machine.receive(frame('notify', 0, 'hello', HELLO), T0))).toEqual([
      'ready',
      'send request ping',
    ]);
  });

  it.each([
    ['a request before hello', frame('request', 1, 'a', 1), 'hello', 'no hello'],
    ['a hello of wrong members', frame('notify', 0, 'hello', { name: 'x' }), 'hello', 'wrong members'],
    ['another protocol', frame('notify', 0, 'hello', { ...HELLO, protocol: 2 }), 'hello', 'link protocol 2'],
    [
      'another name',
      frame('notify', 0, 'hello', { ...HELLO, name: 'x' }),
      'hello',
      'keys belong to core.inside',
    ],
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'frame-length', 'claims'],
  ])('closes on %s', (_name, bytes, reason, words) => {
    const machine = new ControlMachine(OPTIONS, 0);
    expect(machine.receive(bytes, T0)).toEqual([
      { do: 'close', reason, words: expect.stringContaining(words) },
    ]);
    expect(machine.receive(frame('notify', 0, 'hello', HELLO), T0)).toEqual([]);
  });

  it('closes on a second hello and tells what was waiting', () => {
    const machine = ready();
    const { id } = machine.request('a', 1, 1000, T0);
    expect(kinds(machine.receive(frame('notify', 0, 'hello', HELLO), T0))).toEqual(['reject', 'close']);
    expect(machine.receive(frame('reply', id, 'a', 1), T0)).toEqual([]);
  });

  it('matches a reply to its request once', () => {
    const machine = ready();
    const { id } = machine.request('a', 1, 1000, T0);
    expect(machine.receive(frame('reply', id, 'a', { ok: 1 }), T0)).toEqual([
      { do: 'resolve', id, body: { ok: 1 } },
    ]);
    expect(machine.receive(frame('reply', id, 'a', { ok: 1 }), T0)).toEqual([
      { do: 'drop', reason: 'stray-reply' },
    ]);
  });

  it.each([
    ['busy', 'busy'],
    ['unknown-type', 'unknown-type'],
    ['refused', 'refused'],
    ['anything else', 'refused'],
  ])('turns the error %s into %s', (code, failure) => {
    const machine = ready();
    const { id } = machine.request('a', 1, 1000, T0);
    expect(machine.receive(frame('error', id, 'a', { code }), T0)).toEqual([{ do: 'reject', id, failure }]);
  });

  it('times a request out, and drops the reply that comes too late', () => {
    const machine = ready();
    const { id } = machine.request('a', 1, 1000, T0);
    expect(kinds(machine.tick(at(999)))).toEqual([]);
    expect(machine.tick(at(1000))).toEqual([{ do: 'reject', id, failure: 'timeout' }]);
    expect(machine.receive(frame('reply', id, 'a', 1), at(1001))).toEqual([
      { do: 'drop', reason: 'stray-reply' },
    ]);
  });

  it('refuses to have more requests waiting than allowed; its own pings do not count', () => {
    const machine = ready({ maxOutstanding: 1 });
    expect(kinds(machine.request('a', 1, 1000, T0).actions)).toEqual(['send request a']);
    expect(machine.request('b', 1, 1000, T0).actions).toMatchObject([{ do: 'reject', failure: 'busy' }]);
  });

  it('answers busy when too much of the peer is at work, and takes more when some is done', () => {
    const machine = ready();
    expect(kinds(machine.receive(frame('request', 1, 'a', 1), T0))).toEqual(['handle']);
    expect(kinds(machine.receive(frame('notify', 0, 'n', 1), T0))).toEqual(['handle']);
    expect(kinds(machine.receive(frame('request', 2, 'a', 1), T0))).toEqual(['drop', 'send error a']);
    expect(kinds(machine.receive(frame('notify', 0, 'n', 1), T0))).toEqual(['drop']);
    expect(sent(machine.handled(1, 'a', { reply: 'x' }))).toMatchObject([
      { kind: 'reply', id: 1, body: 'x' },
    ]);
    expect(machine.handled(0, 'n', { reply: 'x' })).toEqual([]);
    expect(kinds(machine.receive(frame('request', 3, 'a', 1), T0))).toEqual(['handle']);
  });

  it('answers refused when the reply of our handler fits no frame', () => {
    const machine = ready();
    machine.receive(frame('request', 1, 'a', 1), T0);
    expect(sent(machine.handled(1, 'a', { reply: 'x'.repeat(70_000) }))).toMatchObject([
      { kind: 'error', body: { code: 'refused' } },
    ]);
  });

  it('answers a ping itself, and measures round trip and clock by its own', () => {
    const machine = ready();
    const ping = sent(machine.receive(frame('request', 9, 'ping', { wallTimeMs: 0 }), at(10)));
    expect(ping).toMatchObject([{ kind: 'reply', id: 9, body: { wallTimeMs: 1_000_010 } }]);
    const [own] = sent(machine.tick(at(1500)));
    const pong = frame('reply', own?.id ?? 0, 'ping', { wallTimeMs: 1_001_550 + 94_000 });
    expect(machine.receive(pong, at(1600))).toEqual([{ do: 'measured', rttMs: 100, skewMs: 94_000 }]);
  });

  it.each([
    ['no hello in time', new ControlMachine(OPTIONS, 0), 5001, 'no-hello'],
    ['silence, however many bytes dribble', ready(), 20_001, 'silent'],
  ])('closes on %s', (_name, machine, now, reason) => {
    machine.receive(Buffer.from([0]), at(now - 1));
    expect(machine.tick(at(now)).at(-1)).toMatchObject({ do: 'close', reason });
  });

  it('tells everything waiting when the link goes away, once', () => {
    const machine = ready();
    const { id } = machine.request('a', 1, 1000, T0);
    expect(machine.linkClosed()).toEqual([{ do: 'reject', id, failure: 'closed' }]);
    expect(machine.linkClosed()).toEqual([]);
    expect(machine.request('a', 1, 1000, T0).actions).toMatchObject([{ do: 'reject', failure: 'closed' }]);
    expect(machine.notify('a', 1)).toEqual([]);
  });
});

describe('whatever a peer sends', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
    fc
      .record({
        kind: fc.constantFrom('request', 'reply', 'error', 'notify'),
        id: fc.integer({ min: 0, max: 4 }),
        type: fc.constantFrom('hello', 'ping', 'a', 'constructor'),
        body: fc.oneof(fc.jsonValue(), fc.constant(HELLO), fc.constant({ code: 'busy' })),
      })
      .map(({ kind, id, type, body }) => frame(kind as 'request', kind === 'notify' ? 0 : id, type, body)),
  );

  it('the machine never throws, answers at most once each, and stays silent after it closed', () => {
    fc.assert(
      fc.property(fc.array(anything, { maxLength: 30 }), (chunks) => {
        const machine = ready();
        machine.request('mine', 1, 1000, T0);
        const actions = chunks.flatMap((chunk) => machine.receive(chunk, T0));
        const closed = actions.findIndex((action) => action.do === 'close');
        expect(
          actions.filter((action) => action.do === 'resolve' || action.do === 'reject').length,
        ).toBeLessThanOrEqual(1);
        expect(actions.filter((action) => action.do === 'handle').length).toBeLessThanOrEqual(
          OPTIONS.maxHandling,
        );
        if (closed >= 0) expect(actions.slice(closed + 1)).toEqual([]);
      }),
    );
  });
});

describe('clock skew in words', () => {
  it.each([
    [94_000, "clock differs by 94 s (the peer's is ahead)"],
    [-94_400, "clock differs by 94 s (the peer's is behind)"],
  ])('%d ms', (skew, words) => expect(skewWords(skew, 10_000)).toContain(words));
  it('is silent within the limit', () => expect(skewWords(-10_000, 10_000)).toBeUndefined());
});
