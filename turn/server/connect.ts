// TCP allocations (RFC 6062): Connect (§5.2), connections that peers open (§5.3), ConnectionBind (§5.4). Who may be dialled
// is what policy says of any peer; who may dial in needs a permission; an id is good for its own user only.
import { ATTRIBUTE } from '../stun-attribute.ts';
import { readXorAddress, xorAddressAttribute } from '../stun-values.ts';
import { findAttribute, METHOD, printStun } from '../stun.ts';
import { readUint32, uint32Attribute } from '../turn-values.ts';
import { peerKey, type Allocation } from './allocation.ts';
import { isHolder } from './ownership.ts';
import type { PeerConnection } from './peer-connections.ts';
import { refusePeer } from './permissions.ts';
import { refuse, succeed, type TurnOutcome } from './turn-answer.ts';
import type { ConnectionId, TurnInput } from './turn-input.ts';
import { forgetConnection, type TurnRequest, type TurnWorld } from './turn-world.ts';

type Arrived = Extract<TurnInput, { type: 'peer-arrived' }>;

/** A CONNECTION-ID that is in no use. */
export function newConnectionId({ options, connections }: TurnWorld): ConnectionId {
  for (;;) {
    const id = options.randomBytes(4).readUInt32BE();
    if (connections.get(id) === undefined) return id;
  }
}

/** Handles Connect of a proven user. */
export function connectPeer(world: TurnWorld, request: TurnRequest): TurnOutcome {
  const { allocation, message, now, authentic, fingerprint } = request;
  if (allocation?.request.transport !== 'tcp') return refuse(437, 'no-allocation');
  const value = findAttribute(message, ATTRIBUTE.xorPeerAddress);
  if (value === undefined) return refuse(400, 'malformed');
  const peer = readXorAddress(value, message.transactionId);
  if (isConnected(world, allocation, peerKey(peer))) return refuse(446, 'connection-exists');
  const refusal = refusePeer(world, allocation, peer);
  if (refusal !== undefined) return refusal;
  const verdict = world.options.policy.judgePeer(peer);
  if (!verdict.allowed) return refuse(403, verdict.reason);
  if (!world.connections.hasRoom(allocation)) return refuse(508, 'connection-limit');
  const id = newConnectionId(world);
  world.connections.add({
    id,
    allocation,
    peer,
    request: { transactionId: Buffer.from(message.transactionId), seal: authentic.seal, fingerprint },
    state: 'dialling',
    expiresAt: now + world.options.connectTimeoutMs,
  });
  world.act({ type: 'dial-peer', allocation: allocation.id, connection: id, peer });
  return { kind: 'pending' };
}

/** §5.2: one connection to one peer, whether it is being made, waits or is in use. */
function isConnected({ connections }: TurnWorld, allocation: Allocation, peer: string): boolean {
  return [...connections.of(allocation)].some((connection) => peerKey(connection.peer) === peer);
}

/** The peer answered: the client has its time to bind (§5.2). */
export function peerConnected(world: TurnWorld, connection: PeerConnection, now: number): TurnOutcome {
  connection.state = 'pending';
  connection.expiresAt = now + world.options.bindTimeoutMs;
  return succeed(uint32Attribute(ATTRIBUTE.connectionId, connection.id));
}

/** The peer cannot be reached, or not in time. */
export function peerFailed(world: TurnWorld, connection: PeerConnection): TurnOutcome {
  forgetConnection(world, connection);
  return refuse(447, 'peer-unreachable');
}

/** A peer connected to a relayed address: told to the client when it has a permission, else closed (§5.3). */
export function peerArrived(
  world: TurnWorld,
  { allocation: id, connection, peer }: Arrived,
  now: number,
): void {
  const allocation = world.table.get(id);
  const drop = (reason: 'no-permission' | 'connection-limit'): void => {
    world.act({ type: 'count', event: 'dropped', reason });
    world.act({ type: 'close-peer', connection });
  };
  const permitted = allocation?.permissions.get(peer.address);
  if (allocation === undefined || permitted === undefined || permitted <= now) return drop('no-permission');
  if (!world.options.policy.judgePeer(peer).allowed) return drop('no-permission');
  if (!world.connections.hasRoom(allocation)) return drop('connection-limit');
  const expiresAt = now + world.options.bindTimeoutMs;
  world.connections.add({
    id: connection,
    allocation,
    peer,
    request: undefined,
    state: 'pending',
    expiresAt,
  });
  const transactionId = world.options.randomBytes(12);
  const attributes = [
    uint32Attribute(ATTRIBUTE.connectionId, connection),
    xorAddressAttribute(ATTRIBUTE.xorPeerAddress, peer, transactionId),
  ];
  const draft = { class: 'indication', method: METHOD.connectionAttempt, transactionId, attributes } as const;
  world.act({ type: 'reply', path: allocation.path, bytes: printStun(draft) });
}

/** Handles ConnectionBind: the stream it came on becomes the connection's other half. */
export function connectionBind(world: TurnWorld, request: TurnRequest): TurnOutcome {
  const { allocation, authentic, message, path } = request;
  const value = findAttribute(message, ATTRIBUTE.connectionId);
  // A stream that carries an allocation, or no stream at all, cannot become a data connection.
  const isStream = path.transport === 'tcp' || path.transport === 'tls';
  if (allocation !== undefined || value === undefined || !isStream) return refuse(400, 'malformed');
  const connection = world.connections.get(readUint32(value));
  if (connection?.state !== 'pending' || !isHolder(connection.allocation, authentic)) {
    return refuse(400, 'no-connection');
  }
  connection.state = 'bound';
  const join = { type: 'join-peer', connection: connection.id, path } as const;
  return { kind: 'success', attributes: [], afterwards: join };
}
