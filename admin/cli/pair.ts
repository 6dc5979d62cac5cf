// `viaduct pair` and `viaduct renew`: the identities of an edge and a core that trust each other and nobody else. Written
// once, anywhere; a peer joins when its one file is copied to it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { ZodError } from 'zod';
import { loadConfig } from '../../config/index.ts';
import { createPair, type Pair, printBundle } from '../../zones/pair/pair.ts';
import { renewIdentity } from '../../zones/pair/renew.ts';
import type { Terminal } from './main.ts';

interface PairFlags {
  readonly zone: string;
  readonly id: number;
  readonly edge: readonly Edge[];
  readonly core: readonly string[];
  readonly days: number;
  readonly out: string;
}

interface Edge {
  readonly name: string;
  readonly address: string;
}

function edge(text: string, before: readonly Edge[] = []): readonly Edge[] {
  const [name, address] = text.split('=');
  if (name === undefined || name === '' || address === undefined || address === '') {
    throw new InvalidArgumentError('must be NAME=ADDRESS: its name, and where core dials it.');
  }
  return [...before, { name: name.toLowerCase(), address }];
}

const names = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text.toLowerCase(),
];

function wholeNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}

/** An existing file is never overwritten: it may be the only copy of a key. */
function refuseExisting(file: string): void {
  if (existsSync(file))
    throw new Error(`${file} exists and is not overwritten: it may be the only copy of a key. Choose --out`);
}

/** Writes a file that only its owner may read. */
function writeSecret(file: string, text: string): string {
  refuseExisting(file);
  writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  return file;
}

/** Makes the pair; what does not fit the zone file is told by key. */
async function makePair(flags: PairFlags): Promise<Pair> {
  try {
    return await createPair({
      zoneName: flags.zone,
      zoneId: flags.id,
      edges: flags.edge,
      cores: flags.core.map((name) => ({ name })),
      days: flags.days,
      now: Date.now(),
    });
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    const told = error.issues.map(({ path: [, ...keys], message }) => `${keys.join('.')}: ${message}`);
    throw new Error(`nothing was made\n  ${told.join('\n  ')}`, { cause: error });
  }
}

async function pair(flags: PairFlags, terminal: Terminal): Promise<void> {
  const made = await makePair(flags);
  const place = (name: string): string => path.join(flags.out, name);
  const zoneFile = (name: string): string => place(`${name}.zone.yaml`);
  const authority = place(`${flags.zone}.authority.pem`);
  // All or nothing: files of two pairings would not fit each other.
  for (const file of [...made.files.map(({ name }) => zoneFile(name)), authority]) refuseExisting(file);
  mkdirSync(flags.out, { recursive: true, mode: 0o700 });
  for (const { name, role, yaml } of made.files) {
    const written = writeSecret(zoneFile(name), yaml);
    terminal.print(`${written}: copy it to ${role} ${name}, mode 600, and name it under "zones" there`);
  }
  writeSecret(authority, made.authorityPem);
  terminal.print(`${authority}: keep it offline; \`viaduct renew\` needs it within ${flags.days} days`);
}

async function renew(
  file: string,
  flags: { authority: string; days: number; out: string },
  terminal: Terminal,
): Promise<void> {
  const loaded = loadConfig(file);
  if (loaded.kind !== 'zone')
    throw new Error(`${file} is the configuration of a ${loaded.kind}; name its zone file`);
  const zone = loaded.config;
  const identity = await renewIdentity({
    authorityPem: readFileSync(flags.authority, 'utf8'),
    zoneAuthority: zone.authority,
    name: zone.self.name,
    identity: zone.identity,
    days: flags.days,
    now: Date.now(),
  });
  const written = writeSecret(flags.out, printBundle(identity));
  terminal.print(
    `${written}: the new identity of ${zone.self.name}; name it in ${file} as "identity: file:${written}"`,
  );
}

/** Adds the commands that make and renew identities. */
export function addPairCommands(program: Command, terminal: Terminal): void {
  program
    .command('pair')
    .description('make the private authority and identities of a zone and one file for each peer')
    .requiredOption('--edge <name=address>', 'an edge and where core dials it; repeat for more', edge)
    .requiredOption('--core <name>', 'a core; repeat for more', names)
    .option('--zone <name>', 'name of the zone', 'inside')
    .option('--id <number>', 'number of the zone', wholeNumber, 1)
    .option('--days <number>', 'how long the identities are good', wholeNumber, 365)
    .option('--out <folder>', 'where to write', '.')
    .action((flags: PairFlags) => pair(flags, terminal));
  program
    .command('renew')
    .description('give one peer a fresh certificate from the authority that was kept offline')
    .argument('<zone file>', 'the zone file of the peer')
    .requiredOption('--authority <file>', 'the authority that `viaduct pair` wrote')
    .option('--days <number>', 'how long it is good', wholeNumber, 365)
    .option('--out <file>', 'where to write the identity', 'identity.pem')
    .action((file: string, flags: { authority: string; days: number; out: string }) =>
      renew(file, flags, terminal),
    );
}
