/** Does a unit of work: trains a group side by side and writes the results of its runs. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import type { Engine } from '../engines/engine.ts';
import {
  DivergenceError,
  FileFormatError,
  FileWriteError,
  InvalidShapeError,
  InvalidTypeError,
  InvalidValueError,
} from '../errors.ts';
import { historyFile } from '../experiments/run-files.ts';
import { lockFolder } from '../files/folder-lock.ts';
import type { NamedRun, RunGroup } from './groups.ts';
import type { SweepConditions, SweepFolder } from './sweep-folder.ts';
import type { TakeTurn } from './turns.ts';

/** How groups are done. */
export interface GroupOptions {
  readonly folder: SweepFolder;
  readonly engine: Engine;
  readonly conditions: SweepConditions;
  readonly signal?: AbortSignal | undefined;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** About how many times in training the directions are kept. Default 0: never. */
  readonly snapshots?: number | undefined;
  /**
   * Turns at training where several groups are under way: one trains while the one before it is measured. Default: no
   * turns.
   */
  readonly takeTurn?: TakeTurn | undefined;
}

/**
 * Trains the missing runs of a group, and writes results, models and failures. A group that was begun goes on from its
 * checkpoint, whoever began it.
 * @throws FolderInUseError where another process is doing this group
 * @throws the reason of the signal where it was stopped; the checkpoint is kept
 */
export async function performGroup(group: RunGroup, options: GroupOptions): Promise<void> {
  const giveBack = (await options.takeTurn?.()) ?? (() => {});
  try {
    options.signal?.throwIfAborted();
    await performInTurn(group, options, giveBack);
  } finally {
    giveBack();
  }
}

async function performInTurn(group: RunGroup, options: GroupOptions, onTrained: () => void): Promise<void> {
  const { folder } = options;
  const isMissing = ({ id }: NamedRun): boolean => !folder.isDone(id);
  if (!group.runs.some(isMissing)) return;
  const checkpoints = folder.checkpoints(group.id);
  // A process that was killed while it wrote results has left some. The whole group goes on, because its checkpoint is
  // of the whole group.
  const wasBegun = existsSync(checkpoints);
  await mkdir(checkpoints, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(checkpoints, cause);
  });
  {
    await using _ = await lockFolder(checkpoints, 'work', { signal: options.signal });
    const runs = wasBegun ? group.runs : group.runs.filter(isMissing);
    if (group.runs.some(isMissing)) await trainRuns(runs, 'runs', checkpoints, options, onTrained);
  }
  await rm(checkpoints, { recursive: true, force: true });
}

/**
 * Trains runs side by side. A run that diverges stops all of them; then each half is trained by itself, down to the
 * single run.
 */
async function trainRuns(
  runs: readonly NamedRun[],
  checkpointName: string,
  checkpoints: string,
  options: GroupOptions,
  onTrained: () => void = () => {},
): Promise<void> {
  const { folder, engine, conditions, signal, checkpointEvery, snapshots = 0 } = options;
  if (runs.every(({ id }) => folder.isDone(id))) return;
  const tasks = runs.map(({ task }) => task);
  try {
    const how = { engine, signal, checkpoints, checkpointName, checkpointEvery, snapshots, onTrained };
    const trained = await tasks[0]!.train(tasks, how);
    signal?.throwIfAborted();
    for (const [i, { metrics, model, engine: on, history }] of trained.entries()) {
      const { id, settings, task } = runs[i]!;
      if (folder.isDone(id)) continue;
      if (snapshots > 0) await folder.writeHistory(id, historyFile(history));
      const result = { id, settings, contents: task.contents, metrics, made: { ...conditions, on } };
      await folder.writeResult(result, model);
    }
  } catch (error) {
    if (!isOfRuns(error)) throw error;
    if (runs.length === 1) {
      const { id, settings } = runs[0]!;
      await folder.writeFailure({ id, settings, error: error.name, message: error.message });
      return;
    }
    const half = Math.ceil(runs.length / 2);
    await trainRuns(runs.slice(0, half), `${checkpointName}-a`, checkpoints, options);
    await trainRuns(runs.slice(half), `${checkpointName}-b`, checkpoints, options);
  }
}

/** Whether an error belongs to the runs and would occur again; other errors belong to the machine. */
function isOfRuns(error: unknown): error is Error {
  const types = [DivergenceError, InvalidValueError, InvalidShapeError, InvalidTypeError, FileFormatError];
  return types.some(type => error instanceof type);
}
