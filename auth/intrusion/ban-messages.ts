// How a core tells the edges whom to keep out: `ban.add` and `ban.remove` on the control channel. Only addresses travel,
// as edge's own doors see them; times travel as what is left, because two clocks may differ. Edge applies its own
// exemptions again: a core may be wrong about its network.
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Ban, BanList } from './ban-list.ts';
import { offenderId } from './offender.ts';

/** Bans in one message; a control frame holds 64 KiB. */
const maxPerMessage = 400;

const addMessage = z.strictObject({
  bans: z
    .array(
      z.strictObject({
        address: z.string().refine((text) => isIP(text) !== 0),
        category: z.string().regex(/^[a-z-]{1,32}$/),
        leftMs: z
          .int()
          .min(1)
          .max(30 * 86_400_000),
        failures: z.int().min(0),
      }),
    )
    .max(maxPerMessage),
});
const removeMessage = z.strictObject({ id: z.string().max(128) });

/** The control messages that carry these bans. */
export function printBans(
  bans: readonly Ban[],
  now: number,
): { readonly type: 'ban.add'; readonly body: object }[] {
  const rows = bans.flatMap(({ offender, category, until, failures }) =>
    offender.kind === 'address' && until > now
      ? [{ address: offender.address, category, leftMs: Math.ceil(until - now), failures }]
      : [],
  );
  const messages: { readonly type: 'ban.add'; readonly body: object }[] = [];
  for (let at = 0; at < rows.length; at += maxPerMessage)
    messages.push({ type: 'ban.add', body: { bans: rows.slice(at, at + maxPerMessage) } });
  return messages;
}

/** Handlers for edge's control channel. They throw on a malformed message, which the channel answers as refused. */
export function banHandlers(
  bans: BanList,
  now: () => number,
): Record<'ban.add' | 'ban.remove', (body: unknown) => object> {
  return {
    'ban.add': (body) => {
      const added = addMessage.parse(body).bans.filter(({ address, category, leftMs, failures }) => {
        const offender = { kind: 'address', address } as const;
        const since = now();
        return bans.adopt({
          id: offenderId(offender),
          offender,
          category,
          since,
          until: since + leftMs,
          failures,
        });
      });
      return { added: added.length };
    },
    'ban.remove': (body) => ({ removed: bans.unblock(removeMessage.parse(body).id) }),
  };
}
