// Single sign-on as a client's embedded browser walks it: edge → identity provider → edge → token → the doors it opens
// (mra-wire §2.1, §2.3).
import { Resolver } from 'node:dns/promises';
import { addressPlan } from '../address-plan.ts';
import { parseEdgeConfig } from '../client/edge-config.ts';
import type { EdgeRequests, EdgeResponse } from '../client/edge-requests.ts';
import { readForm, type Site, visit } from '../client/web-page.ts';
import type { Lab } from '../lab.ts';
import { expectThat } from '../proof.ts';
import { type Person, requestTimeoutMs } from './road-state.ts';

const query = `authorize?response_type=token&client_id=C${'0'.repeat(64)}&device_id=LAB-1&state=42`;

/** Signs in without a password ever passing the edge. Closes `requests`. */
export async function signOn(requests: EdgeRequests, lab: Lab, { user, device }: Person): Promise<string> {
  try {
    const begun = await requests.toEdge(query);
    expectStatus(begun, 302);
    const brought = await signInAtProvider(lab, new URL(String(begun.headers['location'])), user);
    const done = await requests.postToEdge('fedlet', brought);
    expectStatus(done, 303);
    const grant = new URLSearchParams(new URL(String(done.headers['location'])).hash.slice(1));
    const token = grant.get('access_token') ?? '';
    expectThat(grant.get('state') === '42', 'the state did not come back');
    const settings = await requests.toEdge('get_edge_config?service_name=_cisco-uds', { token });
    expectStatus(settings, 200);
    const { tftp, userUds } = parseEdgeConfig(settings.body.toString('utf8'));
    const lane = { protocol: 'http', host: tftp[0] ?? userUds, port: 6970 } as const;
    const file = await requests.throughLane(lane, `${device.name}.cnf.xml`, { token });
    expectStatus(file, 200);
    const again = await requests.postToEdge('fedlet', brought);
    expectStatus(again, 403);
    return `signed assertion, token for ${Number(grant.get('expires_in')) / 3600} h; the same assertion again is refused`;
  } finally {
    requests.close();
  }
}

/** Fills in the provider's form; what its page would post to the edge. */
async function signInAtProvider(
  lab: Lab,
  url: URL,
  { id, password }: Person['user'],
): Promise<Readonly<Record<string, string>>> {
  const { outsideDns, client } = addressPlan;
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  resolver.setServers([`${outsideDns.address}:${outsideDns.port}`]);
  const [address = ''] = await resolver.resolve4(url.hostname);
  const site: Site = {
    address,
    authority: lab.files.publicAuthority,
    localAddress: client.address,
    timeoutMs: requestTimeoutMs,
  };
  const asked = readForm(await visit(site, url));
  expectThat(asked !== undefined, 'the identity provider shows no form');
  const page = await visit(site, new URL(asked?.action ?? '', url), { ...asked?.fields, user: id, password });
  const carried = readForm(page);
  expectThat(carried?.fields['SAMLResponse'] !== undefined, 'the identity provider brought no response');
  return carried?.fields ?? {};
}

function expectStatus(answer: EdgeResponse, status: number): void {
  expectThat(answer.status === status, `wanted ${status}, got ${answer.status}`);
}
