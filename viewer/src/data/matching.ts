/** Which latent stands for which true feature, from src/analysis; pure functions of directions. */
import { cosineSimilarityMatrix } from '../../../src/analysis/cosine-similarity.ts';
import { recovery } from '../../../src/analysis/recovery.ts';
import { fromNested, type HostTensor } from '../../../src/tensor.ts';
import type { History } from './model.ts';

/** Recovered from this cosine on, by the number of true features (a few, or many). */
export const recoveryThreshold = (features: number): number => (features <= 10 ? 0.98 : 0.9);
export type Rows = readonly (readonly number[])[];

export interface Matching {
  readonly features: number;
  readonly latents: number;
  /** Cosines, [latents, features]. */
  readonly similarity: Float32Array;
  /** True feature of each latent under the optimal matching, −1 for none. */
  readonly featureOf: Int32Array;
  /** Latent of each true feature, −1 for none. */
  readonly latentOf: Int32Array;
  /** True features whose own latent lies beyond the threshold. */
  readonly recovered: number;
}

const asTensor = (rows: Rows | HostTensor): HostTensor => ('data' in rows ? rows : fromNested(rows));

/**
 * The optimal one-to-one matching of latents to true directions by cosine; latents that are not alive (default all are) are left
 * out of it.
 */
export function matchDirections(
  latents: Rows | HostTensor,
  features: Rows | HostTensor,
  alive?: readonly boolean[],
): Matching {
  const directions = asTensor(latents);
  const trueDirections = asTensor(features);
  const [latentCount, featureCount] = [directions.shape[0]!, trueDirections.shape[0]!];
  const similarity = cosineSimilarityMatrix(directions, trueDirections).data;
  const threshold = recoveryThreshold(featureCount);
  const found = recovery({ directions, trueDirections, threshold, ...(alive && { alive }) });
  const latentOf = Int32Array.from(found.features, ({ latent }) => latent ?? -1);
  const featureOf = new Int32Array(latentCount).fill(-1);
  latentOf.forEach((latent, feature) => {
    if (latent >= 0) featureOf[latent] = feature;
  });
  return { features: featureCount, latents: latentCount, similarity, featureOf, latentOf, recovered: found.recovered };
}

/** Cosine of a true feature with its own latent; 0 where it has none. */
export function matchedCosine(matching: Matching, feature: number): number {
  const latent = matching.latentOf[feature]!;
  return latent < 0 ? 0 : matching.similarity[latent * matching.features + feature]!;
}

/** A tensor's rows as arrays. */
export function rowsOf({
  data,
  shape,
}: {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}): number[][] {
  const [rows, width] = shape as [number, number];
  return Array.from({ length: rows }, (_, i) => Array.from({ length: width }, (_, j) => data[i * width + j]!));
}

/** The true feature that a latent is coloured by: its match where that is close, else none. */
export const featureOfLatent = (latent: number, found: Matching | undefined): number => {
  if (!found) return -1;
  const own = found.featureOf[latent] ?? -1;
  if (own >= 0 && found.similarity[latent * found.features + own]! > 0.7) return own;
  return -1;
};

export interface TrainingEvent {
  readonly step: number;
  readonly text: string;
}

/** When a true feature was found by a latent, lost it, or changed it, over a history. */
export function trainingEvents(history: History, features: Rows): TrainingEvent[] {
  const threshold = recoveryThreshold(features.length);
  const events: TrainingEvent[] = [];
  let before = new Int32Array(features.length).fill(-1);
  history.steps.forEach((step, index) => {
    const found = matchDirections(history.directions[index]!, features);
    const now = Int32Array.from(before, (_, feature) =>
      matchedCosine(found, feature) > threshold ? found.latentOf[feature]! : -1,
    );
    if (index > 0) {
      now.forEach((latent, feature) => {
        const old = before[feature]!;
        if (old === latent) return;
        if (old < 0) events.push({ step, text: `feature ${feature} found by latent ${latent}` });
        else if (latent < 0) events.push({ step, text: `feature ${feature} lost by latent ${old}` });
        else events.push({ step, text: `feature ${feature} passed from latent ${old} to ${latent}` });
      });
    }
    before = now;
  });
  return events;
}
