/** `monosemantic/sweeps`: sweeps from the library, with the settings of `train toy` and `train sae`. */
import { packageVersion } from '../../sweeps/package-version.ts';
import type { SweepPlan } from '../../sweeps/plan.ts';
import { runSweep, type SweepOptions } from '../../sweeps/sweep.ts';
import type { SweepFolder } from '../../sweeps/sweep-folder.ts';
import { runWorker, type WorkerOptions } from '../../sweeps/worker.ts';
import { RUN_KINDS } from './run-kinds.ts';

export { inShards, inThisProcess, type SweepExecutor, type SweepWork } from '../../sweeps/executor.ts';
export type { PlanSettings, SettingValue, SweepPlan } from '../../sweeps/plan.ts';
export { type ReportOptions, writeComparison, writeReport } from '../../sweeps/report.ts';
export { type ConfigurationSummary, type SweepSummary, summariseSweep } from '../../sweeps/summary.ts';
export type { SweepOptions } from '../../sweeps/sweep.ts';
export { type RunFailure, type RunResult, SweepFolder } from '../../sweeps/sweep-folder.ts';
export { type QueueOptions, throughQueue } from '../../sweeps/through-queue.ts';
export type { WorkerOptions } from '../../sweeps/worker.ts';

/**
 * Does the runs of a plan. Runs that are done in the folder are not done again, and a group that was begun goes on from
 * its checkpoint.
 * @param plan a base configuration, a grid and a list of overrides, seeds
 * @param options `out`, the folder; the executor. Default: this process
 * @returns the folder with its results
 * @throws InvalidValueError for a plan with an impossible run: the message names the run and the setting
 * @throws FolderInUseError where the folder was begun by another version, on another engine or with other threads
 * @throws the reason of `signal` where it was stopped
 */
export function sweep(plan: SweepPlan, options: SweepOptions): Promise<SweepFolder> {
  return runSweep(plan, options, { kinds: RUN_KINDS, version: packageVersion() });
}

/**
 * Takes groups from a queue and does them, until `signal` is aborted or, where that is asked for, the queue is empty.
 * @returns how many groups it did
 * @throws VersionMismatchError where the groups are of another version of this package
 * @throws InvalidValueError or QueueUnavailableError where the queue's server cannot be used
 */
export function work(options: WorkerOptions): Promise<number> {
  return runWorker(options, { kinds: RUN_KINDS, version: packageVersion() });
}
