/** Does a sweep, from its plan to its results. */
import { availableParallelism } from 'node:os';
import { createEngine, type EngineOptions } from '../engines/create-engine.ts';
import type { Engine } from '../engines/engine.ts';
import { inThisProcess, type SweepExecutor } from './executor.ts';
import { groupsOf, type RunGroup } from './groups.ts';
import { performGroup } from './perform-group.ts';
import { checkPlan, countRuns, type SweepPlan } from './plan.ts';
import type { RunKind } from './run-kind.ts';
import { SweepFolder } from './sweep-folder.ts';
import { createTurns } from './turns.ts';

/** The folder of a sweep, and how it is done. */
export interface SweepOptions {
  /** The folder of results. Runs that are done there are not done again. */
  readonly out: string;
  /** What does the groups. Default: this process. */
  readonly executor?: SweepExecutor | undefined;
  /**
   * The engine that runs the steps. Default: `auto`; for a folder that was begun, the engine that it was begun with.
   */
  readonly engine?: EngineOptions['engine'];
  /**
   * Threads that steps are divided among, at least 1. Default: one per core; for a folder that was begun, as many as it
   * was begun with.
   */
  readonly threads?: number | undefined;
  /** Steps between checkpoints. Default 5,000. */
  readonly checkpointEvery?: number | undefined;
  /** Whether failed runs are tried again. Default false: they would fail again. */
  readonly retryFailed?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
}

/** How far a sweep is. */
export interface SweepState {
  readonly runs: number;
  readonly done: number;
  readonly failed: number;
}

/** The kinds of runs that a plan can name. */
export type RunKinds = Readonly<Record<SweepPlan['train'], RunKind>>;

/**
 * Does a sweep.
 * @param given the plan
 * @param kinds the kinds of runs that it can train
 * @param version the version of this package
 */
export async function runSweep(
  given: unknown,
  options: SweepOptions,
  { kinds, version }: { readonly kinds: RunKinds; readonly version: string },
): Promise<SweepFolder> {
  const plan = checkPlan(given);
  const { snapshots } = plan;
  const kind = kinds[plan.train];
  const folder = new SweepFolder(options.out);
  const { executor = inThisProcess(), engine, threads, checkpointEvery = 5000, signal, onLine = () => {} } = options;
  const conditions = await folder.claim(
    plan,
    { version, ...(engine !== undefined && { engine }), ...(threads !== undefined && { threads }) },
    { version, engine: 'auto', threads: availableParallelism() },
  );
  if (options.retryFailed) await folder.forgetFailures();
  onLine(`${countRuns(plan)} runs, ${executor.name}, ${conditions.threads} threads`);
  let started: Promise<Engine> | undefined;
  const takeTurn = createTurns();
  await executor.execute({
    kind,
    folder,
    conditions,
    signal,
    log: onLine,
    snapshots,
    missing: () => missingGroups(plan, kind, folder),
    async perform(group) {
      started ??= createEngine({ engine: conditions.engine as 'auto', threads: conditions.threads });
      await performGroup(group, {
        folder,
        engine: await started,
        conditions,
        signal,
        checkpointEvery,
        snapshots,
        takeTurn,
      });
    },
  });
  return folder;
}

/** The groups of a plan of which a run has neither a result nor a failure. */
export async function* missingGroups(plan: SweepPlan, kind: RunKind, folder: SweepFolder): AsyncGenerator<RunGroup> {
  for await (const group of groupsOf(plan, kind)) {
    if (group.runs.some(({ id }) => !folder.isDone(id))) yield group;
  }
}
