// How bans travel on the control channel. Core tells its edges whom to keep out (`ban.add`, `ban.remove`); an edge reports what
// its own doors decided (`ban.report`, `ban.lift`), and core tells the others, so that the edges of a zone learn of each
// other. Only addresses travel, as doors see them; times travel as what is left, because two clocks may differ. Each
// side applies its own exemptions. A captured edge is bounded: so many bans, so long, and it lifts only its own.
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Ban, BanList } from './ban-list.ts';
import { offenderId } from './offender.ts';

/** Bans in one message; a control frame holds 64 KiB. */
const maxPerMessage = 400;

const bansMessage = z.strictObject({
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
const idMessage = z.strictObject({ id: z.string().max(128) });

type BanRow = z.infer<typeof bansMessage>['bans'][number];

/** What of a control channel sending needs. */
export interface BanChannel {
  readonly peer: { readonly name: string };
  request(type: string, body: unknown): Promise<unknown>;
  notify(type: string, body: unknown): void;
}

/** The bodies of the messages that carry these bans. */
export function printBans(bans: readonly Ban[], now: number): { readonly bans: readonly BanRow[] }[] {
  const rows = bans.flatMap(({ offender, category, until, failures }) =>
    offender.kind === 'address' && until > now
      ? [{ address: offender.address, category, leftMs: Math.ceil(until - now), failures }]
      : [],
  );
  const messages: { readonly bans: readonly BanRow[] }[] = [];
  for (let at = 0; at < rows.length; at += maxPerMessage)
    messages.push({ bans: rows.slice(at, at + maxPerMessage) });
  return messages;
}

/** Sends many bans, one message after the other was answered; ends in silence when the link does. */
export async function sendBans(
  channel: BanChannel,
  type: 'ban.add' | 'ban.report',
  bans: readonly Ban[],
  now: () => number,
): Promise<void> {
  try {
    for (const body of printBans(bans, now())) await channel.request(type, body);
  } catch {
    // The link is gone or the peer does not take bans; it is told again when it is back.
  }
}

const isAddress = ({ offender }: Ban): boolean => offender.kind === 'address';

/** Core's half: tells every edge of each change, except the one that reported it. @returns what ends it. */
export function tellEdges(list: BanList, edges: () => readonly BanChannel[], now: () => number): () => void {
  return list.watch({
    added(ban) {
      for (const body of isAddress(ban) ? printBans([ban], now()) : [])
        for (const edge of edges()) if (edge.peer.name !== ban.source) edge.notify('ban.add', body);
    },
    ended(ban, by) {
      if (by === 'operator' && isAddress(ban))
        for (const edge of edges()) edge.notify('ban.remove', { id: ban.id });
    },
  });
}

/** Edge's half: reports what was decided here. @returns what ends it. */
export function reportToCores(
  list: BanList,
  cores: () => readonly BanChannel[],
  now: () => number,
): () => void {
  return list.watch({
    added(ban, origin) {
      if (origin !== 'here') return;
      for (const body of printBans([ban], now())) for (const core of cores()) core.notify('ban.report', body);
    },
    ended(ban, by) {
      if (by === 'operator' && isAddress(ban))
        for (const core of cores()) core.notify('ban.lift', { id: ban.id });
    },
  });
}

/** Bans that this process decided itself, for a peer that has just come. */
export function ownBans(list: BanList): readonly Ban[] {
  return list.list().filter(({ source }) => source === undefined);
}

/** Where bans come from that a core told an edge. */
const fromCore = 'core';

function readBan(row: BanRow, now: number, source: string): Ban {
  const { address, category, leftMs, failures } = row;
  const offender = { kind: 'address', address } as const;
  return {
    id: offenderId(offender),
    offender,
    category,
    since: now,
    until: now + leftMs,
    failures,
    source,
  };
}

/** Handlers for edge's control channel. They throw on a malformed message, which the channel answers as refused. */
export function edgeBanHandlers(
  list: BanList,
  now: () => number,
): Record<'ban.add' | 'ban.remove', (body: unknown) => object> {
  return {
    'ban.add': (body) => {
      const { bans } = bansMessage.parse(body);
      return { added: bans.filter((row) => list.adopt(readBan(row, now(), fromCore), 'peer')).length };
    },
    'ban.remove': (body) => ({ removed: list.unblock(idMessage.parse(body).id) }),
  };
}

export interface ReportOptions {
  readonly now: () => number;
  /** Bans of one edge that core believes at once. */
  readonly maxPerEdge: number;
  /** Longest ban that core believes an edge. */
  readonly maxMs: number;
  readonly count: (event: string, reason?: string) => void;
}

/** Handlers for core's control channel. They throw on a malformed message. */
export function coreBanHandlers(
  list: BanList,
  options: ReportOptions,
): Record<'ban.report' | 'ban.lift', (body: unknown, from: BanChannel) => object> {
  /** Ids by the edge that reported them: at most `maxPerEdge` each. */
  const held = new Map<string, Set<string>>();
  const forget = ({ id }: Ban): void => {
    for (const ids of held.values()) ids.delete(id);
  };
  const remember = (ban: Ban): void => {
    forget(ban);
    if (ban.source === undefined) return;
    const ids = held.get(ban.source) ?? new Set();
    held.set(ban.source, ids.add(ban.id));
  };
  list.list().forEach(remember);
  list.watch({ added: remember, ended: forget });
  const report = (row: BanRow, edge: string): boolean => {
    const ban = readBan({ ...row, leftMs: Math.min(row.leftMs, options.maxMs) }, options.now(), edge);
    if (list.get(ban.id) !== undefined) return false;
    if ((held.get(edge)?.size ?? 0) < options.maxPerEdge) return list.adopt(ban, 'peer');
    options.count('ban-report-refused', 'edge-full');
    return false;
  };
  return {
    'ban.report': (body, from) => {
      const { bans } = bansMessage.parse(body);
      return { added: bans.filter((row) => report(row, from.peer.name)).length };
    },
    // A captured edge must not let in whom core or another edge keeps out.
    'ban.lift': (body, from) => {
      const { id } = idMessage.parse(body);
      return { removed: list.get(id)?.source === from.peer.name && list.unblock(id) };
    },
  };
}
