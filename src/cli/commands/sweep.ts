/** `sweep`, `sweep status`, `sweep report`, `sweep schema` and `worker`. */
import { readFile } from 'node:fs/promises';
import type { EngineOptions } from '../../engines/create-engine.ts';
import { InvalidValueError, UsageError } from '../../errors.ts';
import { textTable } from '../../experiments/text-table.ts';
import { parseJson } from '../../files/json-text.ts';
import { inShards } from '../../sweeps/executor.ts';
import { groupsOf } from '../../sweeps/groups.ts';
import { checkPlan, countRuns, type SweepPlan } from '../../sweeps/plan.ts';
import { planSchema } from '../../sweeps/plan-schema.ts';
import { writeComparison, writeReport } from '../../sweeps/report.ts';
import { numberText, settingText } from '../../sweeps/setting-text.ts';
import { SweepFolder } from '../../sweeps/sweep-folder.ts';
import { throughQueue } from '../../sweeps/through-queue.ts';
import { RUN_KINDS } from '../experiment/run-kinds.ts';
import { sweep as runSweep, work } from '../experiment/sweep.ts';
import type { ReportOptions as PrintOptions } from '../options.ts';
import { report as print } from '../report.ts';
import type { Terminal } from '../terminal.ts';

interface SweepCommandOptions extends PrintOptions {
  readonly out: string;
  readonly shard?: string;
  readonly queue?: string;
  readonly queueName: string;
  readonly engine?: EngineOptions['engine'];
  readonly threads?: number;
  readonly checkpointEvery: number;
  readonly retryFailed?: boolean;
  readonly dryRun?: boolean;
  readonly list?: boolean;
}

/** Runs `monosemantic sweep PLAN`: does the plan's runs, or counts them (--dry-run), or lists them (--list). */
export async function sweep(file: string, given: Partial<SweepCommandOptions>, terminal: Terminal): Promise<void> {
  // Commander would ask the commands below `sweep` for a required option, too.
  if (given.out === undefined) throw new UsageError('sweep needs --out: the folder of the sweep');
  const options = given as SweepCommandOptions;
  const plan = await readPlan(file);
  if (options.list || options.dryRun) return await plannedOnly(plan, options, terminal);
  const { out, queue, queueName, engine, threads, checkpointEvery, retryFailed } = options;
  const executor =
    queue !== undefined ? throughQueue({ url: queue, name: queueName }) : options.shard && shardOf(options.shard);
  const folder = await runSweep(plan, {
    out,
    engine,
    threads,
    checkpointEvery,
    retryFailed,
    signal: terminal.signal,
    onLine: line => (options.json ? terminal.warn(line) : terminal.print(line)),
    ...(executor && { executor }),
  });
  const state = await stateOf(plan, folder);
  print(
    state,
    `${stateText(state)}\nmonosemantic sweep report ${out} makes tables, figures and a page`,
    options,
    terminal,
  );
}

async function readPlan(file: string): Promise<SweepPlan> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new InvalidValueError(`${file}: ${cause.code === 'ENOENT' ? 'there is no such file' : cause.message}`, {
      cause,
    });
  });
  return checkPlan(parseJson(bytes, 'the plan', { file }));
}

function shardOf(text: string) {
  const [, shard, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (of === undefined) throw new UsageError(`--shard must be i/n as 3/16, got ${JSON.stringify(text)}`);
  return inShards(Number(shard), Number(of));
}

/** Counts, or lists, run by run: memory does not grow with the plan. */
async function plannedOnly(plan: SweepPlan, options: SweepCommandOptions, terminal: Terminal): Promise<void> {
  const folder = new SweepFolder(options.out);
  let [groups, runs, done] = [0, 0, 0];
  for await (const group of groupsOf(plan, RUN_KINDS[plan.train])) {
    groups++;
    for (const { id, given } of group.runs) {
      const isDone = folder.isDone(id);
      runs++;
      if (isDone) done++;
      if (options.list) {
        const line = options.json
          ? JSON.stringify({ run: id, group: group.index, done: isDone, settings: given })
          : `${id}  group ${group.index + 1}  ${isDone ? 'done   ' : 'missing'}  ${JSON.stringify(given)}`;
        await terminal.write(`${line}\n`);
      }
      terminal.checkInterruption();
    }
  }
  if (options.list) return;
  print({ runs, groups, done }, `${runs} runs in ${groups} groups, ${done} done`, options, terminal);
}

interface SweepState {
  readonly runs: number;
  readonly done: number;
  readonly failed: number;
  readonly missing: number;
  /** The number of groups that are being trained, or were when their process ended. */
  readonly begun: number;
  readonly failures: readonly { readonly id: string; readonly message: string }[];
}

/** Failures that are shown. */
const SHOWN = 5;

async function stateOf(plan: SweepPlan, folder: SweepFolder): Promise<SweepState> {
  const { done, failed, begun } = await folder.count();
  const failures = [];
  for await (const { id, message } of folder.failures()) {
    failures.push({ id, message });
    if (failures.length === SHOWN) break;
  }
  const runs = countRuns(plan);
  return { runs, done, failed, missing: Math.max(0, runs - done - failed), begun, failures };
}

function stateText({ runs, done, failed, missing, begun, failures }: SweepState): string {
  const rest = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(missing > 0 ? [`${missing} missing`] : []),
    ...(begun > 0 ? [`${begun} ${begun === 1 ? 'group' : 'groups'} begun`] : []),
  ];
  const lines = failures.map(({ id, message }) => `  ${id}: ${message}`);
  if (failed > failures.length) lines.push(`  … and ${failed - failures.length} more`);
  return [[`${done} of ${runs} runs done`, ...rest].join(', '), ...lines].join('\n');
}

/** Runs `monosemantic sweep status`: prints how many runs of a sweep are done, have failed, or are missing. */
export async function status(path: string, options: PrintOptions, terminal: Terminal): Promise<void> {
  const folder = new SweepFolder(path);
  const record = await folder.record();
  if (!record)
    throw new InvalidValueError(`${path}: there is no sweep; monosemantic sweep PLAN --out ${path} begins one`);
  const state = await stateOf(record.plan, folder);
  print({ ...state, ...record.conditions }, stateText(state), options, terminal);
}

interface ReportCommandOptions extends PrintOptions {
  readonly compare?: readonly string[];
  readonly output?: string;
  readonly metrics?: readonly string[];
}

/** Columns of means in a terminal, at most. */
const COLUMNS = 4;

/** Runs `monosemantic sweep report`: writes a report on one sweep, or on the difference between two. */
export async function report(
  path: string | undefined,
  options: ReportCommandOptions,
  terminal: Terminal,
): Promise<void> {
  const { compare, output, metrics } = options;
  if (compare !== undefined) {
    // `sweep report A --compare B` means the same as `sweep report --compare A B`.
    const [a, b, ...more] = [...(path === undefined ? [] : [path]), ...compare];
    if (a === undefined || b === undefined || more.length > 0) {
      throw new UsageError('--compare takes two folders: monosemantic sweep report --compare A B');
    }
    const { comparison, page } = await writeComparison([a, b], output ?? 'comparison');
    const settings = Object.keys(comparison.configurations[0]?.settings ?? {});
    const shown = comparison.metrics.slice(0, COLUMNS);
    const rows = comparison.configurations.map(own => [
      ...settings.map(name => settingText(own.settings[name])),
      ...shown.map(name => intervalText(own.differences[name])),
    ]);
    const words = `B − A over common seeds, 95% intervals\n${textTable([...settings, ...shown], rows)}\n${page}`;
    return print({ page, ...comparison }, words, options, terminal);
  }
  if (path === undefined) throw new UsageError('sweep report needs the folder of a sweep, or --compare A B');
  const { summary, page } = await writeReport(path, { output, metrics });
  const { varied, configurations, failures, runs, mixed } = summary;
  const shown = metrics ?? summary.metrics.slice(0, COLUMNS);
  const rows = configurations.map(({ settings, runs: seeds, metrics: means }) => [
    ...varied.map(name => settingText(settings[name])),
    String(seeds.length),
    ...shown.map(name => intervalText(means[name])),
  ]);
  const notes = [
    ...(mixed.length > 0 ? [`runs were made under different conditions: ${mixed.join('; ')}`] : []),
    ...(failures.length > 0 ? [`${failures.length} runs failed`] : []),
  ];
  const words = [textTable([...varied, 'seeds', ...shown], rows), ...notes, page].join('\n');
  const json = {
    page,
    runs: runs.length,
    failures: failures.length,
    configurations: configurations.map(({ settings, metrics: means, best }) => ({
      settings,
      metrics: means,
      best: best.id,
    })),
  };
  print(json, words, options, terminal);
}

function intervalText(
  interval: { readonly mean: number; readonly low: number; readonly high: number } | undefined,
): string {
  if (!interval) return '–';
  const { mean, low, high } = interval;
  return Number.isNaN(low) ? numberText(mean) : `${numberText(mean)} [${numberText(low)}, ${numberText(high)}]`;
}

/** Runs `monosemantic sweep schema`: prints the JSON schema of a plan. */
export function schema(terminal: Terminal): void {
  terminal.print(JSON.stringify(planSchema(RUN_KINDS), null, 2));
}

interface WorkerCommandOptions extends PrintOptions {
  readonly queue: string;
  readonly queueName: string;
  readonly out?: string;
  readonly untilEmpty?: boolean;
  readonly lock: number;
  readonly checkpointEvery: number;
}

/** Runs `monosemantic sweep worker`: takes runs of a sweep from a queue and does them. */
export async function worker(options: WorkerCommandOptions, terminal: Terminal): Promise<void> {
  const { queue, queueName, out, untilEmpty, lock, checkpointEvery } = options;
  const groups = await work({
    url: queue,
    name: queueName,
    out,
    untilEmpty,
    lockSeconds: lock,
    checkpointEvery,
    signal: terminal.signal,
    onLine: line => (options.json ? terminal.warn(line) : terminal.print(line)),
  });
  print({ groups }, `${groups} ${groups === 1 ? 'group' : 'groups'} done`, options, terminal);
}
