// From core's configuration to the decision whether a client may call or transfer.
import { compileDialPolicy } from '../../auth/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { dialTarget, type CoreSipOptions } from '../sip/index.ts';

type Policy = NonNullable<CoreSipOptions['policy']>;

/** The dial policy; the caller's deployment is that of its address's domain. */
export function dialPolicy({ dialPolicy: section, domains }: CoreConfig): Policy {
  const judge = compileDialPolicy(section.rules, section.otherwise);
  const deployments = new Map(domains.map(({ name, deployment }) => [name.toLowerCase(), deployment]));
  return (request, aor, isOurs) => {
    const target = dialTarget(request);
    if (target === undefined) return undefined;
    if (target === 'unreadable') return { status: 400, reason: 'Malformed Refer-To' };
    const goesElsewhere = target.host !== undefined && !isOurs(target.host);
    if (request.method === 'REFER' && goesElsewhere && section.referElsewhere === 'deny')
      return { status: 403, reason: 'Transfer Outside Not Allowed' };
    const deployment = deployments.get(aor.slice(aor.lastIndexOf('@') + 1));
    const denied = judge({ deployment, user: aor, targets: target.forms });
    return denied && { status: 403, reason: `Not Allowed By Dial Policy (${denied.rule})` };
  };
}
