// Pairing: makes a zone's private authority, every peer's identity, and the zone files that carry them. A peer is
// joined by copying its one file. Nothing here touches the disk or the network.
import { stringify } from 'yaml';
import type { z } from 'zod';
import { sshFingerprint } from '../ssh/fingerprint.ts';
import { type IdentityBundle, type ZoneFile, zoneFileSchema } from '../zone-file.ts';
import { type CertifiedKey, createAuthority, issueIdentity } from './certificate.ts';
import { createSshKey } from './ssh-key.ts';

/** The authority outlives every identity it signs; changing it means pairing anew. */
const AUTHORITY_DAYS = 3650;

export interface PairRequest {
  readonly zoneName: string;
  readonly zoneId: number;
  readonly edges: readonly { readonly name: string; readonly address: string }[];
  readonly cores: readonly { readonly name: string }[];
  /** How long the identities are valid. */
  readonly days: number;
  readonly ports?: z.input<typeof zoneFileSchema>['traversal-zone']['ports'];
  /** Wall-clock milliseconds that count as now. */
  readonly now: number;
}

/** One peer's zone file, its secrets inline: write it with mode 0600. */
export interface PeerFile {
  readonly role: 'edge' | 'core';
  readonly name: string;
  readonly yaml: string;
}

export interface Pair {
  readonly files: readonly PeerFile[];
  /** Certificate and key of the authority as one PEM: needed to renew, kept offline, on no peer. */
  readonly authorityPem: string;
}

/** Makes everything a new zone needs. Throws zod's error when a name or number does not fit the zone-file schema. */
export async function createPair(request: PairRequest): Promise<Pair> {
  const validity = { from: request.now, days: request.days };
  const authority = await createAuthority(`Viaduct zone ${request.zoneName}`, {
    from: request.now,
    days: AUTHORITY_DAYS,
  });
  const members = [
    ...request.edges.map((edge) => ({ role: 'edge' as const, name: edge.name })),
    ...request.cores.map((core) => ({ role: 'core' as const, name: core.name })),
  ];
  const bundles = new Map<string, IdentityBundle>();
  for (const { name } of members) bundles.set(name, await createBundle(authority, name, validity));
  const files = members.map(({ role, name }) => ({
    role,
    name,
    yaml: printZoneFile(zoneFileFor(request, authority.certificate, bundles, name)),
  }));
  return { files, authorityPem: authority.certificate + authority.key };
}

/** The bundle as the one PEM text that `identity` in a zone file stands for. */
export function printBundle(bundle: IdentityBundle): string {
  return bundle.certificate + bundle.tlsKey + bundle.sshKey;
}

/** Prints a zone file with the sentence of each key as comment. */
export function printZoneFile(file: ZoneFile): string {
  const head =
    '# Traversal zone of Viaduct. This file carries the private keys of one peer: owner-readable only (mode 0600).\n';
  return head + stringify(zoneFileSchema.parse(file), { lineWidth: 0, blockQuote: 'literal' });
}

async function createBundle(
  authority: CertifiedKey,
  name: string,
  validity: { from: number; days: number },
): Promise<IdentityBundle> {
  const tls = await issueIdentity(authority, name, validity);
  return { certificate: tls.certificate, tlsKey: tls.key, sshKey: createSshKey(name) };
}

function zoneFileFor(
  request: PairRequest,
  authority: string,
  bundles: ReadonlyMap<string, IdentityBundle>,
  self: string,
): ZoneFile {
  const bundle = (name: string): IdentityBundle => {
    const found = bundles.get(name);
    if (!found) throw new Error(`no identity was made for ${name}`);
    return found;
  };
  return {
    'traversal-zone': {
      name: request.zoneName,
      id: request.zoneId,
      authority,
      edges: request.edges.map(({ name, address }) => ({
        name,
        address,
        'ssh-host-key': sshFingerprint(bundle(name).sshKey),
      })),
      cores: request.cores.map(({ name }) => ({ name, 'ssh-key': sshFingerprint(bundle(name).sshKey) })),
      ports: {
        ssh: 2222,
        sip: 7001,
        media: [2776, 2777],
        ...request.ports,
        xmpp: request.ports?.xmpp ?? 7400,
      },
      identity: printBundle(bundle(self)),
    },
  };
}
