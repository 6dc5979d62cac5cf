// The relay part of the road: clients that cannot reach each other do by TURN (mra-wire §6.2), and nobody else is helped.
import { addressPlan } from '../address-plan.ts';
import { RelayClient, RelayRefusal } from '../client/relay-client.ts';
import { type Lab } from '../lab.ts';
import { broughtBy, expectThat, type ProofStep } from '../proof.ts';
import { needs, type Road } from './road-state.ts';

const CHANNEL = 0x4000;
const HELLO = Buffer.from('hello through two relays');

export function relaySteps(road: Road, lab: Lab): ProofStep[] {
  return [
    {
      title:
        'two clients, one over UDP and one over TLS at the port of HTTPS, hear each other through the relay',
      run: () => meet(road, lab),
    },
    { title: 'the relay refuses a wrong password, and leads nowhere inside', run: () => refuse(road, lab) },
  ];
}

function clientOf(road: Road, lab: Lab, transport: 'udp' | 'tls', password = lab.files.relayUser.password) {
  const { address } = broughtBy(needs.edge, road.edge);
  const { client, edge } = addressPlan;
  return new RelayClient({
    transport,
    host: address,
    port: transport === 'udp' ? edge.turn : edge.https,
    localAddress: client.address,
    serverName: edge.name,
    authority: lab.files.publicAuthority,
    user: lab.files.relayUser.name,
    password,
  });
}

async function meet(road: Road, lab: Lab): Promise<string> {
  const clients = [clientOf(road, lab, 'udp'), clientOf(road, lab, 'tls')] as const;
  const [left, right] = clients;
  try {
    const [leftAt, rightAt] = [await left.allocate(), await right.allocate()];
    await Promise.all([left.bind(CHANNEL, rightAt), right.bind(CHANNEL, leftAt)]);
    left.send(CHANNEL, HELLO);
    right.send(CHANNEL, await right.receive(CHANNEL));
    const echo = await left.receive(CHANNEL);
    expectThat(echo.equals(HELLO), 'something else came back');
    return `${leftAt.address}:${leftAt.port} ↔ ${rightAt.address}:${rightAt.port}`;
  } finally {
    for (const client of clients) client.close();
  }
}

async function refuse(road: Road, lab: Lab): Promise<string> {
  const stranger = clientOf(road, lab, 'udp', 'a wrong password');
  const client = clientOf(road, lab, 'udp');
  try {
    expectThat((await codeOf(stranger.allocate())) === 401, 'a wrong password was not refused');
    await client.allocate();
    const inside = { address: addressPlan.unifiedCm.address, port: 5060 };
    expectThat((await codeOf(client.bind(CHANNEL, inside))) === 403, 'Unified CM may be relayed to');
    return '401 and 403';
  } finally {
    stranger.close();
    client.close();
  }
}

/** The number a request was refused with. */
async function codeOf(request: Promise<unknown>): Promise<number | undefined> {
  try {
    await request;
    return undefined;
  } catch (error) {
    if (error instanceof RelayRefusal) return error.code;
    throw error;
  }
}
