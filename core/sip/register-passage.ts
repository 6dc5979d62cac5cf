// One REGISTER on its way to the registrar and back: tries one node after the other and turns the answer into bindings.
// RFC 3261 §10.2, §16.7. The contact rewriting depends on the node, so each attempt starts from the original.
import { SipParseError, type ServerTransaction, type SipRequest, type SipResponse } from '../../sip/index.ts';
import type { HopSender } from './hop-sender.ts';
import type { NodeDirectory, SipNode } from './node-directory.ts';
import type { Outgoing } from './outgoing.ts';
import {
  dropRegister,
  planRegister,
  settleRegister,
  type RegisterContext,
  type RegisterPlan,
} from './register.ts';
import { judgeDigest, type DigestJudge } from './register-digest.ts';
import { hasBearer, judgeToken, type TokenJudge } from './register-token.ts';
import { passBack, replyFailure } from './responses.ts';
import { isRefusal, type Refusal } from './verdict.ts';

export interface RegisterPassageOptions extends RegisterContext {
  readonly sender: HopSender;
  readonly directory: NodeDirectory;
  readonly tokens: TokenJudge | undefined;
  /** Asks for proof where no token gives it; undefined: call control does. */
  readonly digest: DigestJudge | undefined;
  /** A REGISTER to this node was never answered. */
  readonly suspect: (node: SipNode) => void;
  readonly nowMs: () => number;
  readonly count: (event: string, reason?: string) => void;
  readonly refuse: (server: ServerTransaction, refusal: Refusal) => void;
}

/** Sends a client's REGISTER on; everything after is answered through `server`. */
export function forwardRegister(
  server: ServerTransaction,
  outgoing: Outgoing,
  options: RegisterPassageOptions,
): void {
  const nodes = outgoing.targets.flatMap((target) => (target.kind === 'node' ? [target.node] : []));
  const isProven = options.digest !== undefined || isCredentialed(outgoing.request);
  const proceed = (refusal: Refusal | undefined): void => {
    if (refusal === undefined) attempt(server, outgoing, nodes, { ...options, isProven });
    else options.refuse(server, refusal);
  };
  // The verdict on a token may have to wait for keys or the store.
  const judged = judge(outgoing, nodes, options);
  if (judged instanceof Promise) void judged.then(proceed);
  else proceed(judged);
}

/** A token that nobody here can judge proves nothing where core is to ask for proof. */
function judge(
  { request, edge }: Outgoing,
  nodes: readonly SipNode[],
  { tokens, digest }: RegisterPassageOptions,
): Refusal | undefined | Promise<Refusal | undefined> {
  const isToken = tokens !== undefined && hasBearer(request);
  if (digest === undefined || isToken) return judgeToken(request, nodes, tokens);
  return judgeDigest(request, edge, nodes, digest);
}

/** Whether the client shows anything that somebody can judge. */
function isCredentialed({ headers }: SipRequest): boolean {
  return headers.get('Authorization') !== undefined || headers.get('Proxy-Authorization') !== undefined;
}

interface Attempt extends RegisterPassageOptions {
  /** Somebody asked for proof, as far as core can tell. */
  readonly isProven: boolean;
}

function attempt(
  server: ServerTransaction,
  outgoing: Outgoing,
  nodes: readonly SipNode[],
  options: Attempt,
): void {
  const [node, ...others] = nodes;
  if (node === undefined) return replyFailure(server, 'transport');
  const { sender, directory, nowMs, count } = options;
  const isLast = others.length === 0;
  const request = isLast ? outgoing.request : outgoing.request.clone();
  const plan = planRegister(request, outgoing.owner.flow, node, options);
  if (isRefusal(plan)) return options.refuse(server, plan);
  const target = { kind: 'node', node } as const;
  sender.writeHop(request, outgoing, target, sender.newCallId(), false);
  let isOver = false;
  const finish = (response: SipResponse | undefined): void => {
    if (isOver) return;
    isOver = true;
    if (response?.isSuccess === true) {
      if (!options.isProven) count('registration-unproven');
      settle(plan, response, options);
    } else dropRegister(plan, options.table);
  };
  sender.send(request, target, {
    onResponse: (response) => {
      if (response.status < 200) return passBack(server, response, count);
      directory.answered(node);
      finish(response);
      if (response.status === 503 && !isLast) return attempt(server, outgoing, others, options);
      passBack(server, response, count);
    },
    onFailure: (failure) => {
      finish(undefined);
      count('request-failed', failure);
      directory.failed(node, nowMs());
      if (failure === 'timeout') options.suspect(node);
      if (isLast) replyFailure(server, failure);
      else attempt(server, outgoing, others, options);
    },
  });
}

/** A 2xx whose Contact cannot be read grants nothing. */
function settle(plan: RegisterPlan, response: SipResponse, options: RegisterPassageOptions): void {
  try {
    settleRegister(plan, response, options, options.nowMs());
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
    options.count('response-unreadable');
    dropRegister(plan, options.table);
  }
}
