// Dialogs that pass through core, found by the proxy-call-id that core recorded in their route set (RFC 3261 §12,
// §16.6). A dialog says whose it is, so that nobody speaks in another's call (T-060), counts towards its user's limits
// (T-038) and holds the media of a call. Trust: an id that comes back is only a key; tags and Call-ID must agree too.
import type { CallMedia } from './call-media.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import type { FlowRef } from './binding-table.ts';

/** Where a dialog stands: ringing, answered but not acknowledged, talking, over (kept for stragglers). */
export type DialogState = 'early' | 'accepted' | 'confirmed' | 'ended';

/** One dialog, or the early dialogs of one forked request. */
export interface Dialog {
  readonly proxyCallId: string;
  readonly kind: 'call' | 'usage';
  readonly aor: string;
  readonly bindingId: string;
  /** `+sip.instance` of its client's device; '' where it has none. */
  readonly instance: string;
  readonly callId: string;
  readonly callerTag: string;
  readonly isClientCaller: boolean;
  /** Zone of the node on the inside leg. */
  readonly nodeZone: string;
  readonly edge: EdgeIdentity;
  readonly caller: DialogLeg;
  /** Callees by tag; more than one when the request was forked. */
  readonly callees: Map<string, DialogLeg>;
  /** The callee that answered last. */
  callee: DialogLeg | undefined;
  /** The connection its client used last. */
  flow: FlowRef;
  state: DialogState;
  deadlineMs: number;
  /** When its first 2xx went back. */
  answeredMs: number | undefined;
  /** How long it may be silent once it is established. */
  silenceMs: number;
  media: CallMedia | undefined;
  /** How its media went when it ended, in the words of the call history. */
  iceCallType: string | undefined;
  /** Takes the request back that would have made it, while it rings. */
  cancel: (() => void) | undefined;
}

/** One end of a dialog as core saw it. */
export interface DialogLeg {
  /** From or To value of this end, tag included once known. */
  address: string;
  /** Contact URI: where requests to this end go. */
  target: string | undefined;
  /** Route values between core and this end, nearest first; undefined until this end has said. */
  routes: readonly string[] | undefined;
  /** Highest CSeq number this end used. */
  cseq: number;
}

export interface DialogLimits {
  readonly maxDialogs: number;
  /** Calls of one registered user, half-open ones included. */
  readonly maxCallsPerUser: number;
  /** Subscriptions and transfers of one registered user. */
  readonly maxUsagesPerUser: number;
  /** From INVITE to a final response. */
  readonly setupTimeoutMs: number;
  /** From the 2xx to its ACK; the callee retransmits for 32 s. */
  readonly acknowledgeTimeoutMs: number;
  /** Longest silence of an established dialog that named no interval of its own. */
  readonly maxSilenceMs: number;
  /** How long an ended dialog is remembered for stragglers. */
  readonly lingerMs: number;
}

/** Why a dialog was not opened. */
export type DialogRefusal = 'user-call-limit' | 'dialog-table-full';

/** Everything known when a dialog-forming request is sent on. */
export type DialogStart = Omit<
  Dialog,
  | 'callees'
  | 'callee'
  | 'state'
  | 'deadlineMs'
  | 'answeredMs'
  | 'silenceMs'
  | 'media'
  | 'iceCallType'
  | 'cancel'
>;

interface Held {
  calls: number;
  usages: number;
}

export class DialogTable {
  readonly #limits: DialogLimits;
  readonly #dialogs = new Map<string, Dialog>();
  readonly #held = new Map<string, Held>();
  /** Told of each dialog that is over. */
  readonly onEnd: (dialog: Dialog, reason: string, nowMs: number) => void;

  constructor(limits: DialogLimits, onEnd: DialogTable['onEnd'] = () => undefined) {
    this.#limits = limits;
    this.onEnd = onEnd;
  }

  get size(): number {
    return this.#dialogs.size;
  }

  get(proxyCallId: string): Dialog | undefined {
    return this.#dialogs.get(proxyCallId);
  }

  all(): Iterable<Dialog> {
    return this.#dialogs.values();
  }

  /** Opens an early dialog, or says which limit forbids it. */
  open(start: DialogStart, nowMs: number): Dialog | DialogRefusal {
    const { maxDialogs, maxCallsPerUser, maxUsagesPerUser, setupTimeoutMs, maxSilenceMs } = this.#limits;
    if (this.#dialogs.size >= maxDialogs) return 'dialog-table-full';
    const held = this.#held.get(start.aor) ?? { calls: 0, usages: 0 };
    if (start.kind === 'call' ? held.calls >= maxCallsPerUser : held.usages >= maxUsagesPerUser) {
      return 'user-call-limit';
    }
    const dialog: Dialog = {
      ...start,
      callees: new Map(),
      callee: undefined,
      state: 'early',
      deadlineMs: nowMs + setupTimeoutMs,
      answeredMs: undefined,
      silenceMs: maxSilenceMs,
      media: undefined,
      iceCallType: undefined,
      cancel: undefined,
    };
    this.#dialogs.set(start.proxyCallId, dialog);
    this.#count(start, 1);
    return dialog;
  }

  /** A 2xx was sent back. A call now waits for its ACK, a usage is established. */
  accept(dialog: Dialog, silenceMs: number | undefined, nowMs: number): void {
    if (dialog.state === 'ended') return;
    if (silenceMs !== undefined) dialog.silenceMs = Math.min(silenceMs, this.#limits.maxSilenceMs);
    dialog.cancel = undefined;
    if (dialog.answeredMs === undefined) dialog.media?.connected();
    dialog.answeredMs ??= nowMs;
    if (dialog.state === 'confirmed') return this.touch(dialog, nowMs);
    dialog.state = dialog.kind === 'call' ? 'accepted' : 'confirmed';
    dialog.deadlineMs =
      nowMs + (dialog.kind === 'call' ? this.#limits.acknowledgeTimeoutMs : dialog.silenceMs);
  }

  /** The ACK of a 2xx passed. */
  acknowledge(dialog: Dialog, nowMs: number): void {
    if (dialog.state !== 'accepted') return;
    dialog.state = 'confirmed';
    this.touch(dialog, nowMs);
  }

  /** Something was said in an established dialog. */
  touch(dialog: Dialog, nowMs: number): void {
    if (dialog.state === 'confirmed') dialog.deadlineMs = nowMs + dialog.silenceMs;
  }

  /** Over: gives back its media and its place in the user's share. Idempotent. */
  end(dialog: Dialog, reason: string, nowMs: number): void {
    if (dialog.state === 'ended') return;
    dialog.state = 'ended';
    dialog.deadlineMs = nowMs + this.#limits.lingerMs;
    dialog.iceCallType = dialog.media?.iceCallType();
    dialog.media?.close(reason);
    dialog.media = undefined;
    dialog.cancel = undefined;
    this.#count(dialog, -1);
    this.onEnd(dialog, reason, nowMs);
  }

  /** Forgets ended dialogs whose time is up and returns the live ones that are overdue. */
  sweep(nowMs: number): Dialog[] {
    const overdue: Dialog[] = [];
    for (const dialog of this.#dialogs.values()) {
      if (dialog.deadlineMs > nowMs) continue;
      if (dialog.state === 'ended') this.#dialogs.delete(dialog.proxyCallId);
      else overdue.push(dialog);
    }
    return overdue;
  }

  #count({ aor, kind }: { aor: string; kind: Dialog['kind'] }, by: 1 | -1): void {
    const held = this.#held.get(aor) ?? { calls: 0, usages: 0 };
    if (kind === 'call') held.calls += by;
    else held.usages += by;
    if (held.calls === 0 && held.usages === 0) this.#held.delete(aor);
    else this.#held.set(aor, held);
  }
}

/** Tags of one forked request that are remembered; a registrar forks to a handful of devices. */
const maxCalleeTags = 16;

/** Whether a request with these tags, sent by the caller or the callee, belongs to `dialog`. */
export function belongsTo(
  dialog: Dialog,
  message: { callId: string; fromTag: string | undefined; toTag: string | undefined },
  isFromCaller: boolean,
): boolean {
  const callerTag = isFromCaller ? message.fromTag : message.toTag;
  const calleeTag = isFromCaller ? message.toTag : message.fromTag;
  if (message.callId !== dialog.callId || callerTag !== dialog.callerTag || calleeTag === undefined)
    return false;
  // A NOTIFY may overtake the 2xx that makes its dialog (RFC 6665 §4.4.1): its tag is learnt, as that of a 1xx is.
  return dialog.callees.has(calleeTag) || (!isFromCaller && learnCallee(dialog, calleeTag) !== undefined);
}

/** The leg of a callee, remembered while the dialog is young; undefined when it may not be learnt any more. */
export function learnCallee(dialog: Dialog, tag: string): DialogLeg | undefined {
  const known = dialog.callees.get(tag);
  if (known !== undefined) return known;
  if (dialog.state !== 'early' || dialog.callees.size >= maxCalleeTags) return undefined;
  const leg: DialogLeg = { address: '', target: undefined, routes: undefined, cseq: 0 };
  dialog.callees.set(tag, leg);
  return leg;
}
