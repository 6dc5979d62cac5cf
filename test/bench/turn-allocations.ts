// Allocation cycles against a TURN server: Allocate, 401, Allocate, success, Refresh 0, success; a fresh address each
// time, because coturn keeps a 5-tuple for a while after it was released. So many at a time, for a while.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { TestClient, verdictOf } from '../../turn/test-client.ts';
import { CREDENTIALS, TURN_PORT } from './turn-parties.ts';

const AT_ONCE = 32;
let cycles = 0;

/** Another address of loopback for each cycle. */
function nextAddress(): string {
  cycles += 1;
  return `127.${1 + ((cycles >> 16) % 250)}.${(cycles >> 8) & 0xff}.${1 + (cycles % 250)}`;
}

/** Cycles done in `ms`; throws when one in a hundred is refused (coturn runs into ports of others now and then). */
export async function allocationCycles(ms: number): Promise<number> {
  const end = performance.now() + ms;
  let done = 0;
  let refused = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const verdict = await cycle();
      if (verdict === 'success') done += 1;
      else refused += 1;
      if (refused > 10 + done / 100) throw new Error(`allocation cycles: ${verdict}, ${refused} times`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return done;
}

async function cycle(): Promise<string> {
  const socket = createSocket('udp4');
  socket.bind(0, nextAddress());
  const client = new TestClient(CREDENTIALS);
  const ask = async (request: Buffer): Promise<Buffer> => {
    socket.send(request, TURN_PORT, '127.0.0.1');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    return answer;
  };
  try {
    client.learn(await ask(client.allocate()));
    const allocated = verdictOf(await ask(client.allocate()));
    return allocated === 'success' ? verdictOf(await ask(client.refresh(0))) : allocated;
  } finally {
    socket.close();
  }
}
