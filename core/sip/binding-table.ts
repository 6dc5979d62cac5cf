// The bindings that registrars granted to clients behind the edges (RFC 3261 §10, RFC 5626 §5): which client
// connection a contact is reached through. A binding exists only because a 2xx to REGISTER said so; a request that
// waits for its answer holds a slot, so that answers that overtake each other are applied in the order of their
// requests. Trust: contact text is the client's; ids are ours and random. Bounded by `maxBindings`, `maxPerAor`
// and `maxPerFlow`.

import type { RegistrationEnd } from './record-lines.ts';

/** One client connection: the edge that holds it and that edge's token for it. */
export interface FlowRef {
  readonly edge: string;
  readonly token: string;
}

/** A granted registration of one contact. `contact` is the client's URI, byte for byte. */
export interface Binding {
  readonly id: string;
  readonly aor: string;
  readonly instance: string;
  readonly uriKey: string;
  readonly contact: string;
  readonly node: string;
  readonly flow: FlowRef;
  readonly expiresAtMs: number;
}

/** Where bindings outlive the process. All calls return at once; losing a write loses one refresh, not service. */
export interface BindingJournal {
  put(id: string, binding: Binding, ttlMs: number): void;
  remove(id: string): void;
}

/** The place of one contact of one owner; holds its order while REGISTERs are under way. */
export interface BindingSlot {
  readonly uriKey: string;
  readonly aor: string;
  readonly instance: string;
  readonly id: string;
  /** 0, or what tells this contact from an equal one of another owner. */
  readonly disambiguator: number;
  pending: number;
  lastSequence: number;
  binding: Binding | undefined;
}

export interface BindingTableOptions {
  readonly maxBindings: number;
  readonly maxPerFlow: number;
  /** Granted contacts of one address of record: a user that comes back from ever new addresses must not fill the table. */
  readonly maxPerAor: number;
  readonly randomId: () => string;
  readonly journal?: BindingJournal | undefined;
  /** A contact was granted, or (with `before`) reached over another connection than before. A refresh is no news. */
  readonly onBound?: (binding: Binding, before: Binding | undefined) => void;
  readonly onUnbound?: (binding: Binding, reason: RegistrationEnd) => void;
}

/** What a registrar's answer to one contact means. */
export interface Grant {
  readonly contact: string;
  readonly node: string;
  readonly flow: FlowRef;
  readonly expiresAtMs: number;
}

const maxEqualContacts = 64;

export class BindingTable {
  readonly #options: BindingTableOptions;
  readonly #slots = new Map<string, BindingSlot>();
  readonly #byId = new Map<string, BindingSlot>();
  readonly #byFlow = new Map<string, Map<string, Binding>>();
  readonly #byInstance = new Map<string, Set<BindingSlot>>();
  readonly #due = new Map<number, Set<BindingSlot>>();
  readonly #boundPerAor = new Map<string, number>();
  #sequence = 0;
  #live = 0;
  #sweptSecond = -1;

  constructor(options: BindingTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#live;
  }

  /** The order of one REGISTER among all: later requests win over earlier ones. */
  nextSequence(): number {
    return ++this.#sequence;
  }

  /**
   * The slot of a contact of (`aor`, `instance`); `baseKey` is what the registrar can send back to us. An equal
   * contact of another owner gets another slot, so that nobody can register over somebody else's contact.
   * Undefined when the table or the owner's share is full: only granted contacts count towards the share, so that
   * nobody can use up another's by asking. Each claim is ended by one `settle` or `release`.
   */
  claim(baseKey: string, aor: string, instance: string): BindingSlot | undefined {
    for (let n = 0; n < maxEqualContacts; n += 1) {
      const uriKey = uriKeyOf(baseKey, n);
      const slot = this.#slots.get(uriKey);
      if (slot === undefined) return this.#openSlot(uriKey, aor, instance, n);
      if (slot.aor === aor && isSameDevice(slot.instance, instance)) {
        slot.pending += 1;
        return slot;
      }
    }
    return undefined;
  }

  #openSlot(uriKey: string, aor: string, instance: string, disambiguator: number): BindingSlot | undefined {
    const { maxBindings, maxPerAor } = this.#options;
    if (this.#slots.size >= maxBindings || (this.#boundPerAor.get(aor) ?? 0) >= maxPerAor) return undefined;
    const id = this.#options.randomId();
    const slot: BindingSlot = {
      uriKey,
      aor,
      instance,
      id,
      disambiguator,
      pending: 1,
      lastSequence: 0,
      binding: undefined,
    };
    this.#slots.set(uriKey, slot);
    this.#byId.set(id, slot);
    return slot;
  }

  /** Ends a claim that changed nothing. */
  release(slot: BindingSlot): void {
    slot.pending -= 1;
    this.#dropIfIdle(slot);
  }

  /** Ends a claim with the registrar's verdict: a grant, or undefined when the contact is registered no more. */
  settle(slot: BindingSlot, sequence: number, grant: Grant | undefined, nowMs: number): void {
    slot.pending -= 1;
    if (sequence >= slot.lastSequence) {
      slot.lastSequence = sequence;
      if (grant === undefined || grant.expiresAtMs <= nowMs) this.#unbind(slot, 'un-registered');
      else this.#bind(slot, grant, nowMs);
    }
    this.#dropIfIdle(slot);
  }

  /** Whether a contact fits on this connection besides `further` that come with it; one that is there always does. */
  fitsFlow(flow: FlowRef, slot: BindingSlot, further = 0): boolean {
    const held = this.#byFlow.get(flowKey(flow));
    return (held?.size ?? 0) + further < this.#options.maxPerFlow || held?.has(slot.id) === true;
  }

  byUriKey(uriKey: string): Binding | undefined {
    return this.#slots.get(uriKey)?.binding;
  }

  /** Every live binding. */
  *all(): Iterable<Binding> {
    for (const { binding } of this.#byId.values()) if (binding !== undefined) yield binding;
  }

  byId(id: string): Binding | undefined {
    return this.#byId.get(id)?.binding;
  }

  /**
   * The connection its device used last: one that reconnected registers under another contact address, yet requests in
   * its old dialogs must find it. Devices without `+sip.instance` cannot be told apart and keep their own.
   */
  newestFlow(binding: Binding): FlowRef {
    return this.flowOfDevice(binding) ?? binding.flow;
  }

  /** The same for a device whose registration may be gone; undefined while it has none, and for one without a name. */
  flowOfDevice(device: { readonly aor: string; readonly instance: string }): FlowRef | undefined {
    let newest: BindingSlot | undefined;
    for (const slot of this.#byInstance.get(instanceKey(device)) ?? []) {
      if (newest === undefined || slot.lastSequence > newest.lastSequence) newest = slot;
    }
    return newest?.binding?.flow;
  }

  /** The bindings registered over one connection. */
  ofFlow(flow: FlowRef): Iterable<Binding> {
    return this.#byFlow.get(flowKey(flow))?.values() ?? [];
  }

  /** Every binding of one address of record known here. */
  ofAor(aor: string): BindingSlot[] {
    return [...this.#slots.values()].filter((slot) => slot.aor === aor && slot.binding !== undefined);
  }

  /** `Contact: *` was granted: everything the owner had before this REGISTER is gone. */
  unbindAor(aor: string, sequence: number): void {
    for (const slot of this.ofAor(aor)) {
      if (slot.lastSequence > sequence) continue;
      slot.lastSequence = sequence;
      this.#unbind(slot, 'un-registered');
      this.#dropIfIdle(slot);
    }
  }

  /** The edge says that the connection is gone: what was registered over it cannot be reached. */
  dropFlow(flow: FlowRef): void {
    for (const binding of this.ofFlow(flow)) {
      const slot = this.#byId.get(binding.id);
      if (slot === undefined) continue;
      this.#unbind(slot, 'connection gone');
      this.#dropIfIdle(slot);
    }
  }

  /** Puts back a binding that the journal kept. */
  restore(binding: Binding, nowMs: number): boolean {
    if (binding.expiresAtMs <= nowMs || this.#slots.has(binding.uriKey) || this.#byId.has(binding.id))
      return false;
    if (this.#slots.size >= this.#options.maxBindings) return false;
    const disambiguator = disambiguatorOf(binding.uriKey);
    const slot: BindingSlot = { ...ownerOf(binding), disambiguator, pending: 0, lastSequence: 0, binding };
    this.#slots.set(slot.uriKey, slot);
    this.#byId.set(slot.id, slot);
    this.#countBound(slot.aor, 1);
    this.#enterFlow(binding);
    this.#enterInstance(slot);
    this.#scheduleExpiry(slot, binding.expiresAtMs);
    return true;
  }

  /** Ends what has expired; returns those bindings. Call about once a second. */
  expire(nowMs: number): Binding[] {
    const second = Math.floor(nowMs / 1000);
    if (this.#sweptSecond < 0 || second - this.#sweptSecond > this.#due.size + 1)
      return this.#expireSparse(second, nowMs);
    const expired: Binding[] = [];
    for (let at = this.#sweptSecond + 1; at <= second; at += 1) this.#expireSecond(at, nowMs, expired);
    this.#sweptSecond = second;
    return expired;
  }

  #expireSparse(second: number, nowMs: number): Binding[] {
    const expired: Binding[] = [];
    for (const at of this.#due.keys()) if (at <= second) this.#expireSecond(at, nowMs, expired);
    this.#sweptSecond = second;
    return expired;
  }

  #expireSecond(second: number, nowMs: number, expired: Binding[]): void {
    const slots = this.#due.get(second);
    if (slots === undefined) return;
    this.#due.delete(second);
    for (const slot of slots) {
      if (slot.binding === undefined) continue;
      if (slot.binding.expiresAtMs > nowMs) {
        this.#scheduleExpiry(slot, slot.binding.expiresAtMs); // refreshed since: look again then
        continue;
      }
      expired.push(slot.binding);
      this.#unbind(slot, 'expired');
      this.#dropIfIdle(slot);
    }
  }

  #scheduleExpiry(slot: BindingSlot, atMs: number): void {
    const second = Math.max(Math.floor(atMs / 1000) + 1, this.#sweptSecond + 1);
    const slots = this.#due.get(second);
    if (slots === undefined) this.#due.set(second, new Set([slot]));
    else slots.add(slot);
  }

  #bind(slot: BindingSlot, grant: Grant, nowMs: number): void {
    const before = slot.binding;
    const binding: Binding = { ...ownerOf(slot), ...grant };
    slot.binding = binding;
    if (before === undefined) {
      this.#countBound(slot.aor, 1);
      this.#enterInstance(slot);
      this.#scheduleExpiry(slot, grant.expiresAtMs);
    } else {
      if (flowKey(before.flow) !== flowKey(grant.flow)) this.#leaveFlow(before);
      if (grant.expiresAtMs < before.expiresAtMs) this.#scheduleExpiry(slot, grant.expiresAtMs);
    }
    this.#enterFlow(binding);
    const isNews = before === undefined || flowKey(before.flow) !== flowKey(grant.flow);
    if (isNews) this.#options.onBound?.(binding, before);
    this.#options.journal?.put(binding.id, binding, grant.expiresAtMs - nowMs);
  }

  #unbind(slot: BindingSlot, reason: RegistrationEnd): void {
    const binding = slot.binding;
    if (binding === undefined) return;
    slot.binding = undefined;
    this.#countBound(slot.aor, -1);
    this.#leaveFlow(binding);
    this.#leaveInstance(slot);
    this.#options.journal?.remove(binding.id);
    this.#options.onUnbound?.(binding, reason);
  }

  #countBound(aor: string, change: 1 | -1): void {
    this.#live += change;
    const bound = (this.#boundPerAor.get(aor) ?? 0) + change;
    if (bound === 0) this.#boundPerAor.delete(aor);
    else this.#boundPerAor.set(aor, bound);
  }

  #enterInstance(slot: BindingSlot): void {
    if (slot.instance === '') return;
    const key = instanceKey(slot);
    const slots = this.#byInstance.get(key);
    if (slots === undefined) this.#byInstance.set(key, new Set([slot]));
    else slots.add(slot);
  }

  #leaveInstance(slot: BindingSlot): void {
    const key = instanceKey(slot);
    const slots = this.#byInstance.get(key);
    slots?.delete(slot);
    if (slots?.size === 0) this.#byInstance.delete(key);
  }

  #enterFlow(binding: Binding): void {
    const key = flowKey(binding.flow);
    const held = this.#byFlow.get(key);
    if (held === undefined) this.#byFlow.set(key, new Map([[binding.id, binding]]));
    else held.set(binding.id, binding);
  }

  #leaveFlow(binding: Binding): void {
    const key = flowKey(binding.flow);
    const held = this.#byFlow.get(key);
    held?.delete(binding.id);
    if (held?.size === 0) this.#byFlow.delete(key);
  }

  #dropIfIdle(slot: BindingSlot): void {
    if (slot.binding !== undefined || slot.pending > 0) return;
    this.#slots.delete(slot.uriKey);
    this.#byId.delete(slot.id);
  }
}

/** The key of the n-th owner of equal contacts. */
export function uriKeyOf(baseKey: string, disambiguator: number): string {
  return disambiguator === 0 ? baseKey : `${baseKey}#${disambiguator}`;
}

function disambiguatorOf(uriKey: string): number {
  const match = /#(\d{1,2})$/.exec(uriKey);
  return match === null ? 0 : Number(match[1]);
}

function ownerOf(from: { id: string; aor: string; instance: string; uriKey: string }) {
  return { id: from.id, aor: from.aor, instance: from.instance, uriKey: from.uriKey };
}

/** A device may leave its instance or connection number out, above all when it un-registers. */
function isSameDevice(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

function instanceKey(of: { aor: string; instance: string }): string {
  return `${of.aor} ${of.instance}`;
}

function flowKey(flow: FlowRef): string {
  return `${flow.edge} ${flow.token}`;
}
