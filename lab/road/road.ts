// The road the proof walks: what a client outside who knows only her own address does, step by step, and what a
// colleague inside sees of it.
import { type Lab } from '../lab.ts';
import { type ProofStep } from '../proof.ts';
import { devicesOf, findUser } from '../unified-cm/enterprise.ts';
import { callSteps } from './call-steps.ts';
import { type Person, type Road } from './road-state.ts';
import { webSteps } from './web-steps.ts';

/** The steps, in order, and what closes the phones and connections they opened. */
export function createRoad(lab: Lab): { readonly steps: readonly ProofStep[]; close(): void } {
  const road: Road = {};
  const alice = findPerson(lab, 'alice');
  const bob = findPerson(lab, 'bob');
  return {
    steps: [...webSteps(road, lab, alice, bob), ...callSteps(road, lab, alice, bob)],
    close: () => {
      road.alice?.close();
      road.bob?.close();
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
