/** The parts that every experiment's command shares: options, folder, engine, progress, and Ctrl-C. */
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { createEngine, ENGINE_NAMES, type EngineOptions } from '../../engines/create-engine.ts';
import { type ExperimentContext, StoppedError } from '../../experiments/context.ts';
import { writeJson } from '../../experiments/run-files.ts';
import { claimRunFolder, RUN_RECORD } from '../../experiments/run-folder.ts';
import { writeFileAtomic } from '../../files/write-atomic.ts';
import type { Figure } from '../../plots/figure.ts';
import { InterruptedError } from '../failure.ts';
import { positiveInteger, type ReportOptions } from '../options.ts';
import { prepareCommand } from '../prepare-command.ts';
import { installCommand, missingPackages, PACKAGES } from '../required-packages.ts';
import type { Terminal } from '../terminal.ts';
import { showTraining } from '../training-progress.ts';

/** Options that every experiment has. */
export interface CommonOptions extends EngineOptions, ReportOptions {
  readonly out: string;
  readonly seed: number;
  readonly checkpointEvery: number;
  readonly recordEvery: number;
  readonly tensorboard?: boolean;
  readonly resume?: boolean;
  readonly overwrite?: boolean;
  readonly html?: boolean;
  readonly show?: boolean;
}

/** An experiment: its command with all options, and what it does. */
export interface Experiment<Options extends CommonOptions> {
  readonly command: Command;
  /** What the options ask to print instead of a run, as JSON; `undefined` where they ask for a run. */
  readonly inspect?: (options: Options) => object | undefined;
  /** Runs the experiment; its result is printed with `--json`. */
  readonly run: (options: Options, context: ExperimentContext) => Promise<unknown>;
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
    .option('--threads <n>', 'threads to train with (default: what suits the step)', positiveInteger)
    .option('--checkpoint-every <steps>', 'steps between checkpoints', positiveInteger, 5000)
    .option('--record-every <steps>', 'steps between lines of metrics.jsonl', positiveInteger, 100)
    .option('--tensorboard', "write TensorBoard's event files into the folder of the run as well")
    .addOption(
      new Option(
        '--resume',
        'go on from the checkpoints in the folder of the run; more --steps go on beyond its end',
      ).conflicts('overwrite'),
    )
    .option('--overwrite', 'replace an earlier run in the folder')
    .option('--html', 'write all figures into one self-contained file, NAME.html, in the folder of the run')
    .option('--show', 'open the figures in a browser at the end (Plotly, from the network)')
    .option('--json', 'print the result as JSON for machines, and everything else to stderr')
    .option('--debug', 'print the stack below an error');
}

/** Reads a seed: any integer. */
export function seedNumber(text: string): number {
  const seed = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(seed)) throw new InvalidArgumentError('expected an integer.');
  return seed;
}

/** The experiment as a command that runs it. */
export function runnable<Options extends CommonOptions>(
  { command, run, inspect }: Experiment<Options>,
  terminal: Terminal,
): Command {
  return prepareCommand(command, terminal).action(async (options: Options) => {
    try {
      const shown = inspect?.(options);
      if (shown) {
        terminal.print(JSON.stringify(shown, null, 2));
        return;
      }
      const { resume = false, overwrite = false } = options;
      await using _ = await claimRunFolder(options.out, { resume, overwrite, signal: terminal.signal });
      const figures: Figure[] = [];
      const context = await createContext(options, figures, terminal);
      const started = performance.now();
      const result = await run(options, context);
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      await writeJson(join(options.out, RUN_RECORD), { experiment: command.name(), options, seconds });
      if (options.json)
        terminal.print(JSON.stringify({ experiment: command.name(), folder: options.out, seconds, result }));
      if (options.html) await writeHtml(command.name(), figures, context);
      if (options.show) {
        const { show } = await import('../../plots/node.ts');
        for (const figure of figures) await show(figure);
      }
    } catch (error) {
      throw error instanceof StoppedError ? new InterruptedError(error.message) : error;
    }
  });
}

async function createContext(
  options: CommonOptions,
  figures: Figure[],
  terminal: Terminal,
): Promise<ExperimentContext> {
  const { out: folder, resume = false } = options;
  const engine = await createEngine(options);
  const log = (line: string): void => (options.json ? terminal.warn(line) : terminal.print(line));
  // A run can do without figures. It says so before it begins.
  const missing = missingPackages(PACKAGES.figures);
  if (missing.length > 0) log(`figures are not drawn (${installCommand(missing)})`);
  return {
    folder,
    engine,
    signal: terminal.signal,
    checkpointEvery: options.checkpointEvery,
    resume,
    records: { every: options.recordEvery, tensorboard: options.tensorboard ?? false },
    log,
    preparing: preparation(terminal),
    progress: (label, steps) => showTraining(label, steps, terminal),
    async draw(name, figure) {
      figures.push(figure);
      if (missing.length > 0) return;
      const { writeFigure } = await import('../../plots/node.ts');
      await writeFigure(figure, join(folder, name));
    },
  };
}

async function writeHtml(name: string, figures: readonly Figure[], { folder, log }: ExperimentContext): Promise<void> {
  const file = join(folder, `${name}.html`);
  const { toHtml } = await import('../../plots/node.ts');
  await writeFileAtomic(file, toHtml(figures, { title: name }));
  log(`  ${file}`);
}

/** Shows progress on one line of a terminal, for work that takes longer than a moment; nothing elsewhere. */
function preparation({ stderr }: Terminal): ExperimentContext['preparing'] {
  const began = new Map<string, number>();
  return (what, share) => {
    if (!stderr.isTTY) return;
    const start = began.get(what) ?? performance.now();
    began.set(what, start);
    if (performance.now() - start < 500) return;
    stderr.write(`\r${what} ${(100 * share).toFixed(0)}%${share >= 1 ? '\n' : ''}`);
  };
}
