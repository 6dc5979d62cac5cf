// Refresh (RFC 8656 §8): how long an allocation lives on; LIFETIME 0 ends it, or one family of a dual one (§8.2).
// With a MOBILITY-TICKET from another 5-tuple it moves the allocation there (RFC 8016 §3.2).
import { ATTRIBUTE } from '../stun-attribute.ts';
import { findAttribute } from '../stun.ts';
import { readFamily, readUint32, uint32Attribute, type AddressFamily } from '../turn-values.ts';
import { grantedLifetimeMs } from './allocate.ts';
import { peerKey, type Allocation } from './allocation.ts';
import { mobilityTicket, readTicket } from './mobility.ts';
import { isHolder } from './ownership.ts';
import { refuse, succeed, type TurnOutcome } from './turn-answer.ts';
import { endAllocation, releasePort, type TurnRequest, type TurnWorld } from './turn-world.ts';

/** Handles a Refresh of a proven user. */
export function refresh(world: TurnWorld, request: TurnRequest): TurnOutcome {
  const ticket = findAttribute(request.message, ATTRIBUTE.mobilityTicket);
  if (request.allocation === undefined) {
    return ticket ? resume(world, request, ticket) : refuse(437, 'no-allocation');
  }
  const requested = findAttribute(request.message, ATTRIBUTE.requestedAddressFamily);
  const family = requested && readFamily(requested);
  if (requested && !request.allocation.relays.some((relay) => relay.family === family)) {
    return refuse(443, 'family');
  }
  return prolong(world, request, request.allocation, family);
}

function prolong(
  world: TurnWorld,
  { authentic, message, now }: TurnRequest,
  allocation: Allocation,
  family: AddressFamily | undefined,
): TurnOutcome {
  const lifetime = findAttribute(message, ATTRIBUTE.lifetime);
  if (lifetime !== undefined && readUint32(lifetime) === 0) return end(world, allocation, family, now);
  // A new token takes the old one's place; whose quota it is stays.
  const { username, password, token } = authentic;
  if (token !== undefined) allocation.credential = { ...allocation.credential, username, password, token };
  const lifetimeMs = grantedLifetimeMs(message, world.options, token && token.goodUntil - now);
  allocation.expiresAt = now + lifetimeMs;
  const attributes = [uint32Attribute(ATTRIBUTE.lifetime, Math.trunc(lifetimeMs / 1000))];
  // A repeated Refresh after a move must get the new ticket again: its first answer may have been lost.
  const asksTicket =
    findAttribute(message, ATTRIBUTE.mobilityTicket) !== undefined && allocation.request.mobile;
  if (asksTicket) attributes.push(mobilityTicket(world.ticketSecret, allocation));
  return succeed(...attributes);
}

function end(
  world: TurnWorld,
  allocation: Allocation,
  family: AddressFamily | undefined,
  now: number,
): TurnOutcome {
  const left = allocation.relays.filter((relay) => family !== undefined && relay.family !== family);
  if (left.length === 0) endAllocation(world, allocation, 'deleted', now);
  else dropFamily(world, allocation, family!, now);
  return succeed(uint32Attribute(ATTRIBUTE.lifetime, 0));
}

function dropFamily(world: TurnWorld, allocation: Allocation, family: AddressFamily, now: number): void {
  for (const relay of allocation.relays) if (relay.family === family) releasePort(world, relay, now);
  allocation.relays = allocation.relays.filter((relay) => relay.family !== family);
  for (const address of allocation.permissions.keys()) {
    if (address.includes(':') === (family === 6)) allocation.permissions.delete(address);
  }
  for (const [channel, { peer }] of allocation.channels) {
    if (peer.address.includes(':') !== (family === 6)) continue;
    allocation.channels.delete(channel);
    allocation.channelOf.delete(peerKey(peer));
  }
  world.act({ type: 'close-relay', allocation: allocation.id, family });
}

/** The allocation that a ticket names comes to this 5-tuple, if its own user brings the newest ticket. */
function resume(world: TurnWorld, request: TurnRequest, value: Buffer): TurnOutcome {
  const { authentic, now, path } = request;
  const ticket = readTicket(world.ticketSecret, value);
  const allocation = ticket && world.table.get(ticket.allocation);
  if (ticket === undefined || allocation === undefined || allocation.state !== 'open') {
    return refuse(400, 'mobility');
  }
  if (!isHolder(allocation, authentic)) return refuse(441, 'wrong-owner');
  if (allocation.ticket !== ticket.serial || allocation.expiresAt <= now) return refuse(400, 'mobility');
  allocation.ticket += 1;
  world.table.move(allocation, path);
  world.act({ type: 'move-client', allocation: allocation.id, path });
  return prolong(world, request, allocation, undefined);
}
