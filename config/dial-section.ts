// Core's dial policy: who may call and transfer to whom, before call control's own calling search spaces decide.
import { z } from 'zod';
import { choice } from './units.ts';

const pattern = (what: string) =>
  z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/)
    .meta({ allowed: `a pattern over ${what}: visible ASCII, * for any characters, 128 at most` });

const rule = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/)
    .meta({ allowed: 'letters, digits, space, dot, - and _, 64 at most' })
    .describe('What the caller and the log are told when it forbids.'),
  action: choice(['allow', 'deny'], 'deny').describe('What happens to what it matches.'),
  deployments: z
    .array(z.string().min(1).max(64))
    .max(64)
    .default([])
    .describe('Deployments of the caller’s domain. None: every one.'),
  users: z
    .array(pattern('user@domain'))
    .max(256)
    .default([])
    .describe('Callers by registered address, such as *@guests.example.com. None: everybody.'),
  targets: z
    .array(pattern('a number or user@host'))
    .max(1024)
    .default([])
    .describe(
      'What is dialled, without separators, escapes and parameters: +49900*, 0900*, *@partner.example. None: everything.',
    ),
});

/** `dial-policy` of core. */
export const dialSection = z
  .strictObject({
    rules: z.array(rule).max(1024).default([]).describe('The first rule that matches decides.'),
    otherwise: choice(['allow', 'deny'], 'allow').describe(
      'What happens to what no rule matches. Call control’s own classes of service decide after it.',
    ),
    'refer-elsewhere': choice(['allow', 'deny'], 'deny').describe(
      'Transfers to hosts that are neither a node nor one of the domains: they would make call control dial for a stranger.',
    ),
  })
  .prefault({})
  .describe(
    'Dial policy for calls and transfers of clients. Whoever is refused gets 403 with the rule’s name.',
  );
