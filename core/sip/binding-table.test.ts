import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BindingTable, type Binding, type BindingSlot, type FlowRef } from './binding-table.ts';

const one: FlowRef = { edge: 'edge1', token: 'a' };
const two: FlowRef = { edge: 'edge1', token: 'b' };
const alice = 'alice@example.com';
const bob = 'bob@example.com';

function table(
  options: {
    maxBindings?: number;
    maxPerFlow?: number;
    maxPerAor?: number;
    kept?: Map<string, Binding>;
  } = {},
) {
  let ids = 0;
  return new BindingTable({
    maxBindings: options.maxBindings ?? 100,
    maxPerFlow: options.maxPerFlow ?? 4,
    maxPerAor: options.maxPerAor ?? 10,
    randomId: () => `id${++ids}`,
    journal: options.kept && {
      put: (id, binding) => options.kept?.set(id, binding),
      remove: (id) => options.kept?.delete(id),
    },
  });
}

function register(into: BindingTable, key: string, aor: string, flow: FlowRef, nowMs = 0, forMs = 120_000) {
  const slot = into.claim(key, aor, '');
  if (slot === undefined) throw new Error('full');
  const grant = { contact: `sip:${key}`, node: 'CEtcp-cm1', flow, expiresAtMs: nowMs + forMs };
  into.settle(slot, into.nextSequence(), grant, nowMs);
  return slot;
}

describe('binding table', () => {
  test('a granted contact is found by its key, its id and its connection', () => {
    const bindings = table();
    const slot = register(bindings, 'a|10.0.0.1:5061', alice, one);
    expect(bindings.byUriKey('a|10.0.0.1:5061')?.contact).toBe('sip:a|10.0.0.1:5061');
    expect(bindings.byId(slot.id)?.aor).toBe(alice);
    expect([...bindings.ofFlow(one)]).toHaveLength(1);
    expect(bindings.size).toBe(1);
  });

  test('a refresh over a new connection moves the binding and keeps its id', () => {
    const bindings = table();
    const slot = register(bindings, 'a', alice, one);
    register(bindings, 'a', alice, two);
    expect(bindings.byId(slot.id)?.flow).toEqual(two);
    expect([...bindings.ofFlow(one)]).toHaveLength(0);
    expect(bindings.size).toBe(1);
  });

  test('an equal contact of another user never takes over the first', () => {
    const bindings = table();
    register(bindings, 'a', alice, one);
    const slot = register(bindings, 'a', bob, two);
    expect(slot.disambiguator).toBe(1);
    expect(bindings.byUriKey('a')?.aor).toBe(alice);
    expect(bindings.byUriKey('a#1')?.aor).toBe(bob);
  });

  test('a device may leave its instance out, another device of the user may not take its place', () => {
    const bindings = table();
    const slot = bindings.claim('a', alice, '<urn:1> 1');
    expect(bindings.claim('a', alice, '')).toBe(slot);
    expect(bindings.claim('a', alice, '<urn:1>')).toBe(slot);
    expect(bindings.claim('a', alice, '<urn:1> 2')?.disambiguator).toBe(1);
  });

  test('requests of old dialogs find a device where it registered last, each of its connections apart', () => {
    const bindings = table();
    const at = (key: string, instance: string, flow: FlowRef) => {
      const slot = bindings.claim(key, alice, instance);
      if (slot === undefined) throw new Error('full');
      const grant = { contact: key, node: 'n', flow, expiresAtMs: 1000 };
      bindings.settle(slot, bindings.nextSequence(), grant, 0);
      const bound = bindings.byId(slot.id);
      if (bound === undefined) throw new Error('not bound');
      return bound;
    };
    const old = at('port1', '<urn:1> 1', one);
    at('port2', '<urn:1> 1', two);
    expect(bindings.newestFlow(old)).toEqual(two);
    at('port3', '<urn:1> 2', one);
    expect(bindings.newestFlow(old)).toEqual(two);
    const nameless = at('port4', '', one);
    at('port5', '', two);
    expect(bindings.newestFlow(nameless)).toEqual(one);
  });

  test('an answer that comes late does not undo a later request', () => {
    const bindings = table();
    const first = bindings.claim('a', alice, '');
    const second = bindings.claim('a', alice, '');
    if (!first || !second) throw new Error('full');
    const [earlier, later] = [bindings.nextSequence(), bindings.nextSequence()];
    bindings.settle(second, later, undefined, 0);
    bindings.settle(first, earlier, { contact: 'sip:a', node: 'n', flow: one, expiresAtMs: 9 }, 0);
    expect(bindings.byUriKey('a')).toBeUndefined();
    expect(bindings.size).toBe(0);
  });

  test('expiry looks at the last refresh, whatever second it was first due', () => {
    const bindings = table();
    bindings.expire(0);
    register(bindings, 'a', alice, one, 0, 120_000);
    register(bindings, 'a', alice, one, 115_000, 120_000);
    expect(bindings.expire(121_000)).toHaveLength(0);
    expect(bindings.expire(234_000)).toHaveLength(0);
    expect(bindings.expire(236_000).map((gone) => gone.aor)).toEqual([alice]);
    expect(bindings.size).toBe(0);
    expect([...bindings.ofFlow(one)]).toHaveLength(0);
  });

  test('the table and each connection are bounded', () => {
    const bindings = table({ maxBindings: 2, maxPerFlow: 1 });
    const slot = register(bindings, 'a', alice, one);
    const second = bindings.claim('b', alice, '');
    expect(bindings.claim('c', alice, '')).toBeUndefined();
    expect(second && bindings.fitsFlow(one, second)).toBe(false);
    expect(bindings.fitsFlow(one, slot)).toBe(true);
    if (second) bindings.release(second);
    expect(bindings.claim('c', alice, '')).toBeDefined();
  });

  test('one user cannot fill the table, and asking in another’s name uses up nothing of hers', () => {
    const bindings = table({ maxPerAor: 2 });
    for (let n = 0; n < 5; n += 1) expect(bindings.claim(`asked${n}`, alice, '')).toBeDefined();
    const first = register(bindings, 'a', alice, one);
    register(bindings, 'b', alice, two);
    expect(bindings.claim('c', alice, '')).toBeUndefined();
    expect(bindings.claim('a', alice, '')).toBe(first);
    expect(bindings.claim('c', bob, '')).toBeDefined();
    bindings.unbindAor(alice, bindings.nextSequence());
    expect(bindings.claim('c2', alice, '')).toBeDefined();
  });

  test('what the journal kept comes back under the same id, unless it has expired', () => {
    const kept = new Map<string, Binding>();
    const before = table({ kept });
    register(before, 'a', alice, one);
    register(before, 'a', bob, two, 0, 5_000);
    const after = table();
    for (const binding of kept.values()) after.restore(binding, 10_000);
    expect(after.byUriKey('a')?.flow).toEqual(one);
    expect(after.byUriKey('a#1')).toBeUndefined();
    expect([...after.ofFlow(one)]).toHaveLength(1);
  });

  test('a dropped connection takes its bindings along, `*` those of the owner', () => {
    const bindings = table();
    register(bindings, 'a', alice, one);
    register(bindings, 'b', bob, one);
    register(bindings, 'c', alice, two);
    bindings.dropFlow(one);
    expect(bindings.size).toBe(1);
    bindings.unbindAor(alice, bindings.nextSequence());
    expect(bindings.size).toBe(0);
  });
});

// A registrar takes requests in the order in which they were sent; its answers may overtake each other on the way
// back. However they do, the table must end up saying what the registrar says.
type Step =
  | { readonly kind: 'register' | 'remove'; readonly contact: number; readonly flow: number }
  | { readonly kind: 'answer'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('register' as const, 'remove' as const),
    contact: fc.nat(1),
    flow: fc.nat(1),
  }),
  fc.record({ kind: fc.constant('answer' as const), which: fc.nat(7) }),
);

test('any interleaving of REGISTER, un-REGISTER and their answers ends as the registrar has it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const bindings = table();
      const registrar = new Map<string, FlowRef>();
      const waiting: { slot: BindingSlot; sequence: number; flow: FlowRef | undefined }[] = [];
      const answer = (at: number): void => {
        const [item] = waiting.splice(at, 1);
        if (item === undefined) return;
        const { flow } = item;
        const grant = flow && { contact: item.slot.uriKey, node: 'n', flow, expiresAtMs: 1_000 };
        bindings.settle(item.slot, item.sequence, grant, 0);
      };
      for (const each of steps) {
        if (each.kind === 'answer') {
          if (waiting.length > 0) answer(each.which % waiting.length);
          continue;
        }
        const key = `contact${each.contact}`;
        const slot = bindings.claim(key, alice, '');
        if (slot === undefined) throw new Error('full');
        const flow = each.kind === 'register' ? (each.flow === 0 ? one : two) : undefined;
        if (flow === undefined) registrar.delete(key);
        else registrar.set(key, flow);
        waiting.push({ slot, sequence: bindings.nextSequence(), flow });
      }
      while (waiting.length > 0) answer(waiting.length - 1);
      for (const key of ['contact0', 'contact1'])
        expect(bindings.byUriKey(key)?.flow).toEqual(registrar.get(key));
      expect(bindings.size).toBe(registrar.size);
    }),
  );
});
