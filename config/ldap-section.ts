// Directories in core's file: which deployments' passwords they judge, how they are reached, how users are found.
import { FilterParser } from 'ldapts';
import { z } from 'zod';
import { secret } from './secret.ts';
import { duration } from './units.ts';

function isFilter(text: string): boolean {
  try {
    FilterParser.parseString(text);
    return true;
  } catch {
    return false;
  }
}

const server = z
  .string()
  .regex(/^ldaps?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/)
  .meta({ allowed: 'ldaps://HOST[:PORT] (TLS, 636) or ldap://HOST[:PORT] (StartTLS, 389)' });

export const directory = z
  .strictObject({
    deployment: z.string().default('default').describe('The deployment (partition) whose users it knows.'),
    servers: z
      .array(server)
      .min(1)
      .max(8)
      .describe(
        'Servers in order of preference. A server that fails is asked last for a while. There is no way without TLS.',
      ),
    authority: secret()
      .optional()
      .describe(
        'PEM: certificate authorities that sign the servers’ certificates. Default: the system’s. Names are always verified.',
      ),
    base: z.string().min(1).describe('Distinguished name below which users are.'),
    'user-attribute': z
      .string()
      .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/)
      .meta({ allowed: 'the name of an attribute' })
      .default('sAMAccountName')
      .describe('Attribute that holds the user id: as Unified CM synchronises it.'),
    filter: z
      .string()
      .refine(isFilter, { error: (issue) => `${JSON.stringify(issue.input)} is no search filter` })
      .meta({ allowed: 'a search filter (RFC 4515), such as (objectClass=person)' })
      .optional()
      .describe('What else an entry must match (RFC 4515), such as (memberOf=cn=remote,dc=example,dc=com).'),
    'account-dn': z.string().min(1).optional().describe('Who searches. Default: anybody may.'),
    'account-password': secret().optional().describe('The searcher’s password.'),
    timeout: duration('1 s', '60 s', '5 s').describe('Longest wait for one server, all steps together.'),
  })
  .refine(
    (section) => (section['account-dn'] === undefined) === (section['account-password'] === undefined),
    {
      error: 'needs account-dn and account-password together',
    },
  );
