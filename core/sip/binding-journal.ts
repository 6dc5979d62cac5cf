// Bindings that outlive the process: each is one entry of a store's space, written behind the answer that granted it.
// A write that fails is counted and costs at most one refresh after a restart; traffic does not wait for it.
import type { Binding, BindingJournal, BindingTable } from './binding-table.ts';

/** The part of a store's space that is needed here. Values are text. */
export interface BindingSpace {
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  entries(prefix?: string): Promise<[key: string, value: string][]>;
}

/** A journal over a store's space. */
export function journalTo(
  space: BindingSpace,
  count: (event: string, reason?: string) => void,
): BindingJournal {
  const failed = (): void => count('journal-failed');
  return {
    put: (id, binding, ttlMs) => void space.set(id, JSON.stringify(binding), ttlMs).catch(failed),
    remove: (id) => void space.delete(id).catch(failed),
  };
}

/** Puts back what the space kept; returns how many bindings live again. Entries of another shape are left out. */
export async function restoreBindings(
  space: BindingSpace,
  table: BindingTable,
  nowMs: number,
): Promise<number> {
  let restored = 0;
  for (const [, value] of await space.entries()) {
    const binding = readBinding(value);
    if (binding !== undefined && table.restore(binding, nowMs)) restored += 1;
  }
  return restored;
}

const textFields = ['id', 'aor', 'instance', 'uriKey', 'contact', 'node'] as const;

function readBinding(value: string): Binding | undefined {
  let read: unknown;
  try {
    read = JSON.parse(value);
  } catch {
    return undefined;
  }
  return isBinding(read) ? read : undefined;
}

function isBinding(read: unknown): read is Binding {
  if (typeof read !== 'object' || read === null) return false;
  const fields = read as Record<string, unknown>;
  const flow = fields['flow'] as Record<string, unknown> | undefined;
  const isWhole = textFields.every((name) => typeof fields[name] === 'string');
  return (
    isWhole &&
    typeof fields['expiresAtMs'] === 'number' &&
    typeof flow?.['edge'] === 'string' &&
    typeof flow['token'] === 'string'
  );
}
