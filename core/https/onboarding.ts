// A phone that has an activation code and nothing else (mra-wire §11): no user, no password, no token. It proves itself
// to edge with its manufacturer's certificate, and to Unified CM with the code. Core lets it reach the paths that the
// operator names, on discovered Unified CM nodes, and counts what Unified CM refuses, per device and per address, so that
// a code cannot be guessed (T-131): 16 digits at eight failures in 300 s take longer than the code lives.
import {
  type AllowList,
  type AllowRule,
  compileAllowList,
  type Listing,
  type RateControl,
  type SignInGuard,
  type Verdict,
} from '../../auth/index.ts';
import { allow, deny } from '../../auth/verdict.ts';
import type { ClusterOptions, UnifiedCm } from '../unified-cm/index.ts';
import type { Call } from './call.ts';
import type { DeviceCertificate } from './device-certificate.ts';
import type { ProxyTarget } from './pass.ts';

export interface OnboardingOptions {
  /** Canonical paths on Unified CM below which a device may ask. */
  readonly paths: readonly string[];
  readonly clusters: readonly Pick<ClusterOptions, 'name' | 'deployment' | 'ports'>[];
  readonly unifiedCm: Pick<UnifiedCm, 'nodes'>;
  readonly guard: Pick<SignInGuard, 'checkAddress'>;
  /** Counts failures here, not attempts. */
  readonly rate: RateControl;
  readonly count: (event: string, reason?: string) => void;
}

export interface OnboardingDecision {
  readonly verdict: Verdict;
  readonly listing: Listing;
  /** To be told the status of the answer. */
  readonly answered: (status: number) => void;
}

/** Undefined when the request is none of onboarding: it brings credentials, or asks for something else. */
export type Onboarding = (
  call: Call,
  lane: ProxyTarget,
  rest: string,
) => Promise<OnboardingDecision | undefined>;

const METHODS = ['GET', 'POST'];

export function createOnboarding(options: OnboardingOptions): Onboarding {
  const rules = options.clusters.flatMap((cluster) => rulesOf(cluster, options.paths));
  let nodes: ReturnType<UnifiedCm['nodes']> | undefined;
  let list: AllowList = compileAllowList(rules, []);
  const current = (): AllowList => {
    const now = options.unifiedCm.nodes();
    if (now !== nodes) list = compileAllowList(rules, now);
    nodes = now;
    return list;
  };
  return async (call, { protocol, host, port }, rest) => {
    const { headers, method } = call.exchange.request;
    if (headers.all('authorization').length > 0 || headers.all('cookie').length > 0) return undefined;
    const { deployment } = call;
    const listing = current().decide({ deployment, method, protocol, host, port, path: rest });
    if (listing.outcome !== 'listed') return undefined;
    const device = call.trace.deviceCertificate;
    const verdict = await judge(options, call, device, listing.text);
    return { verdict, listing, answered: (status) => note(options, call, device, status) };
  };
}

function rulesOf(
  { name, deployment, ports }: OnboardingOptions['clusters'][number],
  paths: readonly string[],
): AllowRule[] {
  return paths.map((path) => ({
    type: 'Onboarding rule',
    protocol: 'https',
    host: { kind: 'unified-cm', cluster: name },
    port: ports.web,
    path,
    match: 'prefix',
    methods: METHODS,
    deployment,
  }));
}

async function judge(
  { guard, rate }: OnboardingOptions,
  { deployment, trace }: Call,
  device: DeviceCertificate | undefined,
  listed: string,
): Promise<Verdict> {
  const kept = guard.checkAddress(trace.clientAddress);
  if (kept !== undefined) return kept;
  if (device === undefined)
    return deny(
      403,
      'device-unproven',
      'no device certificate was proven at edge (https.client-authorities)',
    );
  try {
    for (const key of keysOf(device, trace.clientAddress)) {
      const limited = await rate.check(deployment, key);
      if (limited !== undefined) return limited;
    }
  } catch (error) {
    return deny(503, 'store-unavailable', `the store of rate counters failed: ${String(error)}`, 1);
  }
  return allow('device', `device ${device.subject} (${device.fingerprint.slice(0, 16)}), ${listed}`);
}

/** No user id begins like these. */
function keysOf(device: DeviceCertificate, address: string | undefined): string[] {
  const keys = [`/device/${device.fingerprint}`];
  return address === undefined ? keys : [...keys, `/address/${address}`];
}

/** What Unified CM refuses may be a guess. */
function note(
  { rate, count }: OnboardingOptions,
  { deployment, trace }: Call,
  device: DeviceCertificate | undefined,
  status: number,
): void {
  if (device === undefined || status < 400 || status >= 500) return;
  count('onboarding-refused');
  for (const key of keysOf(device, trace.clientAddress))
    rate.count(deployment, key).catch(() => count('store-failed'));
}
