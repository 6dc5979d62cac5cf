// Posture of core/media/: trusts no description and no packet; client media needs a right SRTP tag, inside media the
// signalled source. Memory: sessions in all and per user, 16 sections each, ports of the range, SSRCs per key.
export { CoreMedia } from './core-media.ts';
export type { CoreMediaLog, CoreMediaOptions, EdgeControl, EncryptionPolicy } from './core-media-options.ts';
export { MediaRefusal, type MediaRefusalCode } from './media-refusal.ts';
export type { IceCallSummary } from './ice-call.ts';
export { IceMetrics, readInterval } from './ice-metrics.ts';
