// What the handlers of the TURN machine share: its tables, its options, and a way to ask for actions.
import type { StunMessage } from '../stun.ts';
import type { AddressFamily } from '../turn-values.ts';
import type { Allocation } from './allocation.ts';
import type { AllocationTable } from './allocation-table.ts';
import { noteOf } from './allocation.ts';
import type { Authentic } from './authenticate.ts';
import type { PeerConnection, PeerConnections } from './peer-connections.ts';
import type { RelayPorts } from './relay-ports.ts';
import type { Reservations } from './reservations.ts';
import type { ClientPath, RelayEnd, TurnAction } from './turn-input.ts';
import type { RelayAddress, TurnMachineOptions } from './turn-options.ts';

/** A request whose sender is proven. */
export interface TurnRequest {
  readonly message: StunMessage;
  readonly path: ClientPath;
  readonly now: number;
  readonly authentic: Authentic & { readonly password: string };
  readonly fingerprint: boolean;
  /** The allocation of its 5-tuple, alive and of the same user. */
  readonly allocation: Allocation | undefined;
}

export interface TurnWorld {
  readonly options: TurnMachineOptions;
  readonly table: AllocationTable;
  readonly ports: ReadonlyMap<RelayAddress, RelayPorts>;
  readonly reservations: Reservations;
  readonly connections: PeerConnections;
  /** Secret of the mobility tickets. */
  readonly ticketSecret: Buffer;
  readonly act: (action: TurnAction) => void;
}

/** The address that relays of a family are opened at. */
export function relayAddressOf(world: TurnWorld, family: AddressFamily): RelayAddress | undefined {
  return world.options.relayAddresses.find((address) => address.family === family);
}

/** Gives a relay's port back. */
export function releasePort(world: TurnWorld, relay: RelayEnd, now: number): void {
  const address = relayAddressOf(world, relay.family);
  if (address !== undefined) world.ports.get(address)?.release(relay.bound.port, now);
}

/** Ends an allocation: sockets, ports, quota; `why` is for the operator. */
export function endAllocation(
  world: TurnWorld,
  allocation: Allocation,
  why: 'deleted' | 'expired' | 'client-gone' | 'too-old',
  now: number,
): void {
  world.table.remove(allocation);
  for (const connection of world.connections.of(allocation)) forgetConnection(world, connection);
  for (const relay of allocation.relays) releasePort(world, relay, now);
  const reserved = allocation.reservation && world.reservations.cancel(allocation.reservation);
  if (reserved) world.ports.get(reserved.address)?.release(reserved.port, now);
  world.act({ type: 'close-relay', allocation: allocation.id });
  world.act({ type: 'event', event: { kind: why, ...noteOf(allocation) } });
  reportUsage(world);
}

/** Ends a connection to a peer. */
export function forgetConnection(world: TurnWorld, connection: PeerConnection): void {
  world.connections.remove(connection);
  world.act({ type: 'close-peer', connection: connection.id });
}

/** Tells the operator when the share of allocations in use crossed a mark. */
export function reportUsage(world: TurnWorld): void {
  const event = world.table.usageEvent();
  if (event !== undefined) world.act({ type: 'event', event });
}
