/** What every experiment's command line has in common: its options, its progress, Ctrl-C, its exit status. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { describeFailure, exitStatusOf, InterruptedError } from '../../src/cli/failure.ts';
import { positiveInteger } from '../../src/cli/options.ts';
import { createEngine, ENGINE_NAMES, type EngineOptions } from '../../src/engines/create-engine.ts';
import { FileWriteError } from '../../src/errors.ts';
import { type ExperimentContext, StoppedError } from '../../src/experiments/context.ts';

export interface CommonOptions extends EngineOptions {
  readonly out: string;
  readonly seed: number;
  readonly checkpointEvery: number;
  readonly resume?: boolean;
  readonly debug?: boolean;
}

/** A command `name` with the options that all experiments share; results go to `runs/NAME` unless `--out` says otherwise. */
export function experimentCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--out <folder>', 'folder of the run', join('runs', name))
    .option('--seed <n>', 'seed of everything random', seedNumber, 0)
    .addOption(new Option('--engine <name>', 'where steps run').choices(['auto', ...ENGINE_NAMES]).default('auto'))
    .addOption(new Option('--provider <name>', "onnxruntime's provider").choices(['cpu', 'webgpu', 'cuda']))
    .addOption(new Option('--device <name>', "tensorflow's device").choices(['cpu', 'gpu']))
    .option('--threads <n>', 'threads within an operator (default: what suits the step)', positiveInteger)
    .option('--checkpoint-every <steps>', 'steps between checkpoints', positiveInteger, 5000)
    .option('--resume', 'go on from the checkpoint in the folder of the run')
    .option('--debug', 'print the stack below an error')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
}

/** Reads a seed: any integer. */
export function seedNumber(text: string): number {
  const seed = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(seed)) throw new InvalidArgumentError('expected an integer.');
  return seed;
}

/** Parses the process's command line, runs `body`, and sets the exit status: 0 done, 1 it failed, 2 wrong usage, 130 stopped. */
export async function runExperiment<Options extends CommonOptions>(
  command: Command,
  body: (options: Options, context: ExperimentContext) => Promise<void>,
): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => {
    if (interruption.signal.aborted) process.exit(130);
    interruption.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    command.parse();
    const options = command.opts<Options>();
    await body(options, await createContext(options, interruption.signal));
  } catch (thrown) {
    const error = thrown instanceof StoppedError ? new InterruptedError(thrown.message) : thrown;
    if (isHelp(error)) return;
    console.error(describeFailure(error, process.argv.includes('--debug')));
    process.exitCode = exitStatusOf(error);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

function isHelp(error: unknown): boolean {
  return error instanceof Error && 'exitCode' in error && error.exitCode === 0;
}

async function createContext(options: CommonOptions, signal: AbortSignal): Promise<ExperimentContext> {
  await mkdir(options.out, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(`cannot make the folder: ${(cause as Error).message}`, { file: options.out, cause });
  });
  return {
    folder: options.out,
    engine: await createEngine(options),
    signal,
    checkpointEvery: options.checkpointEvery,
    resume: options.resume ?? false,
    log: line => console.log(line),
    progress: progressBar,
  };
}

/** A bar on a terminal; nothing where the output goes into a file. */
function progressBar(label: string, total: number): ReturnType<ExperimentContext['progress']> {
  const bar = new SingleBar({
    format: `${label.padEnd(28)} {bar} {percentage}% | {value}/{total} steps | loss {loss} | {eta_formatted} left`,
    hideCursor: true,
    clearOnComplete: false,
  });
  let started = false;
  return ({ step, steps, loss }) => {
    if (!started) bar.start(total, step, { loss: loss.toExponential(3) });
    started = true;
    bar.update(step, { loss: loss.toExponential(3) });
    if (step >= steps) bar.stop();
  };
}
