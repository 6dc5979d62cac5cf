// The command line `viaduct`. Each command loads only what it needs, so that `check` answers at once. Exit codes: 0 done,
// 1 refused or failed with its reason printed, 2 wrong usage.
import { Command, CommanderError } from 'commander';
import { ConfigError, printDiagnostic } from '../../config/index.ts';
import { addAllowListCommands } from './allow-list.ts';
import { addBanCommands } from './bans.ts';
import { addCaptureCommand } from './capture.ts';
import { addCheckCommands } from './check.ts';
import { addExplainCommand } from './explain.ts';
import { addPairCommands } from './pair.ts';
import { addProcessCommands } from './processes.ts';
import { addSamlCommands } from './saml.ts';
import { addStatusCommand } from './status.ts';
import { addTokenCommands } from './tokens.ts';

/** Where a command writes and how it says that it failed. */
export interface Terminal {
  print(text: string): void;
  complain(text: string): void;
  /** Sets the exit code; the highest wins. */
  fail(code: number): void;
}

function build(terminal: Terminal): Command {
  const program = new Command('viaduct')
    .description('Calls, messages, voicemail and web services for people and devices outside, without a VPN')
    .version('0.1.0')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.complain(text.trimEnd()),
    });
  addProcessCommands(program, terminal);
  addCheckCommands(program, terminal);
  addPairCommands(program, terminal);
  addStatusCommand(program, terminal);
  addAllowListCommands(program, terminal);
  addBanCommands(program, terminal);
  addCaptureCommand(program, terminal);
  addExplainCommand(program, terminal);
  addSamlCommands(program, terminal);
  addTokenCommands(program, terminal);
  return program;
}

function tell(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ConfigError) {
    for (const entry of error.diagnostics) terminal.complain(printDiagnostic(entry));
    terminal.complain(
      `${error.diagnostics.length} mistake${error.diagnostics.length === 1 ? '' : 's'}; nothing was started`,
    );
    return 1;
  }
  terminal.complain(`viaduct: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
}

/** Runs one command. @returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  const terminal: Terminal = {
    print: (text) => process.stdout.write(`${text}\n`),
    complain: (text) => process.stderr.write(`${text}\n`),
    fail: (wanted) => {
      code = Math.max(code, wanted);
    },
  };
  try {
    await build(terminal).parseAsync(argv);
  } catch (error) {
    terminal.fail(tell(error, terminal));
  }
  return code;
}
