/**
 * `npm run check:gpu [-- OPTIONS]`: what works on this machine's GPU, in ten minutes, as one table (JSON and Markdown).
 *
 * Every path to a GPU is tried, and each check runs in a process of its own with a time limit, so that a crash or a hang ends one cell and not the
 * table, which is written anew after each. `--pack DIR` writes what a machine without a network needs to run this.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, Option } from 'commander';
import { positiveInteger } from '../src/cli/options.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { CHECKS, type Check, LOADS } from './check-gpu/checks/index.ts';
import type { ChildMessage, ChildRequest } from './check-gpu/child.ts';
import { runLimited } from './check-gpu/limited-process.ts';
import { type CheckedMachine, describeMachine } from './check-gpu/machine.ts';
import { toMarkdown, toTable } from './check-gpu/markdown.ts';
import { watchMemory } from './check-gpu/memory.ts';
import { COMPONENTS, pack } from './check-gpu/pack.ts';
import { GPU_PATHS } from './check-gpu/paths.ts';
import { measurePyTorch } from './check-gpu/pytorch.ts';
import { type MachineReport, PATHS, type PathName, type Row, withReport } from './check-gpu/row.ts';
import { TRAINING_WORKS } from './check-gpu/works.ts';
import { PYTHON } from './setup/pip.ts';
import { SetupError } from './setup/run-command.ts';

interface Options {
  readonly output: string;
  readonly seconds: number;
  readonly paths: readonly PathName[];
  readonly software?: boolean;
  readonly small?: boolean;
  readonly python: string;
  readonly pack?: string;
  readonly piece: number;
  readonly without: readonly string[];
}

const CHILD = fileURLToPath(new URL('./check-gpu/child.ts', import.meta.url));

/** How many times the time limits of checks a software adapter gets. */
const SOFTWARE_PATIENCE = 4;

/** A check is not started with less time than this. */
const LEAST_SECONDS = 5;

const command = new Command('npm run check:gpu --')
  .description('Checks every path to this machine’s GPU: one table, as gpu.json and gpu.md.')
  .option('--output <folder>', 'where gpu.json and gpu.md are written; other cards in them are kept', 'runs/gpu')
  .option('--seconds <n>', 'time for everything; what is left over says so', positiveInteger, 600)
  .addOption(new Option('--paths <path...>', 'only these').choices(PATHS).default([...PATHS], 'all'))
  .option('--software', 'WebGPU on SwiftShader though there is a card')
  .option('--small', 'leave out what takes minutes on a software adapter (default where there is no card)')
  .option('--python <program>', 'a Python with PyTorch on the card, to compare with', PYTHON)
  .option('--pack <folder>', 'write what a machine without a network needs, in pieces, with run.sh')
  .option('--piece <megabytes>', 'largest piece of a pack', positiveInteger, 60)
  .addOption(
    new Option('--without <part...>', 'what --pack leaves out')
      .choices(COMPONENTS.filter(({ required }) => !required).map(({ name }) => name))
      .default([]),
  )
  .exitOverride();

try {
  const options = command.parse().opts<Options>();
  if (options.pack !== undefined) await pack(options.pack, options.without, options.piece * 1e6);
  else process.exitCode = (await checkAll(options)) ? 0 : 1;
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof SetupError) {
    console.error(`check:gpu: ${error.message}`);
    process.exitCode = 1;
  } else throw error;
}

/** Runs all checks. Gives whether none of them is wrong or failed. */
async function checkAll(options: Options): Promise<boolean> {
  const deadline = performance.now() + options.seconds * 1000;
  const machine = await describeMachine(options.software ?? false);
  console.log(machine.facts['driver']);
  const rows: Row[] = [];
  const record = async (row: Row): Promise<void> => {
    rows.push(row);
    const time = row.ms === undefined ? '' : ` ${row.ms.toPrecision(3)} ms`;
    console.log(`${row.outcome.padEnd(11)} ${row.path.padEnd(18)} ${row.check}:${time} ${row.detail.slice(0, 160)}`);
    await writeReport(options.output, reportOf(machine, rows));
  };

  const loaded: PathName[] = [];
  for (const path of options.paths) {
    const found = await runCheck(LOADS, path, machine, {}, deadline);
    for (const row of found) await record(row);
    if (found.every(({ outcome }) => outcome === 'ran')) loaded.push(path);
  }
  if (machine.driver) {
    for await (const row of measurePyTorch(options.python, machine.env, () => remaining(deadline))) await record(row);
  }
  const checks = CHECKS.filter(({ large }) => !(large && (options.small ?? machine.software)));
  if (loaded.length > 0) {
    const losses = await lossesOnCpu(checks, machine, deadline);
    for (const check of checks) {
      for (const path of loaded) {
        const { provider, vulkan } = GPU_PATHS[path];
        if ((check.inference && !provider) || (check.tf32 && vulkan)) continue;
        for (const row of await runCheck(check, path, machine, losses, deadline)) await record(row);
      }
    }
  }
  console.log(`\n${toTable(rows)}\n\nWritten: ${join(options.output, 'gpu.json')}, ${join(options.output, 'gpu.md')}`);
  return rows.every(({ outcome }) => outcome === 'ran' || outcome === 'unavailable');
}

async function runCheck(
  check: Check,
  path: PathName,
  machine: CheckedMachine,
  expectedLosses: Readonly<Record<string, readonly number[]>>,
  deadline: number,
): Promise<Row[]> {
  const patience = machine.software && GPU_PATHS[path].vulkan ? SOFTWARE_PATIENCE : 1;
  const seconds = Math.min(patience * check.seconds, remaining(deadline));
  if (seconds < LEAST_SECONDS) {
    return [{ path, check: check.name, outcome: 'failed', detail: 'the time for everything was over (--seconds)' }];
  }
  const cardMiB = machine.software && GPU_PATHS[path].vulkan ? undefined : machine.driver?.cards[0]?.memoryMiB;
  const request: ChildRequest = {
    path,
    check: check.name,
    software: machine.software,
    expectedLosses,
    ...(cardMiB !== undefined && { cardMiB }),
  };
  const env = check.tf32 ? { ...machine.env, NVIDIA_TF32_OVERRIDE: '1' } : machine.env;
  const memory = await watchMemory(machine.driver !== undefined);
  const { messages, problem, lastWords } = await runLimited<ChildMessage>(childArguments(request), { seconds, env });
  const deviceMiB = memory.stop();
  const hostMiB = messages.find(message => 'hostMiB' in message)?.hostMiB;
  const measured = {
    ...(deviceMiB !== undefined && { deviceMiB }),
    ...(hostMiB !== undefined && { hostMiB }),
  };
  // Where a library does not start, what it prints tells more than the error that it throws.
  const withWords = (detail: string): string => (lastWords === '' ? detail : `${detail}; it printed: ${lastWords}`);
  const rows = messages
    .filter(message => 'finding' in message)
    .map(({ finding }): Row => {
      const detail = finding.outcome === 'ran' ? finding.detail : withWords(finding.detail);
      const { ms, ...rest } = finding;
      // The times of a software adapter say nothing about a card.
      return { path, ...rest, detail, ...(patience === 1 && ms !== undefined && { ms }), ...measured };
    });
  if (problem === undefined) return rows;
  const last = rows.at(-1);
  // After the last message the check is done, even if a library crashes while it is unloaded.
  if (last && hostMiB !== undefined)
    return [...rows.slice(0, -1), { ...last, detail: `${last.detail}; then ${problem}` }];
  return [...rows, { path, check: check.name, outcome: 'failed', detail: withWords(problem), ...measured }];
}

/** The losses that trainings must reach, computed by ONNX Runtime on the CPU. */
async function lossesOnCpu(
  checks: readonly Check[],
  machine: CheckedMachine,
  deadline: number,
): Promise<Record<string, readonly number[]>> {
  const names = TRAINING_WORKS.map(({ name }) => name).filter(name =>
    checks.some(check => check.name === `train ${name}`),
  );
  const seconds = Math.min(120, remaining(deadline));
  const { messages } = await runLimited<ChildMessage>(childArguments({ expectedLossesOf: names }), {
    seconds,
    env: machine.env,
  });
  return Object.assign({}, ...messages.filter(message => 'losses' in message).map(({ losses }) => losses));
}

function childArguments(request: ChildRequest): string[] {
  return [...process.execArgv, CHILD, JSON.stringify(request)];
}

function remaining(deadline: number): number {
  return Math.max(0, (deadline - performance.now()) / 1000);
}

function reportOf({ card, facts }: CheckedMachine, rows: readonly Row[]): MachineReport {
  return { card, machine: facts, date: new Date().toISOString().slice(0, 10), rows };
}

async function writeReport(folder: string, report: MachineReport): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'gpu.json');
  const before = await readFile(file, 'utf8').then(
    text => JSON.parse(text) as MachineReport[],
    () => [],
  );
  const reports = withReport(before, report);
  await writeFileAtomic(file, `${JSON.stringify(reports, null, 2)}\n`);
  await writeFileAtomic(join(folder, 'gpu.md'), toMarkdown(reports));
}
