// core/https: the HTTPS plane inside. Posture: edge is a messenger that may have been captured; every message is parsed,
// bounded and decided again here. Memory is bounded by the channels edge may open, one head and one buffer per channel,
// the pools of connections to known nodes, and what auth keeps.
export {
  type CoreHttps,
  type CoreHttpsLimits,
  type CoreHttpsOptions,
  createCoreHttps,
} from './core-https.ts';
export { type EdgeAddress, edgeAddressOf } from './edge-address.ts';
