// CreatePermission (RFC 8656 §10) and ChannelBind (§12.2): to whom an allocation may send and whom it hears.
// All peers of a request pass or none; what policy denies is 403 and changes nothing (T-001 to T-004, T-016).
import { FIRST_CLIENT_CHANNEL, LAST_CLIENT_CHANNEL, LAST_RFC5766_CHANNEL } from '../channel-data.ts';
import type { TransportAddress } from '../ip-address.ts';
import type { PeerPorts } from '../policy/peer-policy.ts';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { readXorAddress } from '../stun-values.ts';
import { findAttribute } from '../stun.ts';
import { readChannelNumber } from '../turn-values.ts';
import { peerKey, type Allocation } from './allocation.ts';
import { refuse, succeed, type TurnOutcome, type TurnRefusal } from './turn-answer.ts';
import type { TurnRequest, TurnWorld } from './turn-world.ts';

/** Handles CreatePermission of a proven user. */
export function createPermission(world: TurnWorld, request: TurnRequest): TurnOutcome {
  const { allocation, message, now } = request;
  if (allocation === undefined) return refuse(437, 'no-allocation');
  const peers = message.attributes
    .filter(({ type }) => type === ATTRIBUTE.xorPeerAddress)
    .map(({ value }) => readXorAddress(value, message.transactionId));
  if (peers.length === 0) return refuse(400, 'malformed');
  const refusal = peers
    .map((peer) => refusePeer(world, allocation, peer))
    .find((found) => found !== undefined);
  if (refusal !== undefined) return refusal;
  const fresh = new Set(
    peers.map(({ address }) => address).filter((address) => !allocation.permissions.has(address)),
  );
  if (allocation.permissions.size + fresh.size > world.options.maxPermissionsPerAllocation) {
    return refuse(508, 'permission-limit');
  }
  for (const { address } of peers) permit(world, allocation, address, now);
  return succeed();
}

/** 443 for a family that the allocation has no address of, 403 for what policy denies. */
export function refusePeer(
  world: TurnWorld,
  allocation: Allocation,
  peer: TransportAddress,
): TurnRefusal | undefined {
  const family = peer.address.includes(':') ? 6 : 4;
  if (!allocation.relays.some((relay) => relay.family === family)) return refuse(443, 'family');
  const verdict = world.options.policy.judge(peer.address);
  return verdict.allowed ? undefined : refuse(403, verdict.reason);
}

function permit(world: TurnWorld, allocation: Allocation, address: string, now: number): void {
  const known = allocation.permissions.has(address);
  allocation.permissions.set(address, now + world.options.permissionLifetimeMs);
  if (known || allocation.request.transport === 'tcp') return;
  world.act({ type: 'permit', allocation: allocation.id, address, ports: portsOf(world, address) });
}

function portsOf(world: TurnWorld, address: string): PeerPorts {
  const verdict = world.options.policy.judge(address);
  return verdict.allowed ? verdict.ports : [];
}

/** Handles ChannelBind of a proven user. */
export function channelBind(world: TurnWorld, request: TurnRequest): TurnOutcome {
  const { allocation, message, now } = request;
  if (allocation?.request.transport !== 'udp') return refuse(437, 'no-allocation');
  const number = findAttribute(message, ATTRIBUTE.channelNumber);
  const address = findAttribute(message, ATTRIBUTE.xorPeerAddress);
  if (number === undefined || address === undefined) return refuse(400, 'malformed');
  const channel = readChannelNumber(number);
  const peer = readXorAddress(address, message.transactionId);
  const refusal = refuseBinding(world, allocation, channel, peer);
  if (refusal !== undefined) return refusal;
  bind(world, allocation, channel, peer, now);
  permit(world, allocation, peer.address, now);
  return succeed();
}

/** The checks of §12.2, in its order, then policy and limits. */
function refuseBinding(
  world: TurnWorld,
  allocation: Allocation,
  channel: number,
  peer: TransportAddress,
): TurnRefusal | undefined {
  const last = world.options.acceptsRfc5766Channels ? LAST_RFC5766_CHANNEL : LAST_CLIENT_CHANNEL;
  if (channel < FIRST_CLIENT_CHANNEL || channel > last) return refuse(400, 'bad-channel');
  const bound = allocation.channels.get(channel);
  if (bound !== undefined && peerKey(bound.peer) !== peerKey(peer)) return refuse(400, 'bad-channel');
  const other = allocation.channelOf.get(peerKey(peer));
  if (other !== undefined && other !== channel) return refuse(400, 'bad-channel');
  const refusal = refusePeer(world, allocation, peer);
  if (refusal !== undefined) return refusal;
  const verdict = world.options.policy.judgePeer(peer);
  if (!verdict.allowed) return refuse(403, verdict.reason);
  const { maxChannelsPerAllocation, maxPermissionsPerAllocation } = world.options;
  if (bound === undefined && allocation.channels.size >= maxChannelsPerAllocation) {
    return refuse(508, 'channel-limit');
  }
  const permitted = allocation.permissions.has(peer.address);
  const full = !permitted && allocation.permissions.size >= maxPermissionsPerAllocation;
  return full ? refuse(508, 'permission-limit') : undefined;
}

function bind(
  world: TurnWorld,
  allocation: Allocation,
  channel: number,
  peer: TransportAddress,
  now: number,
): void {
  const expiresAt = now + world.options.channelLifetimeMs;
  const bound = allocation.channels.get(channel);
  if (bound !== undefined) {
    bound.expiresAt = expiresAt;
    return;
  }
  allocation.channels.set(channel, { peer, expiresAt });
  allocation.channelOf.set(peerKey(peer), channel);
  world.act({ type: 'bind-channel', allocation: allocation.id, channel, peer });
}

/** Takes out what has run out: permissions (§9) and channels (§12). */
export function expirePeers(world: TurnWorld, allocation: Allocation, now: number): void {
  for (const [channel, { peer, expiresAt }] of allocation.channels) {
    if (expiresAt > now) continue;
    allocation.channels.delete(channel);
    allocation.channelOf.delete(peerKey(peer));
    world.act({ type: 'unbind-channel', allocation: allocation.id, channel });
  }
  for (const [address, expiresAt] of allocation.permissions) {
    if (expiresAt > now) continue;
    allocation.permissions.delete(address);
    if (allocation.request.transport === 'udp')
      world.act({ type: 'forbid', allocation: allocation.id, address });
  }
}
