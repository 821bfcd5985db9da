/** A study: a plan in examples/plans/, and the figures and tables that the README shows of its sweep. */
import { readFile } from 'node:fs/promises';
import type { History } from '../../src/experiments/run-files.ts';
import type { SweepSummary } from '../../src/sweeps/summary.ts';
import type { RunResult, SweepFolder } from '../../src/sweeps/sweep-folder.ts';
import { fromNested, type HostTensor } from '../../src/tensor.ts';

/** A sweep that is done. */
export interface DoneSweep {
  readonly folder: SweepFolder;
  readonly summary: SweepSummary;
  /** Where figures and tables go. */
  readonly out: string;
}

/**
 * Draws figures and tables and writes them into `out`.
 * @returns a table for a terminal
 */
export type Study = (sweep: DoneSweep) => Promise<string>;

/** A metric of a run; NaN where it has none. */
export function metricOf({ metrics }: RunResult, name: string): number {
  return metrics[name] ?? Number.NaN;
}

/** The directions of a run over its training. */
export async function historyOf({ id }: RunResult, folder: SweepFolder): Promise<History> {
  return JSON.parse(await readFile(folder.file('history', id), 'utf8')) as History;
}

/** Rows of a history as a tensor. */
export function tensorOf(rows: History['directions'][number]): HostTensor {
  const { data, shape } = fromNested(rows);
  return { data: Float32Array.from(data), shape };
}

/** The toy model's file that all runs share. */
export function toyModelOf({ runs }: SweepSummary): string {
  return String(runs[0]!.settings['toyModel']);
}

/** Runs by the text that `nameOf` gives each, in the order of the first of each. */
export function grouped(runs: readonly RunResult[], nameOf: (run: RunResult) => string): Map<string, RunResult[]> {
  const groups = new Map<string, RunResult[]>();
  for (const run of runs) groups.set(nameOf(run), [...(groups.get(nameOf(run)) ?? []), run]);
  return groups;
}

/** The features of a toy model that are drawn to count how many are active in a sample. */
export const FEATURES_DRAWN = { sparsity: 0, seed: 0, rows: 10_000, stream: 6 };
