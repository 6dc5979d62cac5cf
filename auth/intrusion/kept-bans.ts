// Bans in the shared store: they outlive a restart, and the cores of a cluster keep out the same offenders. The list in memory
// answers; the store is its memory. When the store fails, the list goes on alone: who is out stays out, and new bans
// hold at this process until the store is back. The store is trusted as far as its form: what cannot be read is dropped.
import { z } from 'zod';
import type { Ban, BanList } from './ban-list.ts';
import { type Offender, offenderId } from './offender.ts';

/** What of the store keeping needs. */
export interface BanStore {
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  entries(): Promise<[key: string, value: string][]>;
  watch(
    prefix: string,
    onChange: (change: { key: string; value: string | undefined; why: string }) => void,
  ): () => void;
}

export interface KeptBansOptions {
  readonly store: BanStore;
  /** Wall clock. */
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
  /** Hears in words why bans are not saved and shared. */
  readonly onFailure: (error: unknown) => void;
}

const offender: z.ZodType<Offender> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('address'), address: z.string() }),
  z.strictObject({ kind: z.literal('device'), edge: z.string(), device: z.string() }),
  z.strictObject({ kind: z.literal('user'), deployment: z.string(), user: z.string(), address: z.string() }),
]);
/** Offender, category, since, until, failures, source: in this order, because there are many. */
const row = z.tuple([offender, z.string(), z.number(), z.number(), z.number(), z.string().optional()]);

/** One ban as the store holds it. */
export function printKeptBan({ offender, category, since, until, failures, source }: Ban): string {
  return JSON.stringify([
    offender,
    category,
    since,
    until,
    failures,
    ...(source === undefined ? [] : [source]),
  ]);
}

/** The ban in a stored text; undefined when it is none. */
export function readKeptBan(text: string): Ban | undefined {
  try {
    const [who, category, since, until, failures, source] = row.parse(JSON.parse(text));
    const ban = { id: offenderId(who), offender: who, category, since, until, failures };
    return source === undefined ? ban : { ...ban, source };
  } catch {
    return undefined;
  }
}

/** Takes over what the store holds and keeps both alike; resolves once the list knows it. Never rejects. */
export async function keepBans(list: BanList, options: KeptBansOptions): Promise<() => void> {
  const { store, now, count } = options;
  const failed = (error: unknown): void => {
    count('ban-store-failed', 'keep');
    options.onFailure(error);
  };
  const unwatchStore = store.watch('', ({ key, value, why }) => {
    if (value !== undefined) adoptText(value);
    else if (why === 'deleted') list.unblock(key);
  });
  const adoptText = (text: string): void => {
    const ban = readKeptBan(text);
    if (ban === undefined) count('ban-store-unreadable');
    else list.adopt(ban, 'store');
  };
  const unwatchList = list.watch({
    added(ban, origin) {
      if (origin !== 'store') store.set(ban.id, printKeptBan(ban), ban.until - now()).catch(failed);
    },
    ended(ban, by) {
      if (by !== 'time') store.delete(ban.id).catch(failed);
    },
  });
  try {
    for (const [, value] of await store.entries()) adoptText(value);
  } catch (error) {
    failed(error);
  }
  return () => {
    unwatchStore();
    unwatchList();
  };
}
