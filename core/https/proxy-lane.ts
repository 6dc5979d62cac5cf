// The proxy lane: a request for a server inside. Decided by auth on the canonical form, forwarded in that same form, to
// the address pinned at discovery and not to what the lane's host resolves to (T-103, T-110).
import type { LaneAccess, LaneDecision, ListedNode, Verdict } from '../../auth/index.ts';
import type { CallControlNode, UnifiedCm } from '../unified-cm/index.ts';
import { answerDeny, answerStatus } from './answers.ts';
import type { Call } from './call.ts';
import type { Onboarding, OnboardingDecision } from './onboarding.ts';
import { pass, type PassOptions, type ProxyTarget } from './pass.ts';

export interface ProxyLaneOptions extends PassOptions {
  readonly access: LaneAccess;
  /** Undefined while onboarding is switched off. */
  readonly onboarding: Onboarding | undefined;
  readonly unifiedCm: PassOptions['unifiedCm'] & Pick<UnifiedCm, 'discovered'>;
}

/** Handles one request; `rest` is the canonical path inside. */
export type ProxyLane = (call: Call, lane: ProxyTarget, rest: string) => Promise<void>;

export function createProxyLane(options: ProxyLaneOptions): ProxyLane {
  return (call, lane, rest) => handle(options, call, lane, rest);
}

async function handle(options: ProxyLaneOptions, call: Call, lane: ProxyTarget, rest: string): Promise<void> {
  const { request } = call.exchange;
  const device = await options.onboarding?.(call, lane, rest);
  if (device !== undefined) return conclude(options, call, lane, rest, device);
  const lines = request.headers.all('authorization');
  const { protocol, host, port } = lane;
  const decision = await options.access({
    deployment: call.deployment,
    // Two Authorization lines would be read one way here and perhaps another way inside.
    authorization: lines.length > 1 ? '' : lines[0],
    clientAddress: call.trace.clientAddress,
    cookies: request.headers.all('cookie'),
    method: request.method,
    protocol,
    host,
    port,
    path: rest,
  });
  call.record.user(decision.user);
  call.record.claimed(decision.claimed);
  conclude(options, call, lane, rest, decision);
}

/** Does what was decided. */
function conclude(
  options: ProxyLaneOptions,
  call: Call,
  lane: ProxyTarget,
  rest: string,
  decision: Pick<LaneDecision, 'verdict' | 'listing'> & Partial<Pick<OnboardingDecision, 'answered'>>,
): void {
  const { protocol, port } = lane;
  call.record.listing(decision.listing);
  const node = decision.listing?.outcome === 'listed' ? nodeOf(options, decision.listing.node) : undefined;
  const verdict = refineVerdict(options, call, decision.verdict, node);
  if (verdict.outcome === 'deny' || node === undefined) return deny(options, call, verdict);
  options.count('request-allowed', verdict.reason);
  call.record.allowed(verdict.reason, verdict.text);
  pass(options, call, lane, rest, { node, protocol, port }, decision.answered);
}

/** What is not known because discovery has not come through yet is no "forbidden". */
function refineVerdict(
  options: ProxyLaneOptions,
  call: Call,
  verdict: Verdict,
  node: CallControlNode | undefined,
): Verdict {
  const missing = verdict.outcome === 'deny' ? verdict.reason === 'node-unknown' : node === undefined;
  if (!missing || options.unifiedCm.discovered(call.deployment)) return verdict;
  return {
    outcome: 'deny',
    code: 503,
    reason: 'unreachable',
    text: 'the nodes are not discovered yet',
    retryAfterS: 5,
  };
}

function deny(options: ProxyLaneOptions, call: Call, verdict: Verdict): void {
  if (verdict.outcome === 'allow') {
    // The node left between the decision and now.
    options.count('request-refused', 'node-unknown');
    call.record.rejected('node-unknown', 'the node has left its cluster');
    return answerStatus(call.exchange, 403);
  }
  options.count('request-refused', verdict.reason);
  call.record.rejected(verdict.reason, verdict.text);
  answerDeny(call.exchange, verdict);
}

function nodeOf(options: ProxyLaneOptions, listed: ListedNode): CallControlNode | undefined {
  return options.unifiedCm
    .nodes()
    .find(({ name, cluster }) => name === listed.name && cluster === listed.cluster);
}
