/** Options that several commands share, and how their values are read. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RunOptions } from '../inference/model-options.ts';

/** How a command reports. */
export interface ReportOptions {
  /** Whether machine-readable JSON is printed instead of words. */
  readonly json?: boolean;
  /** Whether the stack is printed below an error's line. */
  readonly debug?: boolean;
}

/** Names that a file which this package did not write may need. */
export interface NameOptions {
  readonly kind?: 'sparse-autoencoder' | 'toy-model';
  readonly graphInput?: string;
  readonly features?: string;
  readonly reconstruction?: string;
  readonly featureDirections?: string;
}

/** Options of commands that run a frozen model. */
export type ModelOptions = NameOptions & RunOptions;

/** Reads a positive integer; commander names the option where it is none. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('expected a positive integer.');
  }
  return value;
}

/** Reads an integer from 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('expected an integer from 0.');
  return value;
}

/** Reads rows of context: one number for both sides, two, or `sequence` for the whole one (2,047 rows to each side at most). */
export function contextRows(text: string): { readonly before: number; readonly after: number } {
  if (text === 'sequence') return { before: 2047, after: 2047 };
  const [before, after = before] = text.split(',').map(part => wholeNumber(part.trim()));
  if (before === undefined || text.split(',').length > 2)
    throw new InvalidArgumentError('expected 10, 5,10 or sequence.');
  return { before, after: after! };
}

/** Reads a positive number. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('expected a positive number.');
  return value;
}

/** Reads a number of at least 0. */
export function nonNegativeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('expected a number of at least 0.');
  return value;
}

/** Reads a number from 0 to 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('expected a number from 0 to 1.');
  return value;
}

/** Adds `--json` and `--debug`. */
export function addReportOptions(command: Command): Command {
  return command
    .option('--json', 'print JSON for machines instead of words')
    .option('--debug', 'print the stack below an error');
}

/** Adds the options that say where a model runs. */
export function addRunOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--provider <name>', 'where to run; auto takes the best that loads')
        .choices(['auto', 'cuda', 'webgpu', 'cpu'])
        .default('auto'),
    )
    .option('--threads <n>', 'threads of the cpu provider (default: one per core)', positiveInteger)
    .option('--batch-size <n>', 'samples run at once (default: what fits 64 MiB)', positiveInteger);
}

/** Adds the names that a file without this project's metadata may need. */
export function addNameOptions(command: Command): Command {
  return command
    .optionsGroup('For files that other tools wrote, where their shapes leave something open:')
    .addOption(new Option('--kind <kind>', 'what the file holds').choices(['sparse-autoencoder', 'toy-model']))
    .option('--graph-input <name>', 'the input, [batch, d_in]')
    .option('--features <name>', 'the features, [batch, d_sae]; of a toy model the hidden activations')
    .option('--reconstruction <name>', 'the reconstruction, [batch, d_in]')
    .option('--feature-directions <name>', 'the initializer with the directions, [d_sae, d_in] or its transpose');
}
