// The road the proof walks: what a client outside who knows only her own address does, step by step, and what a
// colleague inside sees of it.
import { type Lab } from '../lab.ts';
import { type ProofStep } from '../proof.ts';
import { devicesOf, findUser } from '../unified-cm/enterprise.ts';
import { callSteps } from './call-steps.ts';
import { chatSteps } from './chat-steps.ts';
import { type Person, type Road } from './road-state.ts';
import { relaySteps } from './relay-steps.ts';
import { webSteps } from './web-steps.ts';

export interface WalkedRoad {
  /** In order. */
  readonly steps: readonly ProofStep[];
  /** Registers both phones again and keeps them so; `lost` is told in words when one cannot be. */
  stay(lost: (what: string) => void): Promise<void>;
  /** Closes the phones and connections that the steps opened. */
  close(): void;
}

/** Two minutes are granted; half of that leaves room for a link that is just coming back. */
const refreshMs = 60_000;

/** Nothing happens until the steps are run. */
export function createRoad(lab: Lab): WalkedRoad {
  const road: Road = {};
  let refresh: NodeJS.Timeout | undefined;
  const alice = findPerson(lab, 'alice');
  const bob = findPerson(lab, 'bob');
  return {
    steps: [
      ...webSteps(road, lab, alice, bob),
      ...callSteps(road, lab, alice, bob),
      ...chatSteps(road, lab, alice, bob),
      ...relaySteps(road, lab),
    ],
    stay: async (lost) => {
      const register = async (): Promise<void> => {
        const results = await Promise.allSettled([road.alice?.register(), road.bob?.register()]);
        const failed = results.find((result) => result.status === 'rejected');
        if (failed !== undefined) lost(`a phone could not register again: ${String(failed.reason)}`);
      };
      refresh = setInterval(() => void register(), refreshMs);
      await register();
    },
    close: () => {
      clearInterval(refresh);
      road.alice?.close();
      road.bob?.close();
      road.chatOutside?.close();
      road.chatInside?.close();
      road.requests?.close();
    },
  };
}

function findPerson({ enterprise }: Lab, id: string): Person {
  const user = findUser(enterprise, id);
  const [device] = devicesOf(enterprise, id);
  if (user === undefined || device === undefined) {
    throw new Error(`the enterprise has no ${id} with a device`);
  }
  return { user, device };
}
