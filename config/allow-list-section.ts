// The operator's own part of the HTTP allow list in core's file. What a URL may look like is checked where rules are
// compiled, by the same reader that reads uploaded files.
import { z } from 'zod';
import { filePath } from './reading-context.ts';
import { choice } from './units.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const;

const methods = () => z.array(z.enum(METHODS).meta({ allowed: METHODS.join(', ') })).max(METHODS.length);

const rule = z.strictObject({
  url: z
    .string()
    .meta({ allowed: 'protocol://host[:port][/path], protocol http or https, without query' })
    .describe('What clients may ask for. Its host may be spoken to even if discovery does not know it.'),
  match: choice(['exact', 'prefix'], 'exact').describe(
    'Whether the path must be the whole path or may go on.',
  ),
  methods: methods().default([]).describe('HTTP methods. Default: the default methods.'),
  deployment: z
    .string()
    .default('')
    .describe('The deployment that the rule is for. May be left out where there is only one.'),
  description: z.string().max(256).default('').describe('What the rule is for, as the log shows it.'),
});

export const allowListSection = z
  .strictObject({
    'default-methods': methods()
      .default(['OPTIONS', 'GET', 'HEAD'])
      .describe('Methods of rules that name none. An empty list obliges each rule to name its own.'),
    rules: z.array(rule).max(10_000).default([]).describe('Own rules.'),
    file: filePath('the path of a CSV file')
      .optional()
      .describe(
        'More own rules as CSV: Url,Deployment,HttpMethods,MatchType,Description. One broken line and core does not start.',
      ),
  })
  .prefault({})
  .describe(
    'HTTP allow list. The rules for discovered nodes are built in (`viaduct allowlist show`); these come besides.',
  );
