// What an operator reads of SIP at core: one line for each refusal, registration and call, with the meanings of
// Expressway's event log (mra-wire §9.4): Reason, Method, Response-code, Call-id, AOR, Duration. Trust: addresses and
// ids are a client's words, cut in length; no header, credential or description gets here. Bounded by a rate each.
import { LineBudget, type Clock, type SipRequest } from '../../sip/index.ts';
import type { Binding } from './binding-table.ts';
import type { Dialog } from './dialog-table.ts';

export interface LineRates {
  readonly maxRefusalLinesPerSecond: number;
  /** Lines on registrations and calls together. */
  readonly maxRecordLinesPerSecond: number;
}

interface InfoLog {
  info(fields: object, text: string): void;
}

/** Why a registration is no more. */
export type RegistrationEnd = 'un-registered' | 'expired' | 'connection gone';

const maxText = 160;

export class RecordLines {
  readonly #log: InfoLog;
  readonly #refusals: LineBudget;
  readonly #records: LineBudget;

  constructor(log: InfoLog, rates: LineRates, clock: Clock, count: (event: string) => void) {
    this.#log = log;
    this.#refusals = new LineBudget(rates.maxRefusalLinesPerSecond, clock, count);
    this.#records = new LineBudget(rates.maxRecordLinesPerSecond, clock, count);
  }

  /** `source` names the edge and its flow, or the zone inside. */
  refused(reason: string, status: number, request: SipRequest, source: object): void {
    const more = this.#refusals.take();
    if (more === undefined) return;
    const method = cut(request.method);
    this.#log.info(
      { reason, method, status, callId: cut(request.callId), ...source, ...more },
      'request refused',
    );
  }

  registered(binding: Binding, before: Binding | undefined): void {
    const isMove = before !== undefined;
    const where = { contact: cut(binding.contact), node: binding.node, ...binding.flow };
    this.#record({ aor: cut(binding.aor), ...where }, `registration ${isMove ? 'moved' : 'granted'}`);
  }

  unregistered({ aor, contact, node, flow }: Binding, reason: RegistrationEnd): void {
    this.#record({ aor: cut(aor), contact: cut(contact), node, ...flow, reason }, 'registration ended');
  }

  callBegun(dialog: Dialog, request: SipRequest): void {
    const who = { from: cut(request.from.uriText), to: cut(request.to.uriText) };
    this.#record({ ...whose(dialog), ...who }, 'call begun');
  }

  callEnded(dialog: Dialog, reason: string, nowMs: number): void {
    const { answeredMs } = dialog;
    const durationSeconds = answeredMs === undefined ? 0 : Math.round((nowMs - answeredMs) / 1000);
    const isAnswered = answeredMs !== undefined;
    const { iceCallType } = dialog;
    const how = { reason, answered: isAnswered, durationSeconds, ...(iceCallType && { iceCallType }) };
    this.#record({ ...whose(dialog), ...how }, 'call ended');
  }

  #record(fields: object, text: string): void {
    const more = this.#records.take();
    if (more !== undefined) this.#log.info({ ...fields, ...more }, text);
  }
}

function whose({ callId, aor, isClientCaller, edge, nodeZone }: Dialog): object {
  const direction = isClientCaller ? 'from client' : 'to client';
  return { callId: cut(callId), aor: cut(aor), direction, edge: edge.name, node: nodeZone };
}

function cut(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText)}…`;
}
