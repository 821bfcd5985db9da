/** Files that experiments write into their run's folder, each whole or not at all. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { csvFormat } from 'd3-dsv';
import { FileFormatError } from '../errors.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import type { HostTensor, HostTensors, NestedArray } from '../tensor.ts';
import { toNested } from '../tensor.ts';
import { type Checkpoint, checkpointFile, loadCheckpoint } from '../training/checkpoint.ts';
import type { CheckpointOptions, Trained } from '../training/train.ts';
import { type ExperimentContext, StoppedError } from './context.ts';

/** Directions over training: about 60 snapshots spaced by log step, step 0 included. */
export interface History {
  readonly steps: readonly number[];
  /** The loss of the batch at each step; of the last batch at the end. */
  readonly loss: readonly number[];
  /** [snapshot, ...directions]. */
  readonly directions: readonly NestedArray[];
}

/** A history from a run's losses and snapshots. */
export function historyOf(
  loss: Float32Array,
  snapshots: readonly { readonly step: number; readonly value: HostTensor }[],
): History {
  return {
    steps: snapshots.map(({ step }) => step),
    loss: snapshots.map(({ step }) => loss[Math.min(step, loss.length - 1)] ?? Number.NaN),
    directions: snapshots.map(({ value }) => toNested({ ...value, data: rounded(value.data) }) as NestedArray),
  };
}

/** Five decimals: a screen shows fewer. */
function rounded(data: Float32Array): number[] {
  return Array.from(data, value => Math.round(value * 1e5) / 1e5);
}

/** Writes JSON, indented where `readable`. */
export async function writeJson(file: string, value: unknown, readable = true): Promise<void> {
  await writeFileAtomic(file, `${JSON.stringify(value, null, readable ? 2 : undefined)}\n`);
}

/** Writes rows of one form as CSV, their keys as the header. */
export async function writeTable(
  file: string,
  rows: readonly Readonly<Record<string, string | number>>[],
): Promise<void> {
  await writeFileAtomic(file, `${csvFormat(rows.map(row => ({ ...row })))}\n`);
}

/** The losses of instance `index` of several trained side by side, [step]. */
export function lossesOf({ metrics, step }: Trained, index: number): Float32Array {
  const all = metrics['losses'];
  if (!all) return metrics['loss']!;
  const width = all.length / Math.max(1, step);
  return Float32Array.from({ length: step }, (_, at) => all[at * width + index]!);
}

/** SHA-256 of a file's bytes, in hexadecimal: how an autoencoder's file names the model it was trained on. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** SHA-256 of a file. */
export async function sha256OfFile(file: string): Promise<string> {
  return sha256(await readFile(file));
}

const CHECKPOINT = '.checkpoint.safetensors';

/** FileFormatError where a folder holds no checkpoint to resume from. */
export async function requireCheckpoint(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.some(name => name.endsWith(CHECKPOINT))) return;
  throw new FileFormatError('there is no checkpoint to resume from', { file: folder });
}

/**
 * The options under which `train` keeps a checkpoint called `name` in the run's folder, and goes on from it where asked to. A run of
 * several trainings may have been stopped before it came to this one: without a checkpoint it begins.
 */
export async function checkpointing(
  { folder, checkpointEvery, resume }: ExperimentContext,
  name: string,
  experiment: unknown,
  template: HostTensors,
): Promise<{ readonly checkpoint: CheckpointOptions; readonly resume?: Checkpoint }> {
  const file = join(folder, `${name}${CHECKPOINT}`);
  const checkpoint = { ...checkpointFile(file), every: checkpointEvery, experiment };
  if (!resume || !existsSync(file)) return { checkpoint };
  return { checkpoint, resume: await loadCheckpoint(file, experiment, template) };
}

/** Ends an experiment whose training was stopped. */
export function requireFinished(run: Trained, what: string, { folder }: ExperimentContext): void {
  if (!run.stopped) return;
  const rest = run.step > 0 ? `; --resume goes on from the checkpoint in ${folder}` : '';
  throw new StoppedError(`${what} stopped after ${run.step} steps${rest}`);
}
