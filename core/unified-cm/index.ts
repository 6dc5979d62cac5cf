// core/unified-cm: what core knows of call control. Posture: the nodes are believed once their certificate has proven
// their name, and only about their own cluster; DNS is believed at discovery only. Memory is bounded by 64 nodes per
// cluster, the pools' limits and the size of one document. No failure is remembered as an answer.
export { type ClusterOptions, type StaticNode } from './cluster.ts';
export { NodeConnectError, NodeDialer, type NodeDialerOptions } from './connect-node.ts';
export {
  causeOf,
  createFetch,
  createNodeConnections,
  hostOf,
  type NodeConnections,
  type NodeConnectionsOptions,
  wasStale,
} from './node-connections.ts';
export type { CallControlNode, NodeService, Reach } from './node.ts';
export type { SipPorts, SipZone } from './sip-zones.ts';
export type { Fetch } from './uds-client.ts';
export {
  type ClusterStatus,
  createUnifiedCm,
  type UnifiedCm,
  type UnifiedCmOptions,
  type UserHome,
} from './unified-cm.ts';
