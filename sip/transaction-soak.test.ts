// Whatever happens in whatever order, nothing stays behind and every sender hears exactly one end. Two layers are joined
// by a wire that loses and repeats messages as fast-check decides; time is moved by hand. Attacks T-053, T-057.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRequest } from './build.ts';
import { HandClock } from './hand-clock.ts';
import { parseMessage } from './parse.ts';
import type { ServerTransaction } from './server-transaction.ts';
import { TransactionLayer } from './transaction-layer.ts';
import { RFC_TIMINGS, TransactionMachine } from './transaction-machine.ts';
import type { TransactionAction, TransactionKind } from './transaction-machine.ts';
import type { TimerName, TransactionInput } from './transaction-tables.ts';
import type { SipTransport } from './transport.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

const INPUTS: readonly TransactionInput[] = [
  '1xx',
  '2xx',
  '3xx-6xx',
  'request',
  'ack',
  'u1xx',
  'u2xx',
  'u3xx-6xx',
  'transport-error',
];
const KINDS: readonly TransactionKind[] = [
  'invite-client',
  'non-invite-client',
  'invite-server',
  'non-invite-server',
];

describe('machines under any input', () => {
  it('end when their timers run out, and stay ended', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...KINDS),
        fc.boolean(),
        fc.array(fc.constantFrom(...INPUTS), { maxLength: 12 }),
        (kind, isReliable, inputs) => {
          const machine = new TransactionMachine(kind, isReliable, RFC_TIMINGS);
          const timers = new Map<TimerName, number>();
          let now = 0;
          const note = (actions: readonly TransactionAction[]): void => {
            for (const action of actions) {
              if (action.do === 'schedule') timers.set(action.timer, action.at);
              if (action.do === 'stop') timers.delete(action.timer);
              if (action.do === 'terminate') timers.clear();
            }
          };
          note(machine.start(now));
          for (const input of inputs) note(machine.handle(input, ++now));
          // A server waits for its user, for ever if need be; everything else has a timer that ends it.
          if (machine.state === 'trying' || machine.state === 'proceeding')
            note(machine.handle('u3xx-6xx', now));
          if (machine.state === 'proceeding' && kind === 'invite-client')
            note(machine.handle('3xx-6xx', now));
          for (let step = 0; step < 50 && timers.size > 0; step++) {
            const [timer, at] = [...timers].sort((a, b) => a[1] - b[1])[0] ?? ['A', 0];
            timers.delete(timer);
            now = Math.max(now, at);
            note(machine.handle(`timer ${timer}`, now));
          }
          expect(machine.state).toBe('terminated');
          for (const input of INPUTS) expect(machine.handle(input, now)).toEqual([{ do: 'drop' }]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** What the wire does with each message in turn; when the list ends, messages pass. */
type Fate = 'pass' | 'lose' | 'twice';

function joined(fates: readonly Fate[], isReliable: boolean, answer: (server: ServerTransaction) => void) {
  const clock = new HandClock();
  const queue: (() => void)[] = [];
  let turn = 0;
  let seed = 0;
  const layerOf = (onRequest: (server: ServerTransaction) => void): TransactionLayer =>
    new TransactionLayer(
      {
        timings: RFC_TIMINGS,
        maxTransactions: 50,
        retryAfterSeconds: 1,
        tickMs: 10,
        clock,
        random: (count) => Buffer.alloc(count, ++seed),
        count: () => {},
        sendsTrying: true,
      },
      { onRequest, onAck: () => {}, onCancel: (invite) => void invite.reply(487) },
    );
  const caller: TransactionLayer = layerOf(() => {});
  const callee: TransactionLayer = layerOf(answer);
  const wireTo = (far: () => TransactionLayer, back: () => SipTransport): SipTransport => ({
    id: 'w',
    scope: 'w',
    isReliable,
    isOpen: true,
    send: (bytes) => {
      const fate = isReliable ? 'pass' : (fates[turn++] ?? 'pass');
      const copies = fate === 'lose' ? 0 : fate === 'twice' ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) queue.push(() => far().receive(parseMessage(bytes), back()));
      return true;
    },
  });
  const toCallee: SipTransport = wireTo(
    () => callee,
    () => toCaller,
  );
  const toCaller: SipTransport = wireTo(
    () => caller,
    () => toCallee,
  );
  const deliver = (): void => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
  };
  const run = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += 100) {
      deliver();
      clock.move(100);
    }
    deliver();
  };
  return { clock, caller, callee, toCallee, run, deliver };
}

function request(method: string, branch: string) {
  return createRequest({
    method,
    uri: 'sip:b@h',
    via: `SIP/2.0/UDP a;branch=z9hG4bK${branch}`,
    from: '<sip:a@h>;tag=1',
    to: '<sip:b@h>',
    callId: 'c',
    cseq: 1,
  });
}

describe('two layers on a bad wire', () => {
  const fates = fc.array(fc.constantFrom<Fate>('pass', 'lose', 'lose', 'twice'), { maxLength: 40 });

  it('each request ends once, by its answer or by time, and nothing is left', () => {
    fc.assert(
      fc.property(
        fates,
        fc.boolean(),
        fc.constantFrom('INVITE', 'MESSAGE'),
        fc.constantFrom(200, 302, 486),
        (list, isReliable, method, status) => {
          let asked = 0;
          const { clock, caller, callee, toCallee, run } = joined(list, isReliable, (server) => {
            asked++;
            server.reply(status);
          });
          // The far user does not repeat a lost 2xx, as it should: Timer C ends the wait.
          const ends: string[] = [];
          caller.request(
            request(method, 'x'),
            toCallee,
            {
              onResponse: (response) => response.status >= 200 && ends.push(String(response.status)),
              onFailure: (reason) => ends.push(reason),
            },
            { timerCMs: 60_000 },
          );
          run(130_000);
          // A 2xx of an INVITE is the user's to repeat: a copy made by the wire passes as a further 2xx.
          expect(new Set(ends).size).toBe(1);
          if (method !== 'INVITE' || status !== 200) expect(ends).toHaveLength(1);
          if (isReliable) expect(ends).toEqual([String(status)]);
          expect(asked).toBeLessThanOrEqual(1);
          expect([caller.size, callee.size, clock.timers.size]).toEqual([0, 0, 0]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('a cancelled call ends once, whatever is lost', () => {
    fc.assert(
      fc.property(fates, fc.boolean(), (list, isReliable) => {
        const { clock, caller, callee, toCallee, run, deliver } = joined(
          list,
          isReliable,
          (server) => void server.reply(180),
        );
        const ends: string[] = [];
        const transaction = caller.request(request('INVITE', 'x'), toCallee, {
          onResponse: (response) => response.status >= 200 && ends.push(String(response.status)),
          onFailure: (reason) => ends.push(reason),
        });
        deliver();
        transaction.cancel();
        run(150_000);
        expect(ends).toHaveLength(1);
        expect(['487', 'timeout']).toContain(ends[0]);
        // Where every CANCEL was lost the far user still rings: that one is its own to end.
        expect(caller.size).toBe(0);
        if (callee.size === 0) expect(clock.timers.size).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});
