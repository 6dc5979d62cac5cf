// SAML single sign-on in core's file: our certificate, the identity providers, and which domain belongs to which.
import { z } from 'zod';
import { secret } from './secret.ts';
import { choice, count, duration, hostName, toggle } from './units.ts';

const httpsUrl = () =>
  z
    .string()
    .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', {
      error: (issue) => `${JSON.stringify(issue.input)} is no https URL`,
    })
    .meta({ allowed: 'an https URL' });

const identityProvider = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/)
      .meta({ allowed: 'letters, digits, space, dot, - and _, 64 at most' })
      .describe('Your name for it, in status and log.'),
    domains: z
      .array(hostName())
      .min(1)
      .describe(
        'Domains whose users it authenticates. A domain has one provider; move it here to transfer it.',
      ),
    metadata: secret().optional().describe('Metadata as imported from the provider.'),
    'metadata-url': httpsUrl()
      .optional()
      .describe('Where the provider publishes its metadata; fetched again and again.'),
    'metadata-authority': secret()
      .optional()
      .describe('PEM: authorities of the web server behind metadata-url. Default: the system’s.'),
    'metadata-signer': secret()
      .optional()
      .describe(
        'PEM: the certificate that must have signed what metadata-url gives. Default: signatures are not asked for.',
      ),
    'entity-id': z
      .string()
      .min(1)
      .max(1024)
      .optional()
      .describe('Picks one provider out of metadata with several.'),
    digest: choice(['sha256', 'sha512', 'sha1'], 'sha256').describe(
      'Hash in the signature of our requests, as the provider expects it. sha1 needs allow-sha1.',
    ),
    'allow-sha1': toggle(false).describe(
      'Take SHA-1 in the provider’s signatures. Only for one that cannot do better.',
    ),
    'want-assertion-signed': toggle(true).describe(
      'The assertion itself must be signed; off takes one that is signed only as a part of its Response.',
    ),
    'force-authentication': toggle(false).describe('Ask users to authenticate anew at each sign-in.'),
    'uid-attribute': z
      .string()
      .min(1)
      .max(256)
      .default('uid')
      .describe('Attribute of the assertion that holds the Unified CM user id.'),
    'strip-domain': toggle(false).describe(
      'Take @domain off that user id where it is the domain signed in to.',
    ),
  })
  .refine(({ metadata, 'metadata-url': url }) => metadata !== undefined || url !== undefined, {
    error: 'needs metadata, metadata-url or both',
  })
  .refine(({ digest, 'allow-sha1': allowed }) => digest !== 'sha1' || allowed, {
    path: ['digest'],
    error: 'sha1 needs allow-sha1: true',
  });

export const samlSection = z
  .strictObject({
    certificate: z
      .strictObject({
        chain: secret().describe('PEM: the certificate that the providers know us by.'),
        key: secret().describe('PEM: its RSA key; signs requests and opens encrypted assertions.'),
      })
      .describe('Our side; `viaduct saml certificate` makes one.'),
    metadata: choice(['cluster', 'peer'], 'cluster').describe(
      'cluster: cores with the same certificate are one relying party. peer: each core is one of its own.',
    ),
    'identity-providers': z.array(identityProvider).min(1).max(100).describe('Who authenticates users.'),
    'sign-in-time': duration('30 s', '30 min', '5 min').describe('How long a user may take at the provider.'),
    'clock-skew': duration('0 s', '5 min', '60 s').describe(
      'How far the provider’s clock may differ from ours.',
    ),
    'metadata-refresh-interval': duration('1 min', '7 d', '6 h').describe('How often metadata-url is asked.'),
    'metadata-stale': duration('1 h', '90 d', '7 d').describe(
      'How long metadata without an end of its own is good while metadata-url cannot be read.',
    ),
    'warn-before': duration('1 h', '365 d', '30 d').describe(
      'How long before certificates and metadata end it is told.',
    ),
    'max-sign-ins-per-address': count(1, 100_000, 200).describe(
      'Sign-ins that may begin at one address within sign-in-time; above it a client gets 429.',
    ),
    'max-tokens-per-user': count(1, 1000, 20).describe(
      'Simple tokens a user may hold, one per device; the oldest goes.',
    ),
  })
  .describe('SAML 2.0 single sign-on at the edge.');
