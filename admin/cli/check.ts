// `viaduct check FILE…` and `viaduct schema KIND`: what the configuration says, without starting anything.
import { Argument } from 'commander';
import type { Command } from 'commander';
import {
  ConfigError,
  type CoreConfig,
  SCHEMA_KINDS,
  jsonSchema,
  loadConfig,
  printDiagnostic,
  printReference,
} from '../../config/index.ts';
import { AllowListError, ownRules } from '../../core/assembly/allow-list.ts';
import { accessSettings } from '../../core/assembly/https.ts';
import { checkSignOn } from '../../core/assembly/sign-on.ts';
import type { Terminal } from './main.ts';

/** What the schema alone cannot see. */
function checkCore(config: CoreConfig): void {
  ownRules(config);
  accessSettings(config);
  checkSignOn(config, Date.now());
}

function checkFile(file: string, terminal: Terminal): number {
  try {
    const loaded = loadConfig(file);
    if (loaded.kind === 'core') checkCore(loaded.config);
    terminal.print(`${file}: a valid ${loaded.kind} configuration`);
    return 0;
  } catch (error) {
    if (error instanceof AllowListError) {
      terminal.complain(error.message);
      return error.message.split('\n').length;
    }
    if (!(error instanceof ConfigError)) throw error;
    for (const entry of error.diagnostics) terminal.complain(printDiagnostic(entry));
    return error.diagnostics.length;
  }
}

/** Adds the commands that read configuration. */
export function addCheckCommands(program: Command, terminal: Terminal): void {
  program
    .command('check')
    .description('validate configuration files: every mistake with its place, what is allowed and what to do')
    .argument('<file...>', 'edge, core or zone files')
    .action((files: string[]) => {
      const mistakes = files.map((file) => checkFile(file, terminal)).reduce((sum, found) => sum + found, 0);
      if (mistakes === 0) return;
      terminal.complain(`${mistakes} mistake${mistakes === 1 ? '' : 's'}`);
      terminal.fail(1);
    });
  program
    .command('schema')
    .description('print the JSON Schema of a kind of file, for editors, or the reference of all keys')
    .addArgument(new Argument('[kind]').choices([...SCHEMA_KINDS]).default('edge'))
    .option('--markdown', 'the reference of every key of every kind, for people')
    .action((kind: (typeof SCHEMA_KINDS)[number], options: { markdown?: boolean }) =>
      terminal.print(
        options.markdown === true ? printReference() : JSON.stringify(jsonSchema(kind), undefined, 2),
      ),
    );
}
