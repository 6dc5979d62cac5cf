// What an operator may ask an edge about access: who is kept out, and what edge knows of a logged request. Core asks for the
// latter too, so that its own `explain` shows both halves.
import { z } from 'zod';
import type { AccessDesk, Decisions } from '../../admin/index.ts';
import type { BanList } from '../../auth/index.ts';
import type { ControlHandlers } from '../../zones/index.ts';

const asked = z.strictObject({ trackingId: z.string().max(64) });

/** Handlers for edge's control channel. */
export function explainHandlers(decisions: Decisions): ControlHandlers {
  return { 'explain.find': (body) => ({ decisions: decisions.find(asked.parse(body).trackingId) }) };
}

/** The desk of an edge; it decides nothing, so that it has nothing to say about a URL. */
export function edgeAccessDesk(bans: BanList, decisions: Decisions): AccessDesk {
  return {
    bans: () => ({ categories: bans.stats(), blocked: bans.list(), history: bans.history() }),
    async explain(question) {
      const trackingId = question.get('trackingId');
      if (trackingId === null) return undefined;
      const edge = decisions.find(trackingId);
      const words = edge.length > 0 ? 'what core decided stands at core' : 'this edge does not remember it';
      return { steps: [[edge.length > 0, words]], edge };
    },
  };
}
