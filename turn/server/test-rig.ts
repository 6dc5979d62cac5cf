// A TURN machine with a clock moved by hand: bytes in, answers and actions out, no socket. Relays open at once unless a
// test says how they fail.
import type { TransportAddress } from '../ip-address.ts';
import { TestClient, verdictOf, type TestClientOptions } from '../test-client.ts';
import { testMachineOptions, TEST_USER, type TestServerChanges } from '../test-server.ts';
import type { ClientPath, TurnAction, TurnEvent, TurnInput } from './turn-input.ts';
import { TurnMachine } from './turn-machine.ts';

export const PEER = { address: '8.8.8.8', port: 4000 };

export class TestRig {
  now = 1_000_000;
  readonly machine: TurnMachine;
  /** What the next relays end in, first to last; empty: they open. */
  readonly failures: ('address-in-use' | 'bind-failed' | 'never')[] = [];
  /** Every action since the last `clear`. */
  actions: TurnAction[] = [];

  constructor(changes: TestServerChanges = {}) {
    this.machine = new TurnMachine(testMachineOptions(changes));
  }

  feed(input: TurnInput): Buffer | undefined {
    const actions = this.machine.handle(input, this.now);
    this.actions.push(...actions);
    let answer: Buffer | undefined;
    for (const action of actions) {
      if (action.type === 'reply') answer = action.bytes;
      if (action.type === 'open-relay') answer = this.#opened(action.allocation) ?? answer;
    }
    return answer;
  }

  #opened(allocation: number): Buffer | undefined {
    const failure = this.failures.shift();
    if (failure === 'never') return undefined;
    return this.feed(
      failure ? { type: 'relay-failed', allocation, code: failure } : { type: 'relay-opened', allocation },
    );
  }

  send(bytes: Buffer, path: ClientPath = pathOf()): Buffer | undefined {
    return this.feed({ type: 'message', path, bytes });
  }

  /** Moves the clock and lets the machine look. */
  pass(ms: number): void {
    this.now += ms;
    this.feed({ type: 'tick' });
  }

  /** A client that has learned realm and nonce. */
  client(options: Partial<TestClientOptions> = {}, path: ClientPath = pathOf()): TestClient {
    const client = new TestClient({ ...TEST_USER, ...options });
    client.learn(this.send(client.allocate(), path)!);
    return client;
  }

  /** A client with an allocation. */
  allocated(options: Partial<TestClientOptions> = {}, path: ClientPath = pathOf()): TestClient {
    const client = this.client(options, path);
    const verdict = verdictOf(this.send(client.allocate(), path));
    if (verdict !== 'success') throw new Error(`Allocate: ${verdict}`);
    return client;
  }

  events(): TurnEvent[] {
    return this.actions.flatMap((action) => (action.type === 'event' ? [action.event] : []));
  }

  /** Counted words, in order. */
  counted(): string[] {
    return this.actions.flatMap((action) =>
      action.type === 'count' ? [`${action.event} ${action.reason}`] : [],
    );
  }

  actionsOf<Type extends TurnAction['type']>(type: Type): Extract<TurnAction, { type: Type }>[] {
    return this.actions.filter(
      (action): action is Extract<TurnAction, { type: Type }> => action.type === type,
    );
  }

  clear(): void {
    this.actions = [];
  }
}

/** A 5-tuple of its own per port. */
export function pathOf(
  port = 50_000,
  transport: ClientPath['transport'] = 'udp',
  address = '198.51.100.7',
): ClientPath {
  const remote: TransportAddress = { address, port };
  return { key: `${transport} ${address} ${port}`, transport, remote };
}
