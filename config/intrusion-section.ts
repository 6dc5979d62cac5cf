// Intrusion protection: who failed too often is kept out for a while. Edge and core have categories of their own, each
// with the same four settings.
import { isIP } from 'node:net';
import { z } from 'zod';
import { count, duration, toggle } from './units.ts';

/** A category: whether it is on, and what it counts, in words. */
export type Category = readonly [on: boolean, prose: string];

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

const category = ([on, prose]: Category) =>
  z
    .strictObject({
      enabled: toggle(on).describe('Count and shut out.'),
      'trigger-level': count(1, 1_000, 5).describe('Failures within the window that shut out.'),
      window: duration('1 s', '1 d', '10 min').describe('Detection window.'),
      block: duration('1 s', '30 d', '10 min').describe('How long the offender stays out.'),
    })
    .prefault({})
    .describe(prose);

/** The section, with `names` as its categories and `more` keys besides. */
export function intrusionSection<
  const Names extends Readonly<Record<string, Category>>,
  const More extends z.core.$ZodLooseShape,
>(names: Names, more: More) {
  const entries = Object.entries(names).map(([name, settings]) => [name, category(settings)] as const);
  const categories = Object.fromEntries(entries) as Record<keyof Names & string, ReturnType<typeof category>>;
  const exemption = z.strictObject({
    network: z
      .string()
      .refine(isNetwork, { error: (issue) => `${JSON.stringify(issue.input)} is no network` })
      .meta({ allowed: 'an address or a network such as 192.0.2.0/24' })
      .describe('Who is never kept out, such as the address of an office with many users.'),
    categories: z
      .array(
        z.enum(Object.keys(names) as [string, ...string[]]).meta({ allowed: Object.keys(names).join(', ') }),
      )
      .min(1)
      .optional()
      .describe('In which categories. Default: all.'),
  });
  return z
    .strictObject({
      categories: z
        .strictObject(categories)
        .prefault({} as never)
        .describe('What counts as a failure.'),
      ...more,
      exempt: z.array(exemption).max(1_000).default([]).describe('Networks that are never kept out.'),
    })
    .prefault({} as never)
    .describe(
      'Intrusion protection: who fails too often is kept out for a while. `viaduct bans` lists and lets in again.',
    );
}

const nftName = (usual: string) =>
  z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_]{0,30}$/, { error: (issue) => `${JSON.stringify(issue.input)} is no name` })
    .meta({ allowed: 'a name of nftables: a letter, then letters, digits and _, 31 at most' })
    .default(usual);

/** Where edge writes banned addresses for the packet filter. */
export const nftables = z
  .strictObject({
    table: nftName('viaduct').describe('Table of the family inet. Made if it is not there.'),
    set: nftName('banned4').describe(
      'Set of IPv4 addresses with timeouts. Made if it is not there, emptied at start.',
    ),
    set6: nftName('banned6').describe('The same for IPv6, whole /64 networks.'),
  })
  .optional()
  .describe(
    'Write banned addresses into sets of nftables, so that a rule of yours can drop their packets before edge sees them. Needs CAP_NET_ADMIN. Left out: edge drops their connections itself.',
  );
