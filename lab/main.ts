// `npm start`: the newcomer's first minute. Starts the lab, walks the road, says what it saw, and stays up until
// Ctrl-C unless told to leave after the proof.
import { addressPlan } from './address-plan.ts';
import { type Lab, LabPortsTaken, startLab } from './lab.ts';
import { type ProofResult, runProof } from './proof.ts';
import { createRoad, type WalkedRoad } from './road/road.ts';

export interface LabRun {
  /** Leave after the proof. */
  readonly once: boolean;
}

/** Longest time of one step. */
const stepTimeoutMs = 15_000;
/** Last lines of a process's log that are shown when a step failed. */
const shownLogLines = 8;

/** Runs the lab. @returns the exit code: 0 when every step passed, or, staying up, when it was asked to stop. */
export async function runLab({ once }: LabRun): Promise<number> {
  const stop = stopSignal();
  introduce();
  let lab: Lab;
  try {
    lab = await startLab(Date.now());
  } catch (error) {
    if (!(error instanceof LabPortsTaken)) throw error;
    for (const problem of error.problems) write(`  ${problem}`);
    write('\nNothing was started. End what holds these ports and try again.');
    return 1;
  }
  const road = createRoad(lab);
  try {
    const result = await Promise.race([prove(road, stop), stop.promise]);
    if (result === 'stopped') {
      write('\nstopped before the proof was complete');
      return 130;
    }
    if (result.failed > 0) explain(lab);
    write(`\nproof: ${result.passed} passed, ${result.failed} failed`);
    if (once) return result.failed === 0 ? 0 : 1;
    await road.stay(write);
    tellWhereToLook();
    await stop.promise;
    return 0;
  } finally {
    road.close();
    await lab.close();
  }
}

function tellWhereToLook(): void {
  const { edge, core } = addressPlan;
  write(
    '\nEverything stays up, with both phones registered, until Ctrl-C. What the processes say of themselves:',
  );
  write(`  edge  http://${edge.address}:${edge.admin}/`);
  write(`  core  http://${core.address}:${core.admin}/`);
}

interface StopSignal {
  readonly promise: Promise<'stopped'>;
  readonly isStopped: () => boolean;
}

function stopSignal(): StopSignal {
  const { promise, resolve } = Promise.withResolvers<'stopped'>();
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      isStopped = true;
      resolve('stopped');
    });
  }
  return { promise, isStopped: () => isStopped };
}

async function prove({ steps }: WalkedRoad, { isStopped }: StopSignal): Promise<ProofResult> {
  return runProof(steps, { stepTimeoutMs, now: () => performance.now(), write, isStopped });
}

function introduce(): void {
  const { domain, edge, core, identityProvider, imPresence, unifiedCm, outsideDns, client, deskPhone } =
    addressPlan;
  const rows = [
    ['client', 'outside: Alice, knows only alice@example.com', client.address],
    ['DNS', `what the internet sees of ${domain}`, `${outsideDns.address}:${outsideDns.port}`],
    ['IdP', 'outside, embedded: SAML identity provider 8443', identityProvider.address],
    ['edge', 'a process in the DMZ: HTTPS 8443, SIP 5061, XMPP 5222, TURN 3478, media', edge.address],
    ['core', 'a process inside: dials the edge, decides', core.address],
    ['Unified CM', 'inside, embedded: UDS 8443, files 6970, SIP 5060', unifiedCm.address],
    ['IM&Presence', 'inside, embedded: XMPP 5222', imPresence.address],
    ['desk phone', 'inside: Bob', deskPhone.address],
  ];
  write('Viaduct lab: a whole company on loopback addresses, no root, nothing leaves this machine.\n');
  for (const [name = '', what = '', address = ''] of rows) {
    write(`  ${name.padEnd(11)} ${address.padEnd(18)} ${what}`);
  }
  write('');
}

function explain(lab: Lab): void {
  for (const child of lab.children) {
    write(`\n  ${child.name} ${child.ended() ?? 'runs'}; its last words:`);
    for (const line of child.tail(shownLogLines)) write(`    ${line}`);
  }
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
