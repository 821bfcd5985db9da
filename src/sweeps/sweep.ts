/** A sweep from its plan to its results. */
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

/** Where a sweep is done and who does it. */
export interface SweepOptions {
  /** The folder of results. What is done there is not done again. */
  readonly out: string;
  /** Default in this process. */
  readonly executor?: SweepExecutor | undefined;
  /** Where steps run. Default `auto`; of a folder that was begun, as it was begun. */
  readonly engine?: EngineOptions['engine'];
  /** Threads that steps are divided among, at least 1. Default as many as cores; of a folder that was begun, as it was begun. */
  readonly threads?: number | undefined;
  /** Steps between checkpoints. Default 5,000. */
  readonly checkpointEvery?: number | undefined;
  /** Whether runs that failed are tried again. Default false: the same would come of it. */
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

export type RunKinds = Readonly<Record<SweepPlan['train'], RunKind>>;

/** Does a sweep with what `kinds` can train, by a package of `version`. */
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
