// The TURN servers of the benchmark, each one process on one port of loopback, pinned to the first processor: ours, and
// Debian's coturn with one relay thread.
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { TestClient } from '../../turn/test-client.ts';

export type TurnParty = 'viaduct' | 'coturn';
export const TURN_PORT = 13_478;
export const CREDENTIALS = { username: 'alice', password: 'wonderland' };
export const coturnPresent = existsSync('/usr/bin/turnserver');

/** As bin/viaduct.mjs starts its processes. */
const FLAGS = ['--max-semi-space-size=64'];

const COTURN = (
  `/usr/bin/turnserver -n -m 1 -a -r TANDBERG -u alice:wonderland -p ${TURN_PORT} -L 127.0.0.1 -E 127.0.0.1 ` +
  '--min-port 20000 --max-port 31999 --allow-loopback-peers --no-cli --no-tls --no-dtls --no-tcp ' +
  '--no-multicast-peers --log-file /dev/null'
).split(' ');

/** Starts a server; resolves once it answers. */
export async function startTurnParty(name: TurnParty, folder: string): Promise<ChildProcess> {
  const own = [
    process.execPath,
    ...FLAGS,
    path.join(import.meta.dirname, 'turn-server-process.ts'),
    String(TURN_PORT),
  ];
  const coturn = [
    ...COTURN,
    '--userdb',
    path.join(folder, 'turndb'),
    '--pidfile',
    path.join(folder, 'turn.pid'),
  ];
  const [program, ...words] = ['taskset', '-c', '0', ...(name === 'viaduct' ? own : coturn)];
  const child = spawn(program, words, { stdio: 'ignore' });
  await answered(child, name);
  return child;
}

/** Asks until there is an answer: coturn says nothing when it is ready. */
async function answered(child: ChildProcess, name: TurnParty): Promise<void> {
  const socket = createSocket('udp4');
  const asking = setInterval(
    () => socket.send(new TestClient(CREDENTIALS).allocate(), TURN_PORT, '127.0.0.1'),
    50,
  );
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${name} ended before it answered`)));
  try {
    await Promise.race([once(socket, 'message'), ended]);
  } finally {
    ended.catch(() => undefined);
    clearInterval(asking);
    socket.close();
  }
}

/** Ends a server that `startTurnParty` started. */
export async function stopTurnParty(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
