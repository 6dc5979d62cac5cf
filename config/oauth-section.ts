// Self-describing OAuth tokens in core's file: where the keys of a cluster come from, and what a token must say.
import { z } from 'zod';
import { secret } from './secret.ts';
import { count, duration } from './units.ts';

const scopes = () =>
  z
    .array(
      z
        .string()
        .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/)
        .meta({ allowed: 'a scope: visible ASCII without space, quote and backslash' }),
    )
    .max(32)
    .default(['UnifiedCommunications:readwrite']);

/** `unified-cm[].oauth-keys`. */
export const oauthKeys = z
  .strictObject({
    document: secret()
      .optional()
      .describe(
        'JWK set with the RSA signing key and the 256-bit encryption key (oct), each with its key id.',
      ),
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9._~/-]*$/)
      .meta({ allowed: 'a path that begins with a slash' })
      .optional()
      .describe(
        'Path on the cluster’s nodes where such a JWK set is handed out over HTTPS; fetched again on an unknown key id.',
      ),
    user: z.string().optional().describe('Account that may read the keys.'),
    password: secret().optional().describe('Its password.'),
  })
  .refine(({ document, path }) => (document === undefined) !== (path === undefined), {
    error: 'needs either document or path',
  })
  .refine(({ user, password }) => (user === undefined) === (password === undefined), {
    error: 'needs user and password together',
  });

export const oauthSection = z
  .strictObject({
    'token-lifetime': duration('1 min', '1 d', '60 min').describe(
      'Longest life of an access token, as set on Unified CM; a token that says more is refused.',
    ),
    'clock-skew': duration('0 s', '10 min', '60 s').describe('How far clocks may differ.'),
    'key-overlap': duration('0 s', '7 d', '2 h').describe(
      'How long a key that its cluster no longer names is still good.',
    ),
    'key-refetch-interval': duration('1 s', '1 h', '30 s').describe(
      'Least time between two fetches of a cluster’s keys, however many unknown key ids clients bring.',
    ),
    'key-refresh-interval': duration('1 min', '7 d', '1 h').describe(
      'How often keys are fetched without a reason.',
    ),
    'max-tokens': count(100, 1_000_000, 50_000).describe(
      'Tokens remembered as good; each takes about 600 bytes.',
    ),
    'https-scopes': scopes().describe('Scopes of which one opens web services. Empty: any token does.'),
    'sip-scopes': scopes().describe('Scopes of which one lets a phone register. Empty: any token does.'),
    'messaging-scopes': scopes().describe('Scopes of which one opens messaging. Empty: any token does.'),
  })
  .prefault({})
  .describe('Self-describing OAuth tokens with refresh.');
