// Core's configuration file: the process inside. It dials the edge, decides every request and speaks to call control.
// Every key has its prose, default, unit and range here and nowhere else.
import { z } from 'zod';
import { allowListSection } from './allow-list-section.ts';
import { dialSection } from './dial-section.ts';
import { intrusionSection } from './intrusion-section.ts';
import { directory } from './ldap-section.ts';
import { coreLinks } from './link-sections.ts';
import { oauthKeys, oauthSection } from './oauth-section.ts';
import { samlSection } from './saml-section.ts';
import { secret } from './secret.ts';
import {
  adminSection,
  hasSections,
  logSection,
  mediaDscp,
  mediaEngine,
  mediaShards,
  stateDirectory,
  zoneFiles,
} from './sections.ts';
import {
  choice,
  count,
  duration,
  host,
  hostName,
  isNameServer,
  ipAddress,
  ipRange,
  port,
  mediaPortRange,
  size,
  toggle,
} from './units.ts';
import { coreXmpp } from './xmpp-sections.ts';

const name = (what: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 _-]{0,63}$/, {
      error: (issue) => `${JSON.stringify(issue.input)} is not ${what}`,
    })
    .meta({ allowed: `${what}: letters, digits, space, - and _, 64 at most` });

const domain = z.strictObject({
  name: hostName().describe('Domain of the users: the right side of their addresses.'),
  deployment: name('a deployment name')
    .default('default')
    .describe('The deployment (partition) the domain belongs to.'),
  messaging: toggle(true).describe('Whether its users may use messaging from outside.'),
});

const unifiedCm = z.strictObject({
  publisher: host().describe('Publisher of the Unified CM cluster; its other nodes are discovered from it.'),
  deployment: name('a deployment name')
    .default('default')
    .describe('The deployment (partition) the cluster belongs to.'),
  authority: secret()
    .optional()
    .describe(
      'PEM: certificate authorities that sign the nodes’ certificates. Default: the system’s. Names are always verified.',
    ),
  'uds-port': port(8443).describe('Port of the user data service.'),
  'file-ports': z
    .strictObject({
      http: port(6970).describe('Configuration files over HTTP.'),
      https: port(6972).describe('Configuration files over HTTPS.'),
    })
    .prefault({})
    .describe('Ports of the configuration file service.'),
  'headset-port': port(6971).describe('Headset templates over HTTPS.'),
  'oauth-keys': oauthKeys.optional().describe('Token keys of the cluster, for OAuth with refresh.'),
  'static-nodes': z
    .array(
      z.strictObject({
        name: host().describe('Name of the node, which its certificate must cover.'),
        kind: z
          .enum(['unified-cm', 'tftp', 'im-presence', 'unity'])
          .meta({ allowed: 'unified-cm, tftp, im-presence or unity' })
          .describe('What the node is.'),
        address: ipAddress().optional().describe('Where it is. Default: the name is looked up.'),
      }),
    )
    .default([])
    .describe('Nodes that discovery does not find.'),
  sip: z
    .strictObject({
      transport: choice(['tcp', 'tls', 'oauth'], 'tcp').describe(
        'Which automatic zone lines use: CEtcp- (clear), CEtls- (mixed mode), CEOAuth- (SIP OAuth).',
      ),
      'tcp-port': port(5060).describe('Clear SIP port of the nodes.'),
      'tls-port': port(5061).describe('TLS SIP port of the nodes.'),
      'oauth-port': port(5091).describe('SIP OAuth port for off-premises lines.'),
    })
    .prefault({})
    .describe('SIP lines of the nodes.'),
  'ice-passthrough': toggle(false).describe(
    'Let keys and ICE candidates of calls go to these nodes as they came, so that clients outside send media to each other directly. Needs sip transport tls or oauth, and ice-passthrough of media.',
  ),
  tftp: z
    .array(host())
    .max(2)
    .optional()
    .describe('TFTP servers told to clients, primary first. Default: discovered nodes.'),
  'refresh-interval': duration('5 s', '1 d', '5 min').describe('How often the node list is asked for again.'),
  'retry-interval': duration('1 s', '10 min', '5 s').describe('How soon a node that failed is asked again.'),
  'request-timeout': duration('1 s', '60 s', '5 s').describe('Longest wait for one answer of a node.'),
});

const edge = z.strictObject({
  name: hostName().describe('The edge, as named in the zone file.'),
  'public-name': hostName()
    .optional()
    .describe('The name in its public certificate. Default: its name in the zone file.'),
  'cookie-domain': hostName()
    .optional()
    .describe(
      'Domain of the X-Auth cookie; the public name must lie in it. Default: the public name without its first label.',
    ),
  'https-port': port(8443).describe('Where clients reach its HTTPS door.'),
  'sip-port': port(5061).describe('Where clients reach its SIP door.'),
  'xmpp-port': port(5222).describe('Where clients reach its messaging door.'),
});

const access = z
  .strictObject({
    authentication: choice(['none', 'ucm-ldap', 'saml', 'saml-and-ucm-ldap'], 'ucm-ldap').describe(
      'How people prove who they are: against Unified CM (its own or its LDAP passwords), at an identity provider, either, or not at all, which closes the door.',
    ),
    'authorize-by-oauth-token-with-refresh': toggle(false).describe(
      'Self-describing tokens of Unified CM, verified by core at every door. Needs the keys of every cluster (oauth-keys).',
    ),
    'authorize-by-oauth-token': toggle(false).describe(
      'Simple tokens, issued by core after single sign-on. Needs a SAML path, and a SAML path needs it.',
    ),
    'simple-token-lifetime': duration('1 min', '7 d', '480 min').describe(
      'How long a simple token is good; the identity provider may end it sooner.',
    ),
    'sip-token-extra-time-to-live': duration('0 s', '172800 s', '0 s').describe(
      'How much longer a simple token lets a phone register: calls can still come in after its end.',
    ),
    'ios-embedded-safari': toggle(false).describe(
      'Hand simple tokens to apps through their own URL scheme. Another app that registers the same scheme could catch them.',
    ),
    'client-redirect-uri': toggle(false).describe(
      'Take a client’s own https redirect URI (Webex and Jabber with an embedded browser).',
    ),
    'redirect-uris': z
      .array(
        z
          .string()
          .regex(/^[a-z][a-z0-9+.-]*:\/\/[^\s#"<>\\]{1,512}$/)
          .refine((text) => URL.canParse(text) && !/^(?:http|javascript|data|file|vbscript):/.test(text))
          .meta({ allowed: 'an https URI or one of an app’s own scheme, without fragment' }),
      )
      .max(32)
      .default([])
      .describe('Redirect URIs that clients may name, letter for letter.'),
    'authorize-by-user-credential': toggle(true).describe('Name and password with each sign-in (Basic).'),
    'internal-authentication-check': toggle(false).describe(
      'Ask the user’s home cluster whether it offers tokens before answering get_edge_sso. Strangers can then make core ask, within bounds; without it everybody gets one answer. Needs tokens.',
    ),
    'activation-code-onboarding': toggle(false).describe(
      'Let phones with an activation code reach Unified CM before they have a user: they prove themselves with their manufacturer’s certificate (https.client-authorities of every edge). Needs tokens with refresh, which is how an onboarded phone signs in, and onboarding-paths.',
    ),
    'onboarding-paths': z
      .array(
        z
          .string()
          .regex(/^\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*\/?$/)
          .meta({ allowed: 'a path of letters, digits, - . _ ~, such as /service/' }),
      )
      .max(16)
      .default([])
      .describe(
        'Paths of Unified CM’s device activation service, below which such a phone may ask. No public page names them: they are in the log of a phone that is onboarded inside.',
      ),
  })
  .refine((section) => !section['activation-code-onboarding'] || section['onboarding-paths'].length > 0, {
    path: ['onboarding-paths'],
    error: 'names no path: activation-code-onboarding would open nothing',
  })
  .prefault({})
  .describe('Access control.');

const credentials = z
  .strictObject({
    lifetime: duration('1 min', '7 d', '480 min').describe(
      'How long a checked password and its X-Auth cookie are good.',
    ),
    'purge-interval': duration('1 min', '7 d', '720 min').describe(
      'How often expired credentials are removed.',
    ),
    'max-entries': count(100, 10_000_000, 100_000).describe('Credentials remembered at once.'),
    'cookie-expires': toggle(true).describe(
      'Give the cookie an Expires date. Off makes it a session cookie.',
    ),
    'cookie-http-only': toggle(true).describe('Mark the cookie HttpOnly.'),
  })
  .prefault({})
  .describe('Credential cache and cookie.');

const rateControl = z
  .strictObject({
    logins: count(0, 100, 8).describe(
      'Authorisations per user and period, over all devices. 0 switches the limit off.',
    ),
    period: duration('1 s', '86400 s', '300 s').describe('The period.'),
  })
  .prefault({})
  .describe('Authorisation rate control; above it a client gets 429 with Retry-After.');

const sip = z
  .strictObject({
    address: ipAddress().describe(
      'Address that call control sees: in Contact, Via, Record-Route, media. No NAT may stand here.',
    ),
    'tcp-port': port(5060).describe('TCP port where call control connects back.'),
    'tls-port': port(5061).describe('TLS port where call control connects back.'),
    certificate: z
      .strictObject({
        chain: secret().describe('PEM: certificate and its intermediates.'),
        key: secret().describe('PEM: private key.'),
      })
      .optional()
      .describe('Certificate shown to call control over TLS. Without it the TLS port stays closed.'),
    'inside-peers': choice(['nodes', 'any'], 'nodes').describe(
      'Who may connect to core’s SIP ports: discovered nodes only, or any inside host.',
    ),
    'require-node-certificate': toggle(true).describe(
      'A node that connects to the TLS port must show a certificate of the cluster’s authority.',
    ),
    'register-authentication': choice(['call-control', 'core'], 'call-control').describe(
      'Who asks a phone that registers without a token for proof. Call control: its challenge is passed through, and its security profiles must demand a digest, or anybody registers. Core: it asks for a digest by the password of the last sign-in, under the edge’s public name.',
    ),
    'digest-algorithms': z
      .array(z.enum(['MD5', 'SHA-256']).meta({ allowed: 'MD5 or SHA-256' }))
      .min(1)
      .max(2)
      .default(['MD5'])
      .describe('Digests that core offers, best first (RFC 8760). Many phones know only the first.'),
    'path-headers': toggle(false).describe(
      'Put core into Path (RFC 3327) and leave Contact alone: needed for shared and multiple lines.',
    ),
    'hop-count': count(1, 70, 15).describe(
      'Most hops a request may still go: Max-Forwards is lowered to this.',
    ),
    'max-message': size('4 KiB', '1 MiB', '32 KiB').describe('Largest SIP message.'),
    'connect-timeout': duration('1 s', '60 s', '10 s').describe('Longest connect to a node.'),
    'require-registration': toggle(true).describe(
      'Only a connection that has registered may send other requests, and only as its registered address.',
    ),
    'max-registrations': count(1, 1_000_000, 20_000).describe('Registrations held at once.'),
    'max-registrations-per-user': count(1, 1_000, 50).describe(
      'Registrations one address may hold at once. A device that changes networks leaves old ones until they expire.',
    ),
    'max-calls-per-user': count(1, 10_000, 10).describe(
      'Calls one registered address may have at once, half-open ones included.',
    ),
    'setup-timeout': duration('10 s', '10 min', '180 s').describe(
      'Longest ringing time before a call is given up.',
    ),
  })
  .describe('The SIP side towards call control.');

const media = z
  .strictObject({
    engine: mediaEngine,
    shards: mediaShards,
    dscp: mediaDscp,
    ports: mediaPortRange('36000-59999').describe('UDP ports towards inside devices.'),
    'inside-encryption': choice(['off', 'best-effort', 'on'], 'off').describe(
      'SRTP on the inside leg: never, when the device offers it, or always.',
    ),
    'ice-passthrough': toggle(false).describe(
      'ICE passthrough of the traversal zones: with it and ice-passthrough of a cluster, two clients outside agree on a media path of their own and the pair stays their last choice. Needs inside-encryption best-effort or on.',
    ),
    'denied-candidates': z
      .array(ipRange())
      .max(256)
      .default([])
      .describe(
        'Ranges that no ICE candidate of a client may name, besides loopback, link-local and multicast: the company’s own networks belong here, so that nobody makes a device inside look for them.',
      ),
    'inactivity-timeout': duration('10 s', '1 h', '60 s').describe(
      'A call without one good packet for this long is reported.',
    ),
    'on-inactivity': choice(['report', 'end'], 'report').describe(
      'What happens to such a call besides: nothing, or it is hung up at both ends. A call on hold is never ended.',
    ),
  })
  .prefault({})
  .describe('Media sessions: SRTP outside, RTP or SRTP inside.');

interface Served {
  readonly domains: readonly { readonly name: string; readonly deployment: string }[];
  readonly clusters?: readonly { readonly deployment: string }[];
  readonly 'unified-cm'?: readonly { readonly deployment: string }[];
}

/** Domains whose deployment has no cluster that could check their users' passwords. */
function unserved(config: Served): string[] {
  const served = new Set((config.clusters ?? config['unified-cm'] ?? []).map(({ deployment }) => deployment));
  return config.domains.filter(({ deployment }) => !served.has(deployment)).map(({ name }) => name);
}

interface NamedCluster {
  readonly publisher: string;
  readonly deployment: string;
  readonly 'static-nodes': readonly { readonly name: string }[];
}

/** Nodes that two clusters name in different deployments, and clusters that stand twice. */
function sharedNodes(clusters: readonly NamedCluster[]): string[] {
  const homes = new Map<string, Set<string>>();
  for (const [index, { publisher, deployment, 'static-nodes': nodes }] of clusters.entries()) {
    const mark = (name: string, home: string): void => {
      const key = name.toLowerCase();
      homes.set(key, (homes.get(key) ?? new Set()).add(home));
    };
    mark(publisher, `${deployment} ${index}`);
    for (const { name: node } of nodes)
      if (node.toLowerCase() !== publisher.toLowerCase()) mark(node, deployment);
  }
  return [...homes].filter(([, of]) => of.size > 1).map(([node]) => node);
}

/** Federated domains that are nobody's users' domain and below none. */
function strangersAmong(
  domains: readonly { readonly name: string }[],
  federated: readonly string[],
): string[] {
  return federated.filter(
    (name) => !domains.some((one) => name === one.name || name.endsWith(`.${one.name}`)),
  );
}

function hasImPresence(clusters: readonly { 'static-nodes': readonly { kind: string }[] }[]): boolean {
  return clusters.some((cluster) => cluster['static-nodes'].some(({ kind }) => kind === 'im-presence'));
}

interface WithDirectories {
  readonly ldap: readonly { readonly deployment: string }[];
  readonly domains: readonly { readonly deployment: string }[];
}

/** What is wrong with the deployments that directories name; undefined when nothing is. */
function directoryProblem({ ldap, domains }: WithDirectories): string | undefined {
  const names = ldap.map(({ deployment }) => deployment);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return `${twice}: a deployment has one directory at most`;
  const unknown = names.find((name) => !domains.some(({ deployment }) => deployment === name));
  return unknown === undefined ? undefined : `${unknown}: no domain is in this deployment`;
}

interface SamlDomains {
  readonly domains?: readonly { readonly name: string }[];
  readonly saml?:
    | {
        readonly 'identity-providers': readonly {
          readonly name: string;
          readonly domains: readonly string[];
        }[];
      }
    | undefined;
}

/** A domain of an identity provider is one of ours, and of one provider only. */
function checkSamlDomains({ domains = [], saml }: SamlDomains, context: z.RefinementCtx): void {
  const owners = new Map<string, string>();
  saml?.['identity-providers'].forEach((provider, index) => {
    const path = ['saml', 'identity-providers', index, 'domains'];
    for (const name of provider.domains) {
      const owner = owners.get(name);
      if (owner !== undefined)
        context.addIssue({
          code: 'custom',
          path,
          message: `${name} belongs to ${owner} already: take it away there to transfer it`,
        });
      if (!domains.some((domain) => domain.name === name))
        context.addIssue({ code: 'custom', path, message: `${name} is none of the domains of this core` });
      owners.set(name, provider.name);
    }
  });
}

export const coreSchema = z
  .strictObject({
    core: z
      .strictObject({ name: hostName().describe('Name of this core: as in the zone file.') })
      .describe('Who this core is.'),
    zones: zoneFiles,
    'dns-servers': z
      .array(
        z
          .string()
          .refine(isNameServer, { error: (issue) => `${JSON.stringify(issue.input)} is no name server` })
          .meta({ allowed: 'ADDRESS, IPV4:PORT or [IPV6]:PORT' }),
      )
      .max(5)
      .default([])
      .describe(
        'Name servers that core asks for the names of call control and the edges. Default: the system’s resolver.',
      ),
    domains: z.array(domain).min(1).describe('Domains whose users may come in.'),
    'unified-cm': z.array(unifiedCm).min(1).describe('Unified CM clusters.'),
    edges: z
      .array(edge)
      .default([])
      .describe(
        'How clients reach the edges, where that differs from the zone file. Core tells clients what stands here, never what an edge says.',
      ),
    access,
    oauth: oauthSection,
    saml: samlSection.optional(),
    'http-allow-list': allowListSection,
    links: coreLinks,
    credentials,
    ldap: z
      .array(directory)
      .default([])
      .describe(
        'Directories that judge passwords in place of Unified CM, one for each deployment at most. Users and their home clusters are still found in Unified CM.',
      ),
    'rate-control': rateControl,
    'intrusion-protection': intrusionSection(
      {
        'http-resource': [
          false,
          'Requests of one user at one address that no rule of the allow list permits. Honest clients ask for much that is not there: leave it off unless you hunt somebody.',
        ],
        'xmpp-auth': [true, 'Failed messaging sign-ins: laid as in http-auth.'],
        'http-auth': [
          true,
          'Wrong passwords of one user at one address; unknown users and forged tokens of an address.',
        ],
      },
      {},
    ),
    sip,
    'dial-policy': dialSection,
    media,
    xmpp: coreXmpp,
    'state-directory': stateDirectory,
    admin: adminSection,
    log: logSection,
  })
  .refine(({ domains, 'unified-cm': clusters }) => unserved({ domains, clusters }).length === 0, {
    path: ['domains'],
    error: ({ input }) => `${unserved(input as Served).join(', ')}: the deployment has no Unified CM cluster`,
    when: ({ value }) => hasSections(value, ['domains', 'unified-cm']),
  })
  .refine(({ domains }) => new Set(domains.map(({ name }) => name)).size === domains.length, {
    path: ['domains'],
    error: 'has a domain twice; a domain is in exactly one deployment',
    when: ({ value }) => hasSections(value, ['domains']),
  })
  .refine((config) => directoryProblem(config) === undefined, {
    path: ['ldap'],
    error: ({ input }) => directoryProblem(input as WithDirectories),
    when: ({ value }) => hasSections(value, ['ldap', 'domains']),
  })
  .refine(({ 'unified-cm': clusters }) => sharedNodes(clusters).length === 0, {
    path: ['unified-cm'],
    error: ({ input }) => {
      const nodes = sharedNodes((input as { 'unified-cm': readonly NamedCluster[] })['unified-cm']);
      return `${nodes.join(', ')}: named twice; a cluster stands once, and a node is in exactly one deployment`;
    },
    when: ({ value }) => hasSections(value, ['unified-cm']),
  })
  .refine(({ xmpp, 'unified-cm': clusters }) => !xmpp.enabled || hasImPresence(clusters), {
    path: ['xmpp', 'enabled'],
    error: 'needs a static node of kind im-presence in a unified-cm cluster',
    when: ({ value }) => hasSections(value, ['xmpp', 'unified-cm']),
  })
  .refine(({ xmpp }) => !xmpp.federation.enabled || xmpp.enabled, {
    path: ['xmpp', 'federation', 'enabled'],
    error: 'needs xmpp.enabled, whose link it uses',
    when: ({ value }) => hasSections(value, ['xmpp']),
  })
  .refine(({ domains, xmpp }) => strangersAmong(domains, xmpp.federation.domains).length === 0, {
    path: ['xmpp', 'federation', 'domains'],
    error: 'has a domain that is neither under domains nor below one of them',
    when: ({ value }) => hasSections(value, ['domains', 'xmpp']),
  })
  .refine(
    ({ access: { 'authorize-by-oauth-token-with-refresh': on }, 'unified-cm': clusters }) =>
      !on || clusters.every((cluster) => cluster['oauth-keys'] !== undefined),
    {
      path: ['access', 'authorize-by-oauth-token-with-refresh'],
      error: 'needs oauth-keys at every Unified CM cluster, or its users’ tokens could not be read',
      when: ({ value }) => hasSections(value, ['access', 'unified-cm']),
    },
  )
  .refine(
    ({ 'unified-cm': clusters }) =>
      clusters.every(({ 'ice-passthrough': on, sip: { transport } }) => !on || transport !== 'tcp'),
    {
      path: ['unified-cm'],
      error: 'has ice-passthrough with sip transport tcp: keys would cross in the clear; use tls or oauth',
      when: ({ value }) => hasSections(value, ['unified-cm']),
    },
  )
  .refine(({ media: { 'ice-passthrough': on, 'inside-encryption': inside } }) => !on || inside !== 'off', {
    path: ['media', 'ice-passthrough'],
    error: 'needs inside-encryption best-effort or on: the clients’ own keys must reach the far client',
    when: ({ value }) => hasSections(value, ['media']),
  })
  .refine(
    ({ access: { authentication }, saml }) => !authentication.startsWith('saml') || saml !== undefined,
    {
      path: ['access', 'authentication'],
      error: 'needs a saml section',
      when: ({ value }) => hasSections(value, ['access']),
    },
  )
  .superRefine(checkSamlDomains)
  .describe('Configuration of a Viaduct core.');
