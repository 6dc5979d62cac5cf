// What the operator sees: log, metrics, the loopback listener. Trusts its own process only; listens on loopback, changes
// nothing, and shows no secret. Memory: the number of metric series is bounded.
export { openLog } from './log.ts';
export type { Log } from './log.ts';
export { createMetrics } from './metrics.ts';
export type { Count, Metrics } from './metrics.ts';
export type { AccessDesk } from './access-desk.ts';
export { createDecisions } from './decisions.ts';
export type { Decision, Decisions } from './decisions.ts';
export { openAdmin } from './listener.ts';
export type { AdminListener } from './listener.ts';
export { adminPart, openParts } from './parts.ts';
export type { Part } from './parts.ts';
