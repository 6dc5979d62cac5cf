// A bad network in user space: a relay that loses, delays and (where jitter exceeds the packet interval) reorders UDP
// packets, and delays TCP bytes in order. The router's nftables turn traffic for the edge to it, port for port, so neither
// client nor edge is configured for it. Run as a process inside the router's namespace:
//   node impair-relay.ts '{"listen":"198.18.1.1","target":"198.18.2.10","udp":[36002,36201],"tcp":[5061],
//                          "loss":0.02,"delayMs":20,"jitterMs":40,"seed":1}'
import { createSocket, type Socket } from 'node:dgram';
import { createServer, connect, type Socket as TcpSocket } from 'node:net';

export interface RelaySettings {
  readonly listen: string;
  readonly target: string;
  /** First and last UDP port. */
  readonly udp: readonly [number, number];
  readonly tcp: readonly number[];
  /** The part of UDP packets that vanish, each way. */
  readonly loss: number;
  readonly delayMs: number;
  /** Added to the delay, evenly from 0 to this. */
  readonly jitterMs: number;
  readonly seed: number;
}

const MAX_SOURCES_PER_PORT = 16;

/** What happens to each packet: a small generator with a seed, so that a run can be repeated. */
export class Misfortune {
  readonly #settings: Pick<RelaySettings, 'loss' | 'delayMs' | 'jitterMs'>;
  #state: number;

  constructor(settings: Pick<RelaySettings, 'loss' | 'delayMs' | 'jitterMs' | 'seed'>) {
    this.#settings = settings;
    this.#state = settings.seed >>> 0;
  }

  /** Mulberry32: a number from 0 up to 1. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** How long the next packet travels in milliseconds; undefined: it is lost. */
  next(): number | undefined {
    if (this.#next() < this.#settings.loss) return undefined;
    return this.#settings.delayMs + this.#next() * this.#settings.jitterMs;
  }
}

const counted = { passed: 0, lost: 0, connections: 0 };

function after(fate: number | undefined, act: () => void): void {
  if (fate === undefined) counted.lost += 1;
  else {
    counted.passed += 1;
    setTimeout(act, fate);
  }
}

async function relayUdp(settings: RelaySettings, port: number, fate: Misfortune): Promise<void> {
  const near = createSocket('udp4');
  const far = new Map<string, Socket>();
  near.on('error', (error) => process.stderr.write(`udp ${port}: ${error.message}\n`));
  near.on('message', (packet, from) => {
    const key = `${from.address}:${from.port}`;
    let upstream = far.get(key);
    if (upstream === undefined) {
      if (far.size >= MAX_SOURCES_PER_PORT) return;
      upstream = createSocket('udp4');
      upstream.on('error', () => undefined);
      upstream.on('message', (back) => after(fate.next(), () => near.send(back, from.port, from.address)));
      far.set(key, upstream);
    }
    const to = upstream;
    after(fate.next(), () => to.send(packet, port, settings.target));
  });
  await new Promise<void>((resolve) => near.bind(port, settings.listen, resolve));
}

/** Bytes keep their order: each piece leaves after its own delay, never before the one ahead of it. */
function delayed(from: TcpSocket, to: TcpSocket, settings: RelaySettings, fate: Misfortune): void {
  let lastAt = 0;
  const later = (act: () => void): void => {
    lastAt = Math.max(lastAt, performance.now() + (fate.next() ?? settings.delayMs + settings.jitterMs));
    setTimeout(act, lastAt - performance.now());
  };
  from.on('data', (chunk) => later(() => to.write(chunk)));
  from.on('end', () => later(() => to.end()));
  from.on('error', () => to.destroy());
}

async function relayTcp(settings: RelaySettings, port: number, fate: Misfortune): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    counted.connections += 1;
    const far = connect({ host: settings.target, port, allowHalfOpen: true });
    delayed(near, far, settings, fate);
    delayed(far, near, settings, fate);
  });
  await new Promise<void>((resolve) => server.listen(port, settings.listen, resolve));
}

/** Opens every port, then says so. */
async function main(settings: RelaySettings): Promise<void> {
  const fate = new Misfortune(settings);
  const [first, last] = settings.udp;
  for (let port = first; port <= last; port++) await relayUdp(settings, port, fate);
  for (const port of settings.tcp) await relayTcp(settings, port, fate);
  process.stdout.write('relay ready\n');
  process.on('SIGTERM', () => {
    process.stdout.write(`relay counted ${JSON.stringify(counted)}\n`);
    process.exit(0);
  });
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}') as RelaySettings);
