/** The jobs that go through the queue of a sweep: groups one way, results of workers without the folder the other. */
import { join } from 'node:path';
import { FileFormatError } from '../errors.ts';
import type { RunGroup } from './groups.ts';
import type { PlanSettings, SweepPlan } from './plan.ts';
import type { SweepConditions } from './sweep-folder.ts';

/** A group as a job; its id is the group's hash. */
export interface GroupJob {
  readonly train: SweepPlan['train'];
  readonly index: number;
  readonly conditions: SweepConditions;
  /** About how many times in training the directions are kept; absent for never. */
  readonly snapshots?: number | undefined;
  /** Names and settings as the plan gives them: a worker needs no plan. */
  readonly runs: readonly { readonly id: string; readonly given: PlanSettings; readonly index: number }[];
  /** The queue for results of workers that do not have the folder. */
  readonly results: string;
}

/** A piece of a file of results. */
export interface PieceJob {
  /** The file's path within the folder of the sweep. */
  readonly file: string;
  readonly piece: number;
  readonly pieces: number;
  /** The piece in base64. */
  readonly data: string;
}

/** The size of a piece in bytes: Redis holds a whole job, and other clients wait while it is sent. */
export const PIECE = 512 * 1024;

/** The queue where workers find groups. */
export const GROUPS_QUEUE = 'monosemantic';

/** A group as a job for the queue. */
export function groupJob(group: RunGroup, work: Omit<GroupJob, 'index' | 'runs'>): GroupJob {
  const runs = group.runs.map(({ id, given }, index) => ({ id, given, index }));
  return { ...work, index: group.index, runs };
}

/** Only files of results are accepted from a queue, whatever a job says. */
const FILES = /^(?:results|histories|failures)\/[0-9a-f]{2}\/[0-9a-f]{20}\.(?:json|onnx)$/;

/**
 * Where a file that came through the queue goes.
 * @throws FileFormatError for anything but a result
 */
export function placeOf(folder: string, file: string): string {
  if (!FILES.test(file)) throw new FileFormatError('a worker sent a file that is no result', { file });
  return join(folder, ...file.split('/'));
}
