// A process as a list of parts, opened in order and closed in reverse. If one cannot open, those before it close again:
// nothing half-started stays behind.
import { openAdmin } from './listener.ts';
import type { AdminListener, AdminOptions } from './listener.ts';

/** Something that opens and closes. `close` is also called for a part whose `open` failed. */
export interface Part {
  readonly open: () => unknown;
  readonly close: () => unknown;
}

/** Opens the parts one after the other. @returns what closes them. @throws the first failure, with everything closed. */
export async function openParts(parts: readonly Part[]): Promise<() => Promise<void>> {
  const touched: Part[] = [];
  const close = async (): Promise<void> => {
    for (const part of touched.splice(0).toReversed()) await part.close();
  };
  try {
    for (const part of parts) {
      touched.push(part);
      await part.open();
    }
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}

/** The admin listener as a part; nothing when it is switched off. */
export function adminPart(options: AdminOptions & { readonly enabled: boolean }): Part {
  let listener: AdminListener | undefined;
  return {
    open: async () => {
      if (options.enabled) listener = await openAdmin(options);
    },
    close: () => listener?.close(),
  };
}
