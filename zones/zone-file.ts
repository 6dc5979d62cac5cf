// The traversal-zone file: what one peer must know to join a zone. Written by `viaduct pair`, one file per peer, so
// that joining is copying a file. It names every peer and pins its keys; nothing else is believed (T-144).
// Trusts: the file's owner. Does not read files or check modes; the configuration loader does.
import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { isIP } from 'node:net';
import { z } from 'zod';
import { sshFingerprint } from './ssh/fingerprint.ts';

const PEER_NAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*$/;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

const peerName = z
  .string()
  .regex(PEER_NAME, 'a host name in lower case, such as edge.example.com')
  .describe('The pinned name of the peer: exactly the name in its certificate. It need not resolve in DNS.');
const fingerprint = z
  .string()
  .regex(FINGERPRINT, 'SHA256: followed by 43 base64 characters, as ssh-keygen -l prints it');
const port = z.int().min(1).max(65_535);

/** A name whose last label is a number would be a mistyped address. */
const isDialable = (text: string): boolean =>
  isIP(text) !== 0 || (PEER_NAME.test(text) && !/(?:^|\.)\d+$/.test(text));

/** The zone file's content, before the identity is resolved. Every key carries the sentence the operator reads. */
export const zoneFileSchema = z.strictObject({
  'traversal-zone': z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,62}$/, 'letters, digits, spaces, dots, dashes; 63 at most')
        .describe('The name of the zone, shown in status and logs; the same on both sides.'),
      id: z
        .int()
        .min(1)
        .max(1000)
        .describe('The number of the zone, 1 to 1000. Clients learn it as zone-id; the same on both sides.'),
      authority: z
        .string()
        .startsWith('-----BEGIN CERTIFICATE-----')
        .describe(
          "The certificate of the pair's private authority (PEM). No other authority can vouch for a peer.",
        ),
      edges: z
        .array(
          z.strictObject({
            name: peerName,
            address: z
              .string()
              .refine(isDialable, 'an IP address or a host name in lower case, such as 10.0.1.10')
              .describe('Where core dials this edge: the address or name of its inner network card.'),
            'ssh-host-key': fingerprint.describe(
              "Fingerprint of the edge's SSH host key; core accepts no other.",
            ),
          }),
        )
        .min(1)
        .max(6)
        .describe('The edges of the zone, one to six. Every core connects to every edge.'),
      cores: z
        .array(
          z.strictObject({
            name: peerName,
            'ssh-key': fingerprint.describe("Fingerprint of the core's SSH key; edge lets in no other."),
          }),
        )
        .min(1)
        .max(6)
        .describe('The cores of the zone, one to six.'),
      ports: z
        .strictObject({
          ssh: port.describe('TCP port on edge for the SSH link (web requests and control). Usual: 2222.'),
          sip: port.describe('TCP port on edge for the SIP link over mutual TLS. Usual: 7001.'),
          xmpp: port
            .default(7400)
            .describe(
              'TCP port on edge for the XMPP link over mutual TLS, used when messaging is on. Usual: 7400.',
            ),
          media: z
            .array(port)
            .min(1)
            .max(12)
            .describe('UDP ports on edge for the media link, one shard each. Usual: 2776 and 2777.'),
        })
        .describe(
          'Ports that core dials on edge. The inner firewall must allow these outward, and nothing inward.',
        ),
      identity: z
        .string()
        .regex(/^(?:file:|env:|-----BEGIN )/, 'file:PATH, or the PEM bundle itself')
        .describe(
          "This peer's own certificate, TLS key and SSH key in one PEM bundle: file:PATH, or inline if this file is readable by its owner only.",
        ),
    })
    .describe('A traversal zone: the edges and cores that form one road through the inner firewall.'),
});

export type ZoneFile = z.infer<typeof zoneFileSchema>;

/** The three secrets of a peer, as PEM. */
export interface IdentityBundle {
  readonly certificate: string;
  readonly tlsKey: string;
  readonly sshKey: string;
}

/** A zone as the links use it: the file's content with this peer's identity found in it. */
export interface TraversalZone {
  readonly name: string;
  readonly id: number;
  readonly authority: string;
  readonly self: { readonly role: 'edge' | 'core'; readonly name: string };
  readonly identity: IdentityBundle;
  readonly edges: readonly { readonly name: string; readonly address: string; readonly sshHostKey: string }[];
  readonly cores: readonly { readonly name: string; readonly sshKey: string }[];
  readonly ports: {
    readonly ssh: number;
    readonly sip: number;
    readonly xmpp: number;
    readonly media: readonly number[];
  };
}

/** A zone file that cannot work; every problem at once, each a sentence. */
export class ZoneFileError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ZoneFileError';
    this.problems = problems;
  }
}

/**
 * Joins a validated zone file and the PEM text its `identity` stands for. Throws `ZoneFileError` when the identity is
 * not one of the listed peers, when its keys do not belong together or when another authority signed it. Expiry is
 * not an error here: an expired peer starts, and its status says so.
 */
export function resolveZone(file: ZoneFile, identityPem: string): TraversalZone {
  const zone = file['traversal-zone'];
  const problems = [...duplicateNames(zone)];
  const identity = readBundle(identityPem, problems);
  const self = identity && findSelf(zone, identity, problems);
  if (!identity || !self || problems.length > 0) throw new ZoneFileError(problems);
  return {
    name: zone.name,
    id: zone.id,
    authority: zone.authority,
    self,
    identity,
    edges: zone.edges.map((edge) => ({
      name: edge.name,
      address: edge.address,
      sshHostKey: edge['ssh-host-key'],
    })),
    cores: zone.cores.map((core) => ({ name: core.name, sshKey: core['ssh-key'] })),
    ports: zone.ports,
  };
}

/** The name a peer's certificate gives it: its only DNS name. */
export function certificateName(certificate: X509Certificate): string | undefined {
  const names = (certificate.subjectAltName ?? '').split(', ').filter((entry) => entry.startsWith('DNS:'));
  return names.length === 1 ? names[0]?.slice('DNS:'.length) : undefined;
}

/** What both sides of a zone must have alike, as one word for comparison. */
function zoneConfigHash(zone: TraversalZone): string {
  const { name, id, authority, edges, cores, ports } = zone;
  return createHash('sha256')
    .update(JSON.stringify([name, id, authority, edges, cores, ports]))
    .digest('hex');
}

/** Throws `ZoneFileError` unless `next` is the same zone and peer with, at most, a renewed certificate and TLS key. */
export function checkRenewal(current: TraversalZone, next: TraversalZone): void {
  const same =
    zoneConfigHash(current) === zoneConfigHash(next) &&
    current.self.name === next.self.name &&
    current.identity.sshKey === next.identity.sshKey;
  if (!same)
    throw new ZoneFileError([
      'only the certificate and TLS key of a zone can change while it runs: restart for the rest',
    ]);
}

function duplicateNames(zone: ZoneFile['traversal-zone']): string[] {
  const names = [...zone.edges, ...zone.cores].map((peer) => peer.name);
  const twice = new Set(names.filter((name, at) => names.indexOf(name) !== at));
  return [...twice].map((name) => `the name ${name} is used by two peers: every edge and core needs its own`);
}

function readBundle(pem: string, problems: string[]): IdentityBundle | undefined {
  const certificate = pemBlock(pem, 'CERTIFICATE');
  const tlsKey = pemBlock(pem, 'PRIVATE KEY') ?? pemBlock(pem, 'EC PRIVATE KEY');
  const sshKey = pemBlock(pem, 'OPENSSH PRIVATE KEY');
  if (!certificate) problems.push('the identity has no certificate (BEGIN CERTIFICATE)');
  if (!tlsKey) problems.push('the identity has no TLS key (BEGIN PRIVATE KEY)');
  if (!sshKey) problems.push('the identity has no SSH key (BEGIN OPENSSH PRIVATE KEY)');
  return certificate && tlsKey && sshKey ? { certificate, tlsKey, sshKey } : undefined;
}

/** The first PEM block with this label, or nothing. */
export function pemBlock(pem: string, label: string): string | undefined {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const from = pem.indexOf(begin);
  const to = pem.indexOf(end, from);
  return from < 0 || to < 0 ? undefined : `${pem.slice(from, to + end.length)}\n`;
}

function findSelf(
  zone: ZoneFile['traversal-zone'],
  identity: IdentityBundle,
  problems: string[],
): TraversalZone['self'] | undefined {
  const certificate = attempt(() => new X509Certificate(identity.certificate));
  const authority = attempt(() => new X509Certificate(zone.authority));
  const key = attempt(() => createPrivateKey(identity.tlsKey));
  const ownKey = attempt(() => sshFingerprint(identity.sshKey));
  if (!authority) problems.push('the authority is not a readable certificate');
  if (!certificate) problems.push("the identity's certificate cannot be read");
  if (!key) problems.push("the identity's TLS key cannot be read");
  if (!ownKey) problems.push("the identity's SSH key cannot be read");
  if (!authority || !certificate || !key || !ownKey) return undefined;
  if (!certificate.checkPrivateKey(key))
    problems.push("the identity's TLS key does not belong to its certificate");
  if (!certificate.verify(authority.publicKey))
    problems.push("the identity's certificate is not signed by this pair's authority");
  const name = certificateName(certificate) ?? '';
  const edge = zone.edges.find((peer) => peer.name === name);
  const core = zone.cores.find((peer) => peer.name === name);
  if (!edge && !core) {
    problems.push(`the identity is of "${name}", which is neither an edge nor a core of this zone`);
    return undefined;
  }
  const pinned = edge ? edge['ssh-host-key'] : core?.['ssh-key'];
  if (pinned !== ownKey)
    problems.push(`the zone pins SSH key ${pinned} for ${name}, but its identity has ${ownKey}`);
  return { role: edge ? 'edge' : 'core', name };
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
