// Posture of edge/media/: trusts no client packet and sends to nobody whom core has not proven; trusts a core for its
// own sessions only. Memory: port pairs of the range, sessions per core, streams per session, pending sources per port.
export { EdgeMedia } from './edge-media.ts';
export {
  EdgeMediaRefusal,
  type CoreControl,
  type EdgeMediaLog,
  type EdgeMediaOptions,
} from './edge-media-options.ts';
