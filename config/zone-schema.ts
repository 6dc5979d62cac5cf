// The traversal-zone file: what both sides of a pair know of each other. `viaduct pair` writes it; one copy joins a peer.
// It may hold the peer's private identity inline, and is then a secret itself: the loader refuses it unless only its
// owner can read it.
import { statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { Secret, secret } from './secret.ts';
import { count, host, hostName, port } from './units.ts';

const fingerprint = (what: string) =>
  z
    .string()
    .regex(/^SHA256:[A-Za-z0-9+/]{43}=?$/, { error: 'is not an SSH fingerprint' })
    .meta({ allowed: 'SHA256: and 43 base64 characters' })
    .describe(what);

const PEM_BEGIN = '-----BEGIN ';

const identity = z
  .union([
    z
      .string()
      .startsWith(PEM_BEGIN)
      .transform((pem) => new Secret(pem, 'the zone file')),
    secret(),
  ])
  .meta({ allowed: 'file:PATH, env:NAME, or the PEM bundle itself in a file that only its owner can read' })
  .describe('Private identity of this peer: TLS certificate and key, SSH key.');

export const zoneSchema = z
  .strictObject({
    'traversal-zone': z
      .strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, { error: 'is not a zone name' })
          .meta({ allowed: 'letters, digits, - and _, 64 at most' })
          .describe('Name of the zone: in status, Via and logs.'),
        id: count(1, 1000, 1).describe(
          'Number of the zone: the zone-id in the Route that clients are given.',
        ),
        authority: z
          .string()
          .startsWith(PEM_BEGIN, { error: 'is not a PEM certificate' })
          .meta({ allowed: 'a PEM certificate' })
          .describe('Certificate of the pair’s private authority.'),
        edges: z
          .array(
            z.strictObject({
              name: hostName().describe('Name in the edge’s pair certificate.'),
              address: host().describe('Where core dials this edge.'),
              'ssh-host-key': fingerprint('Fingerprint of the edge’s SSH host key.'),
            }),
          )
          .min(1)
          .max(6)
          .describe('Edges of the zone.'),
        cores: z
          .array(
            z.strictObject({
              name: hostName().describe('Name in core’s pair certificate.'),
              'ssh-key': fingerprint('Fingerprint of core’s SSH key.'),
            }),
          )
          .min(1)
          .max(6)
          .describe('Cores of the zone.'),
        ports: z
          .strictObject({
            ssh: port(2222).describe('SSH: HTTPS of clients and control.'),
            sip: port(7001).describe('SIP over mutual TLS.'),
            media: z
              .array(z.int().min(1).max(65535).meta({ allowed: 'a port, 1 to 65535' }))
              .min(1)
              .max(12)
              .default([2776, 2777])
              .describe('UDP ports of the media link.'),
          })
          .prefault({})
          .describe('Ports of the edge that core dials. Nothing else needs to be open between the two.'),
        identity,
      })
      .describe('A traversal zone.'),
  })
  .describe('Traversal zone of a Viaduct pair.');

/** What is wrong with a zone file that holds a private identity others may read; undefined when nothing is. */
export function identityMistake(file: string, raw: unknown): { message: string; fix: string } | undefined {
  const value = (raw as { 'traversal-zone'?: { identity?: unknown } })['traversal-zone']?.identity;
  if (typeof value !== 'string' || !value.startsWith(PEM_BEGIN)) return undefined;
  const mode = statSync(file).mode & 0o077;
  if (mode === 0) return undefined;
  return {
    message: `holds a private key, and others may read the file (mode ${(statSync(file).mode & 0o777).toString(8)})`,
    fix: `chmod 600 ${path.resolve(file)}`,
  };
}
