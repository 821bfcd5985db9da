/** Files that experiments write into their run's folder, each whole or not at all. */
import { createHash } from 'node:crypto';
import { csvFormat } from 'd3-dsv';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { type HostTensor, type NestedArray, toNested } from '../tensor.ts';
import type { TrainingHistory } from '../training/history.ts';
import { type ExperimentContext, StoppedError } from './context.ts';

/** Directions over training: about 60 snapshots spaced by log step, step 0 included. */
export interface History {
  readonly steps: readonly number[];
  /** The loss of the batch at each snapshot's step; at the end, that of the last batch. */
  readonly loss: readonly number[];
  /** [snapshot, ...directions]. */
  readonly directions: readonly NestedArray[];
  /** b_dec of an autoencoder, [snapshot, d_out]. */
  readonly b_dec?: readonly NestedArray[];
}

/** The history of an autoencoder's training as a file holds it. */
export function historyFile({ loss, snapshots }: TrainingHistory): History {
  return {
    steps: snapshots.map(({ step }) => step),
    loss: snapshots.map(({ step }) => loss[Math.min(step, loss.length - 1)] ?? Number.NaN),
    directions: snapshots.map(({ directions }) => rounded(directions)),
    b_dec: snapshots.map(({ bias }) => rounded(bias)),
  };
}

/** A tensor as nested arrays with five decimals; a screen shows fewer. */
function rounded({ data, shape }: HostTensor): NestedArray {
  return toNested({ data: Array.from(data, value => Math.round(value * 1e5) / 1e5), shape }) as NestedArray;
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

/** SHA-256 of a file's bytes, in hexadecimal, by which an autoencoder's file names the model it was trained on. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Checks that a training was not stopped.
 * @throws StoppedError where it was
 */
export function requireFinished(
  { stopped, history }: { readonly stopped: boolean; readonly history: TrainingHistory },
  what: string,
  { folder }: ExperimentContext,
): void {
  if (!stopped) return;
  const rest = history.steps > 0 ? `; --resume goes on from the checkpoint in ${folder}` : '';
  throw new StoppedError(`${what} stopped after ${history.steps} steps${rest}`);
}
