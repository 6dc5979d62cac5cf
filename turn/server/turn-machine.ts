// The TURN server as a machine (RFC 8656 over RFC 8489): `handle(input, now) → actions`. No socket, timer or clock.
// Trusts nobody before the integrity check; until then a message costs us two hashes and leaves no trace but counters
// (T-008). Answers that prove nothing about the asker are bounded in size and rate (T-007).
import { answerBinding } from '../binding.ts';
import { ATTRIBUTE, StunError } from '../stun-attribute.ts';
import { checkFingerprint } from '../stun-integrity.ts';
import { unknownAttributesAttribute, xorAddressAttribute } from '../stun-values.ts';
import { METHOD, parseStun, printStun, type StunMessage, findAttribute } from '../stun.ts';
import { allocate, allocated, allocationFailed } from './allocate.ts';
import { AllocationTable } from './allocation-table.ts';
import type { Allocation } from './allocation.ts';
import { authenticate, challengeAttributes, type Seal } from './authenticate.ts';
import {
  connectionBind,
  connectPeer,
  newConnectionId,
  peerArrived,
  peerConnected,
  peerFailed,
} from './connect.ts';
import { NonceIssuer } from './nonce.ts';
import { mayGoOn } from './ownership.ts';
import { PeerConnections, type PeerConnection } from './peer-connections.ts';
import { channelBind, createPermission, expirePeers } from './permissions.ts';
import { refresh } from './refresh.ts';
import { RefusalBudget } from './refusal-budget.ts';
import { RelayPorts } from './relay-ports.ts';
import { Reservations } from './reservations.ts';
import { errorCode, refuse, succeed, type TurnOutcome, type TurnRefusal } from './turn-answer.ts';
import type { ClientPath, ConnectionId, DropReason, TurnAction, TurnInput } from './turn-input.ts';
import type { TurnMachineOptions } from './turn-options.ts';
import { endAllocation, forgetConnection, type TurnRequest, type TurnWorld } from './turn-world.ts';
import { unknownAttributes } from './unknown-attributes.ts';

/** Bytes of the smallest request of a client that follows the RFC: Allocate with REQUESTED-TRANSPORT. */
const SMALLEST_ALLOCATE_BYTES = 28;
const SECRET_BYTES = 32;

const METHOD_NAME = new Map<number, string>([
  [METHOD.binding, 'binding'],
  [METHOD.allocate, 'allocate'],
  [METHOD.refresh, 'refresh'],
  [METHOD.createPermission, 'create-permission'],
  [METHOD.channelBind, 'channel-bind'],
  [METHOD.connect, 'connect'],
  [METHOD.connectionBind, 'connection-bind'],
]);

export class TurnMachine {
  readonly #options: TurnMachineOptions;
  readonly #nonces: NonceIssuer;
  readonly #budget: RefusalBudget;
  readonly #world: TurnWorld;
  #actions: TurnAction[] = [];

  /** @throws TypeError when the realm is so long that the challenge would amplify more than the options allow. */
  constructor(options: TurnMachineOptions) {
    const { firstRelayPort: firstPort, lastRelayPort: lastPort, portQuarantineMs: quarantineMs } = options;
    const { randomBelow, randomBytes } = options;
    this.#options = options;
    this.#nonces = new NonceIssuer({
      secret: randomBytes(SECRET_BYTES),
      lifetimeMs: options.nonceLifetimeMs,
    });
    const seeds = randomBytes(8);
    this.#budget = new RefusalBudget({
      perSecond: options.refusalsPerSecondPerAddress,
      seeds: [seeds.readUInt32BE(0), seeds.readUInt32BE(4)],
    });
    const portsOf = () => new RelayPorts({ firstPort, lastPort, quarantineMs, randomBelow });
    this.#world = {
      options,
      table: new AllocationTable(options),
      ports: new Map(options.relayAddresses.map((address) => [address, portsOf()])),
      reservations: new Reservations(),
      connections: new PeerConnections(options),
      ticketSecret: randomBytes(SECRET_BYTES),
      act: (action) => this.#actions.push(action),
    };
    this.#checkChallengeSize();
  }

  /** Takes one input; returns what is to be done, in order. Never throws for anything that came from a wire. */
  handle(input: TurnInput, now: number): TurnAction[] {
    this.#actions = [];
    switch (input.type) {
      case 'message':
        this.#message(input.path, input.bytes, now);
        break;
      case 'relay-opened':
        this.#relayDone(input.allocation, now, (allocation) => allocated(this.#world, allocation, now));
        break;
      case 'relay-failed':
        this.#relayDone(input.allocation, now, (allocation) =>
          allocationFailed(this.#world, allocation, input.code, now),
        );
        break;
      case 'path-closed':
        this.#pathClosed(input.path, now);
        break;
      case 'peer-arrived':
        peerArrived(this.#world, input, now);
        break;
      case 'peer-connected':
        this.#dialled(input.connection, (connection) => peerConnected(this.#world, connection, now));
        break;
      case 'peer-failed':
        this.#dialled(input.connection, (connection) => peerFailed(this.#world, connection));
        break;
      case 'peer-closed':
        this.#peerClosed(input.connection);
        break;
      case 'tick':
        this.#tick(now);
    }
    return this.#actions;
  }

  /** A CONNECTION-ID for a peer that dialled in. */
  newConnectionId(): ConnectionId {
    return newConnectionId(this.#world);
  }

  /** Allocations as they are, for status. */
  allocations(): Iterable<Allocation> {
    return this.#world.table.values();
  }

  /** Sizes of what grows with use: what a leak test reads. */
  sizes(): Readonly<Record<'allocations' | 'reservations' | 'freePorts' | 'peerConnections', number>> {
    const ports = [...this.#world.ports.values()];
    return {
      allocations: this.#world.table.size,
      reservations: this.#world.reservations.size,
      peerConnections: this.#world.connections.size,
      freePorts: ports.reduce((sum, { available }) => sum + available, 0),
    };
  }

  #message(path: ClientPath, bytes: Buffer, now: number): void {
    let message: StunMessage;
    try {
      message = parseStun(bytes);
    } catch (error) {
      if (error instanceof StunError) return this.#drop('malformed');
      throw error;
    }
    if (message.class !== 'request') return this.#drop('not-a-request');
    const fingerprint = checkFingerprint(message);
    if (fingerprint === 'invalid') return this.#drop('bad-fingerprint');
    this.#request(path, message, now, fingerprint === 'valid');
  }

  #request(path: ClientPath, message: StunMessage, now: number, fingerprint: boolean): void {
    if (message.method === METHOD.binding && this.#options.answersUnauthenticatedBinding) {
      return this.#answerBinding(path, message, now);
    }
    const { guard } = this.#options;
    if (guard?.admits(path.remote.address, undefined) === false) return this.#drop('banned');
    // Whoever is over his share is dropped before a challenge is made for him: that is what a flood would cost.
    const isSealed = hasIntegrity(message);
    if (!isSealed && !this.#takeAnswer(path, now)) return;
    const existing = this.#world.table.at(path);
    const expired = existing !== undefined && existing.expiresAt <= now && existing.state === 'open';
    if (expired) endAllocation(this.#world, existing, 'expired', now);
    const allocation = expired ? undefined : existing;
    const authentic = guarded(() =>
      authenticate(message, path.remote.address, now, this.#authentication(), allocation?.credential),
    );
    if (authentic.kind !== 'authentic') {
      const isKnown = authentic.reason === 'bad-integrity';
      if (guesses.has(authentic.reason))
        guard?.failed(path.remote.address, isKnown ? usernameOf(message) : undefined);
      if (isSealed && !this.#takeAnswer(path, now)) return this.#count('refused', authentic.reason);
      return this.#refuseUnproven(path, message, fingerprint, authentic);
    }
    // Who is relaying already goes on: somebody beside him may have guessed.
    const isNew = allocation === undefined;
    if (isNew && guard?.admits(path.remote.address, authentic.username) === false)
      return this.#drop('banned');
    const request = { message, path, now, authentic, fingerprint, allocation };
    const outcome = guarded(() => this.#dispatch(request));
    this.#answer(path, message, fingerprint, authentic.seal, outcome);
    if (outcome.kind === 'success' && outcome.afterwards) this.#world.act(outcome.afterwards);
  }

  #authentication() {
    return { realm: this.#options.realm, credentials: this.#options.credentials, nonces: this.#nonces };
  }

  #dispatch(request: TurnRequest): TurnOutcome {
    const { message, allocation, authentic } = request;
    const unknown = unknownAttributes(message, this.#options.supportsDontFragment);
    if (unknown.length > 0) return refuse(420, 'unknown-attribute', [unknownAttributesAttribute(unknown)]);
    if (message.method === METHOD.binding) return bindingAnswer(request);
    // RFC 8656 §5: only the user who made an allocation may touch it.
    if (allocation && !mayGoOn(allocation, authentic)) return refuse(441, 'wrong-owner');
    if (message.method === METHOD.allocate) return this.#allocate(request);
    if (allocation?.state === 'opening') return refuse(437, 'no-allocation');
    switch (message.method) {
      case METHOD.refresh:
        return refresh(this.#world, request);
      case METHOD.createPermission:
        return createPermission(this.#world, request);
      case METHOD.channelBind:
        return channelBind(this.#world, request);
      case METHOD.connect:
        return connectPeer(this.#world, request);
      case METHOD.connectionBind:
        return connectionBind(this.#world, request);
      default:
        return refuse(400, 'unknown-method');
    }
  }

  /** Step 2 of §7.2: a 5-tuple has one allocation; a retransmission gets the same answer again. */
  #allocate(request: TurnRequest): TurnOutcome {
    const { allocation, message, path } = request;
    if (allocation === undefined) return allocate(this.#world, request);
    if (!allocation.request.transactionId.equals(message.transactionId))
      return refuse(437, 'allocation-exists');
    if (allocation.answer !== undefined) {
      this.#world.act({ type: 'reply', path, bytes: allocation.answer });
    }
    this.#drop('retransmission');
    return { kind: 'pending' };
  }

  #relayDone(id: number, now: number, outcomeOf: (allocation: Allocation) => TurnOutcome): void {
    const allocation = this.#world.table.get(id);
    if (allocation?.state !== 'opening') return;
    const { transactionId, seal, fingerprint } = allocation.request;
    const outcome = outcomeOf(allocation);
    const message = { method: METHOD.allocate, transactionId };
    const bytes = this.#answer(allocation.path, message, fingerprint, seal, outcome);
    if (outcome.kind === 'success') allocation.answer = bytes;
  }

  #dialled(id: ConnectionId, outcomeOf: (connection: PeerConnection) => TurnOutcome): void {
    const connection = this.#world.connections.get(id);
    if (connection?.state !== 'dialling' || connection.request === undefined) return;
    const { transactionId, seal, fingerprint } = connection.request;
    const message = { method: METHOD.connect, transactionId };
    this.#answer(connection.allocation.path, message, fingerprint, seal, outcomeOf(connection));
  }

  #peerClosed(id: ConnectionId): void {
    const connection = this.#world.connections.get(id);
    if (connection !== undefined) this.#world.connections.remove(connection);
  }

  #expireConnections(now: number): void {
    for (const connection of this.#world.connections.expired(now)) {
      if (connection.state === 'dialling')
        this.#dialled(connection.id, () => peerFailed(this.#world, connection));
      else forgetConnection(this.#world, connection);
    }
  }

  #pathClosed(path: ClientPath, now: number): void {
    const allocation = this.#world.table.at(path);
    // A mobile client may come back on another stream with its ticket (RFC 8016 §3.2); others are gone for good.
    if (allocation === undefined || allocation.request.mobile) return;
    endAllocation(this.#world, allocation, 'client-gone', now);
  }

  #tick(now: number): void {
    for (const allocation of this.#world.table.values()) {
      if (allocation.state === 'opening') continue;
      if (now - allocation.createdAt >= this.#options.maxAgeMs)
        endAllocation(this.#world, allocation, 'too-old', now);
      else if (allocation.expiresAt <= now) endAllocation(this.#world, allocation, 'expired', now);
      else expirePeers(this.#world, allocation, now);
    }
    this.#expireConnections(now);
    for (const { address, port } of this.#world.reservations.expire(now)) {
      this.#world.ports.get(address)?.release(port, now);
    }
  }

  #answerBinding(path: ClientPath, message: StunMessage, now: number): void {
    if (!this.#takeAnswer(path, now)) return;
    const bytes = answerBinding(message.raw, path.remote);
    if (bytes === undefined) return this.#drop('malformed');
    if (bytes.length > message.raw.length * this.#options.maxRefusalRatio) return this.#drop('refusal-size');
    this.#count('answered', 'binding');
    this.#world.act({ type: 'reply', path, bytes });
  }

  #answer(
    path: ClientPath,
    message: Pick<StunMessage, 'method' | 'transactionId'>,
    fingerprint: boolean,
    seal: Seal,
    outcome: TurnOutcome,
  ): Buffer | undefined {
    if (outcome.kind === 'pending') return undefined;
    const { method, transactionId } = message;
    const success = outcome.kind === 'success';
    if (success) this.#count('answered', METHOD_NAME.get(method) ?? 'binding');
    else this.#count('refused', outcome.reason);
    const attributes = success ? outcome.attributes : [errorCode(outcome.code), ...outcome.attributes];
    const draft = { class: success ? 'success' : 'error', method, transactionId, attributes } as const;
    const bytes = printStun(draft, { integrity: seal, fingerprint });
    this.#world.act({ type: 'reply', path, bytes });
    return bytes;
  }

  /** An answer to somebody who has proven nothing, not even his address. */
  #refuseUnproven(path: ClientPath, message: StunMessage, fingerprint: boolean, refusal: TurnRefusal): void {
    this.#count('refused', refusal.reason);
    const bytes = [true, false]
      .map((withPhrase) => printRefusal(message, fingerprint, refusal, withPhrase))
      .find(({ length }) => length <= message.raw.length * this.#options.maxRefusalRatio);
    if (bytes === undefined) return this.#drop('refusal-size');
    this.#world.act({ type: 'reply', path, bytes });
  }

  /** Streams have proven their address by the handshake; over UDP an address has its share (T-007). */
  #takeAnswer(path: ClientPath, now: number): boolean {
    if (path.transport !== 'udp' || this.#budget.take(path.remote.address, now)) return true;
    this.#drop('refusal-rate');
    return false;
  }

  #checkChallengeSize(): void {
    const attributes = challengeAttributes(this.#authentication(), '0.0.0.0', 0);
    const refusal = refuse(401, 'no-integrity', attributes);
    const request = { method: METHOD.allocate, transactionId: Buffer.alloc(12) };
    const { length } = printRefusal(request, false, refusal, false);
    if (length > SMALLEST_ALLOCATE_BYTES * this.#options.maxRefusalRatio) {
      throw new TypeError(
        `realm ${JSON.stringify(this.#options.realm)} is too long: the challenge has ${length} bytes`,
      );
    }
  }

  #drop(reason: DropReason): undefined {
    this.#count('dropped', reason);
  }

  #count(event: 'answered' | 'refused' | 'dropped', reason: string): void {
    this.#world.act({ type: 'count', event, reason });
  }
}

function hasIntegrity({ attributes }: StunMessage): boolean {
  return attributes.some(
    ({ type }) => type === ATTRIBUTE.messageIntegrity || type === ATTRIBUTE.messageIntegritySha256,
  );
}

function bindingAnswer({ message, path }: TurnRequest): TurnOutcome {
  return succeed(xorAddressAttribute(ATTRIBUTE.xorMappedAddress, path.remote, message.transactionId));
}

function printRefusal(
  { method, transactionId }: Pick<StunMessage, 'method' | 'transactionId'>,
  fingerprint: boolean,
  refusal: TurnRefusal,
  withPhrase: boolean,
): Buffer {
  const attributes = [errorCode(refusal.code, withPhrase), ...refusal.attributes];
  return printStun({ class: 'error', method, transactionId, attributes }, { fingerprint });
}

/** A value that is not what its type says is the asker's fault: 400. */
function guarded<Result>(work: () => Result): Result | TurnRefusal {
  try {
    return work();
  } catch (error) {
    if (error instanceof StunError) return refuse(400, 'malformed');
    throw error;
  }
}

/** What honest clients do not send: an expired credential or nonce is none of these. */
const guesses: ReadonlySet<string> = new Set(['bad-integrity', 'unknown-user', 'bad-token']);

/** The name in clear, as far as it can be shown. */
function usernameOf(message: StunMessage): string | undefined {
  const name = findAttribute(message, ATTRIBUTE.username)?.toString();
  return name !== undefined && name.length <= 256 ? name : undefined;
}
