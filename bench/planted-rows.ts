/** Activations of a known dictionary for benches: rows to train on, written as .npy for Python as well, and rows held out. */
import { join } from 'node:path';
import { dictionaryFeatures } from '../src/data/dictionary-features.ts';
import { writeNpy } from '../src/files/npy.ts';
import { writeFileAtomic } from '../src/files/write-atomic.ts';
import { type HostTensor, hostTensor } from '../src/tensor.ts';

/** Rows made of known directions. */
export interface PlantedRows {
  /** [n, d_in], the same as in `file`. */
  readonly training: HostTensor;
  readonly file: string;
  /** [n, d_in] */
  readonly heldOut: HostTensor;
}

/** About how many features fire in a sample. */
const ACTIVE = 24;
const DRAWN_AT_ONCE = 1024;

/**
 * `rows` sparse sums of d_in-dimensional directions, half as many as latents, with magnitudes |1 + n/2|: what an autoencoder of that many
 * latents is for. Some directions are ten times as frequent as others.
 */
export async function plantRows(
  folder: string,
  { dIn, dSae, rows, heldOut }: { dIn: number; dSae: number; rows: number; heldOut: number },
): Promise<PlantedRows> {
  const nFeatures = dSae / 2;
  // From rank 1 to n the probability falls tenfold; its mean is about .39 of the largest.
  const max = Math.min(0.9, ACTIVE / nFeatures / 0.39);
  const source = dictionaryFeatures({
    nFeatures,
    dIn,
    firing: Array.from({ length: nFeatures }, (_, rank) => max * 10 ** (-rank / nFeatures)),
    magnitudes: { kind: 'normal', mean: 1, std: 0.5 },
    bias: 1,
  });
  await using open = await source.open({ seed: 0, batchSize: DRAWN_AT_ONCE });
  const training = hostTensor(new Float32Array(rows * dIn), [rows, dIn]);
  await open.batches.fill({ activations: training.data as Float32Array }, Math.ceil(rows / DRAWN_AT_ONCE));
  const file = join(folder, `rows-${dIn}-${dSae}.npy`);
  await writeFileAtomic(file, writeNpy(training));
  for await (const { input } of open.heldOut(heldOut, heldOut)) return { training, file, heldOut: input };
  throw new Error('a generated source gives the rows it is asked for');
}
