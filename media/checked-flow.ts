// What both engines refuse before they take a flow or a change: numbers that no packet can carry.
import type { FlowChange, FlowOutput } from './engine.ts';
import { isRewrite } from './rewrite.ts';

/** Returns `change`; throws RangeError when a mark, a clock rate or a rewrite is out of its range. */
export function checkedFlow<T extends FlowChange>(change: T): T {
  const { rtp, rtcp, rewrite, clockRate = 8000 } = change;
  const marked = (output: FlowOutput | undefined): boolean => isWhole(output?.dscp ?? 0, 63);
  if (!marked(rtp) || !marked(rtcp)) throw new RangeError('a DSCP is 0 to 63');
  if (!isWhole(clockRate, 0xffffffff) || clockRate < 1) throw new RangeError('a clock rate is at least 1 Hz');
  if (rewrite !== undefined && !isRewrite(rewrite))
    throw new RangeError('SSRCs are 32 bits, payload types 0 to 63 and 96 to 127, 16 pairs of each at most');
  return change;
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}
