// Allocate (RFC 8656 §7): which relayed addresses a client gets. Steps are those of §7.2. Refuses what the wire says
// wrongly, then what policy and quotas forbid, and only then takes a port.
import { ATTRIBUTE, type StunAttribute } from '../stun-attribute.ts';
import { mappedAddressAttribute, xorAddressAttribute } from '../stun-values.ts';
import { findAttribute, type StunMessage } from '../stun.ts';
import {
  addressErrorAttribute,
  readEvenPort,
  readFamily,
  readProtocol,
  readUint32,
  uint32Attribute,
  type AddressFamily,
} from '../turn-values.ts';
import type { Allocation, AllocateRequest } from './allocation.ts';
import { noteOf } from './allocation.ts';
import { mobilityTicket } from './mobility.ts';
import { reserves } from './ownership.ts';
import { RESERVATION_TOKEN_BYTES } from './reservations.ts';
import { refuse, succeed, type TurnOutcome, type TurnRefusal } from './turn-answer.ts';
import type { ClientPath, RelayEnd } from './turn-input.ts';
import type { RelayAddress, TurnMachineOptions } from './turn-options.ts';
import { endAllocation, relayAddressOf, releasePort, reportUsage } from './turn-world.ts';
import type { TurnRequest, TurnWorld } from './turn-world.ts';

const UDP = 17;
const TCP = 6;
const PENDING: TurnOutcome = { kind: 'pending' };

/** What the client asked for, once it makes sense. */
interface Wanted {
  readonly transport: 'udp' | 'tcp';
  readonly families: readonly AddressFamily[];
  readonly even: AllocateRequest['even'];
  readonly token: Buffer | undefined;
  /** Read before a port is taken: a malformed one must not cost us any. */
  readonly lifetimeMs: number;
}

/** Handles an Allocate of a proven user. */
export function allocate(world: TurnWorld, request: TurnRequest): TurnOutcome {
  const wanted = readWanted(request, world.options);
  if ('kind' in wanted) return wanted;
  const refusal = refuseByQuota(world, request);
  if (refusal !== undefined) return refusal;
  const relays = wanted.token ? redeem(world, request, wanted.token) : acquire(world, request, wanted);
  if ('kind' in relays) return relays;
  const allocation = create(world, request, wanted, relays);
  world.table.add(allocation);
  reportUsage(world);
  open(world, allocation);
  return PENDING;
}

function open(world: TurnWorld, { id, path, relays, request }: Allocation): void {
  world.act({ type: 'open-relay', allocation: id, path, relays, transport: request.transport });
}

/** Steps 3 to 8 of §7.2, as far as they are about the message alone. */
function readWanted(
  { authentic, message, now, path }: TurnRequest,
  options: TurnMachineOptions,
): Wanted | TurnRefusal {
  const attribute = (type: number): Buffer | undefined => findAttribute(message, type);
  // Step 3: UDP, or TCP (RFC 6062) where it can be served.
  const requestedTransport = attribute(ATTRIBUTE.requestedTransport);
  if (requestedTransport === undefined) return refuse(400, 'malformed');
  const protocol = readProtocol(requestedTransport);
  if (protocol !== UDP && (protocol !== TCP || !options.supportsTcpRelays)) return refuse(442, 'transport');
  const transport = protocol === UDP ? 'udp' : 'tcp';
  // Step 4: DONT-FRAGMENT without support is an unknown attribute; the machine's table of those says so.
  // Steps 5, 6: what excludes each other.
  const token = attribute(ATTRIBUTE.reservationToken);
  const evenPort = attribute(ATTRIBUTE.evenPort);
  const requested = attribute(ATTRIBUTE.requestedAddressFamily);
  const additional = attribute(ATTRIBUTE.additionalAddressFamily);
  if (token && (evenPort || requested || additional || token.length !== RESERVATION_TOKEN_BYTES)) {
    return refuse(400, 'malformed');
  }
  if (requested && additional) return refuse(400, 'malformed');
  if (transport === 'tcp' && !mayBeTcp(message, path)) return refuse(400, 'malformed');
  const { token: credential } = authentic;
  const lifetimeMs = grantedLifetimeMs(message, options, credential && credential.goodUntil - now);
  const even = evenPort === undefined ? 'any' : readEvenPort(evenPort) ? 'even-and-next' : 'even';
  // Step 7 and ADDITIONAL-ADDRESS-FAMILY: which is for IPv6 beside IPv4 only, and not with a reserved port.
  if (additional) {
    if (readFamily(additional) !== 6 || even === 'even-and-next') return refuse(400, 'malformed');
    return { transport, families: [4, 6], even, token, lifetimeMs };
  }
  const family = requested ? readFamily(requested) : 4;
  const served = options.relayAddresses.some((address) => address.family === family);
  if (family === undefined || (!served && !token)) return refuse(440, 'family');
  return { transport, families: [family], even, token, lifetimeMs };
}

/** RFC 6062 §5.1: asked for on a stream, and without what belongs to datagrams. */
function mayBeTcp(message: StunMessage, { transport }: ClientPath): boolean {
  const { evenPort, dontFragment, reservationToken } = ATTRIBUTE;
  const ofDatagrams = [evenPort, dontFragment, reservationToken];
  const isStream = transport === 'tcp' || transport === 'tls';
  return isStream && !ofDatagrams.some((type) => findAttribute(message, type));
}

/** Step 9: quotas; then what a full server does. */
function refuseByQuota(world: TurnWorld, { authentic, path }: TurnRequest): TurnRefusal | undefined {
  const reason = world.table.refusal(authentic.owner);
  if (reason === undefined) return undefined;
  return reason === 'allocation-limit' ? refuseFull(world, path.remote.address, reason) : refuse(486, reason);
}

/** 300 with ALTERNATE-SERVER of the client's own family when there is another server, else 508 (step 10). */
function refuseFull(
  world: TurnWorld,
  client: string,
  reason: 'allocation-limit' | 'ports-exhausted',
): TurnRefusal {
  const { alternates, randomBelow } = world.options;
  const six = client.includes(':');
  const fitting = alternates.filter(({ address }) => address.includes(':') === six);
  const alternate = fitting[fitting.length > 1 ? randomBelow(fitting.length) : 0];
  if (alternate === undefined) return refuse(508, reason);
  return refuse(300, reason, [mappedAddressAttribute(ATTRIBUTE.alternateServer, alternate)]);
}

function redeem(world: TurnWorld, { authentic, now }: TurnRequest, token: Buffer): RelayEnd[] | TurnRefusal {
  const found = world.reservations.redeem(token, reserves(authentic), now);
  return found === undefined ? refuse(508, 'reservation') : [relayEnd(found.address, found.port)];
}

/** Takes ports; of two families one may be missing, of one none (§7.2, ADDITIONAL-ADDRESS-FAMILY). */
function acquire(world: TurnWorld, { now, path }: TurnRequest, wanted: Wanted): RelayEnd[] | TurnRefusal {
  const relays = wanted.families.flatMap((family) => acquireOne(world, now, family, wanted.even) ?? []);
  return relays.length > 0 ? relays : refuseFull(world, path.remote.address, 'ports-exhausted');
}

function acquireOne(
  world: TurnWorld,
  now: number,
  family: AddressFamily,
  even: AllocateRequest['even'],
): RelayEnd | undefined {
  const address = relayAddressOf(world, family);
  const ports = address && world.ports.get(address);
  const port = even === 'any' ? ports?.acquire(now) : ports?.acquireEven(now, even === 'even-and-next');
  return address === undefined || port === undefined ? undefined : relayEnd(address, port);
}

function relayEnd({ family, bound, announced }: RelayAddress, port: number): RelayEnd {
  return { family, bound: { address: bound, port }, announced: { address: announced, port } };
}

function create(
  world: TurnWorld,
  request: TurnRequest,
  wanted: Wanted,
  relays: readonly RelayEnd[],
): Allocation {
  const { authentic, message, now, path, fingerprint } = request;
  const { lifetimeMs } = wanted;
  const { username, password, owner, token } = authentic;
  const missing = wanted.families.filter(
    (family) => !wanted.token && !relays.some((relay) => relay.family === family),
  );
  const allocation: Allocation = {
    id: world.table.nextId(),
    path,
    credential: { username, password, owner, token },
    request: {
      transactionId: Buffer.from(message.transactionId),
      seal: authentic.seal,
      fingerprint,
      lifetimeMs,
      even: wanted.even,
      // A TCP allocation lives and dies with its stream (RFC 6062 §5): it gets no ticket.
      mobile: wanted.transport === 'udp' && findAttribute(message, ATTRIBUTE.mobilityTicket)?.length === 0,
      transport: wanted.transport,
    },
    createdAt: now,
    state: 'opening',
    relays,
    missingFamilies: missing.map((family) => ({ family, code: relayAddressOf(world, family) ? 508 : 440 })),
    bindTries: 1,
    expiresAt: now + lifetimeMs,
    reservation: undefined,
    answer: undefined,
    ticket: 0,
    permissions: new Map(),
    channels: new Map(),
    channelOf: new Map(),
  };
  if (wanted.even === 'even-and-next') reserveNext(world, allocation, now);
  return allocation;
}

function reserveNext(world: TurnWorld, allocation: Allocation, now: number): void {
  const [relay] = allocation.relays;
  const address = relay && relayAddressOf(world, relay.family);
  if (relay === undefined || address === undefined) return;
  const token = world.options.randomBytes(RESERVATION_TOKEN_BYTES);
  allocation.reservation = token;
  world.reservations.keep(token, {
    address,
    port: relay.bound.port + 1,
    owner: reserves(allocation.credential),
    expiresAt: now + world.options.reservationMs,
  });
}

/** LIFETIME that is granted: at least the default, at most the limit (§7.2 step 11) and what is left of a token. */
export function grantedLifetimeMs(
  message: StunMessage,
  options: TurnMachineOptions,
  tokenLeftMs = Infinity,
): number {
  const value = findAttribute(message, ATTRIBUTE.lifetime);
  const askedMs = value === undefined ? 0 : readUint32(value) * 1000;
  return Math.min(Math.max(askedMs, options.defaultLifetimeMs), options.maxLifetimeMs, tokenLeftMs);
}

/** The relay is open: the answer that the client waits for (§7.3). */
export function allocated(world: TurnWorld, allocation: Allocation, now: number): TurnOutcome {
  allocation.state = 'open';
  allocation.expiresAt = now + allocation.request.lifetimeMs;
  world.act({ type: 'event', event: { kind: 'allocated', ...noteOf(allocation) } });
  return succeed(...answerAttributes(world, allocation));
}

function answerAttributes(world: TurnWorld, allocation: Allocation): StunAttribute[] {
  const { transactionId, lifetimeMs, mobile } = allocation.request;
  const { xorRelayedAddress, xorMappedAddress, lifetime, reservationToken } = ATTRIBUTE;
  const attributes = allocation.relays.map(({ announced }) =>
    xorAddressAttribute(xorRelayedAddress, announced, transactionId),
  );
  attributes.push(uint32Attribute(lifetime, Math.trunc(lifetimeMs / 1000)));
  if (allocation.reservation) attributes.push({ type: reservationToken, value: allocation.reservation });
  attributes.push(xorAddressAttribute(xorMappedAddress, allocation.path.remote, transactionId));
  for (const { family, code } of allocation.missingFamilies) {
    attributes.push(addressErrorAttribute(ATTRIBUTE.addressErrorCode, family, code));
  }
  if (mobile) attributes.push(mobilityTicket(world.ticketSecret, allocation));
  return attributes;
}

/** A socket could not be opened: another port when this one was taken, else 508. */
export function allocationFailed(
  world: TurnWorld,
  allocation: Allocation,
  code: 'address-in-use' | 'bind-failed',
  now: number,
): TurnOutcome {
  const { even } = allocation.request;
  const again =
    code === 'address-in-use' && even === 'any' && allocation.bindTries < world.options.maxBindTries;
  const relays = again
    ? allocation.relays.flatMap(({ family }) => acquireOne(world, now, family, even) ?? [])
    : [];
  if (relays.length < allocation.relays.length) {
    for (const relay of relays) releasePort(world, relay, now);
    endAllocation(world, allocation, 'deleted', now);
    return refuse(508, 'bind-failed');
  }
  for (const relay of allocation.relays) releasePort(world, relay, now);
  allocation.relays = relays;
  allocation.bindTries += 1;
  open(world, allocation);
  return PENDING;
}
