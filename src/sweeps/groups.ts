/**
 * Divides a plan into units of work: runs that train side by side. The units follow from the plan alone, so that it
 * does not matter for the results who does them.
 */
import { FileFormatError, InvalidShapeError, InvalidTypeError, InvalidValueError, UsageError } from '../errors.ts';
import { canonicalHash } from './canonical-hash.ts';
import { type PlannedRun, type PlanSettings, plannedRuns, type SweepPlan } from './plan.ts';
import type { ResolvedSettings, RunKind, RunTask } from './run-kind.ts';

/** A run with its name. */
export interface NamedRun {
  /** The hash of its resolved settings and of the contents that they name. */
  readonly id: string;
  /** The settings as the plan gives them. */
  readonly given: PlanSettings;
  readonly settings: ResolvedSettings;
  readonly task: RunTask;
}

/** A unit of work. */
export interface RunGroup {
  /** The hash of its runs' names. */
  readonly id: string;
  /** The group's number, from 0, in the order of the plan. */
  readonly index: number;
  readonly runs: readonly NamedRun[];
}

/** The work of a group on one core, in seconds: a unit that is lost costs no more than minutes. */
const LONGEST = 180;
/** The most runs in a group: more are no faster side by side, and all their batches are in memory. */
const MOST_RUNS = 256;
/**
 * The most forms that wait for further runs. A plan with more of them closes the oldest, so that memory does not grow
 * with a plan.
 */
const MOST_OPEN = 64;

/**
 * A plan's run with its settings resolved and its name.
 * @throws InvalidValueError that says which run and which setting
 */
export async function nameRun(kind: RunKind, { index, settings: given }: PlannedRun): Promise<NamedRun> {
  try {
    const settings = kind.resolve(given);
    const task = await kind.task(settings);
    return { id: idOf(kind, settings, task), given, settings, task };
  } catch (error) {
    const isOfSettings = [InvalidValueError, InvalidShapeError, InvalidTypeError, FileFormatError, UsageError].some(
      type => error instanceof type,
    );
    if (!isOfSettings) throw error;
    throw new InvalidValueError(`run ${index + 1} of the plan: ${(error as Error).message}`, { cause: error });
  }
}

function idOf({ name }: RunKind, settings: ResolvedSettings, { contents }: RunTask): string {
  // A file is identified by its contents, wherever it lies.
  const paths = Object.keys(contents);
  const own = Object.fromEntries(Object.entries(settings).filter(([field]) => !paths.includes(field)));
  return canonicalHash({ train: name, settings: own, contents });
}

/**
 * The plan's groups, one at a time and each run once, in an order that follows from the plan. Its errors are those of
 * `nameRun`.
 */
export async function* groupsOf(plan: SweepPlan, kind: RunKind): AsyncGenerator<RunGroup> {
  const open = new Map<string, NamedRun[]>();
  let index = 0;
  const close = (form: string): RunGroup => {
    const runs = open.get(form)!;
    open.delete(form);
    return { id: canonicalHash(runs.map(({ id }) => id)), index: index++, runs };
  };
  for (const planned of plannedRuns(plan)) {
    const run = await nameRun(kind, planned);
    const form = run.task.form ?? `alone ${planned.index}`;
    const runs = open.get(form);
    // Two entries of a list may describe the same run.
    if (runs?.some(({ id }) => id === run.id)) continue;
    if (runs) runs.push(run);
    else open.set(form, [run]);
    if (isFull(open.get(form)!, plan.groupSize) || run.task.form === undefined) yield close(form);
    else if (open.size > MOST_OPEN) yield close(open.keys().next().value!);
  }
  for (const form of [...open.keys()]) yield close(form);
}

function isFull(runs: readonly NamedRun[], most: number | undefined): boolean {
  if (most !== undefined) return runs.length >= most;
  return runs.length >= MOST_RUNS || (runs.length + 1) * runs[0]!.task.seconds > LONGEST;
}
