/** Which latent stands for which true feature. Pure functions of directions, built on src/analysis. */
import { cosineSimilarityMatrix } from '../../../src/analysis/cosine-similarity.ts';
import { recovery } from '../../../src/analysis/recovery.ts';
import { fromNested, type HostTensor } from '../../../src/tensor.ts';
import type { History } from './model.ts';

/** The cosine from which a true feature counts as recovered: 0.98 for up to ten features, 0.9 for more. */
export const recoveryThreshold = (features: number): number => (features <= 10 ? 0.98 : 0.9);
/** A matrix as an array of its rows. */
export type Matrix = readonly (readonly number[])[];

/** How the latents of an autoencoder stand to the true directions. */
export interface Matching {
  readonly features: number;
  readonly latents: number;
  /** Cosines, [latents, features]. */
  readonly similarity: Float32Array;
  /** True feature of each latent under the optimal matching, −1 for none. */
  readonly featureOf: Int32Array;
  /** Latent of each true feature, −1 for none. */
  readonly latentOf: Int32Array;
  /** How many true features have a latent of their own beyond the threshold. */
  readonly recovered: number;
  /**
   * What became of each latent, [latents]: the index of its status, its own or else its nearest feature, and the cosine
   * to that feature.
   */
  readonly verdicts: { readonly status: Uint8Array; readonly feature: Int32Array; readonly cosine: Float32Array };
}

const asTensor = (rows: Matrix | HostTensor): HostTensor => ('data' in rows ? rows : fromNested(rows));

/**
 * The optimal one-to-one matching of latents to true directions by cosine; latents that are not alive (default all are) are left
 * out of it.
 */
export function matchDirections(
  latents: Matrix | HostTensor,
  features: Matrix | HostTensor,
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
  const verdicts = judge(latentCount, featureCount, similarity, featureOf, latentOf);
  return {
    features: featureCount,
    latents: latentCount,
    similarity,
    featureOf,
    latentOf,
    recovered: found.recovered,
    verdicts,
  };
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

/**
 * How a latent stands to the true features. `matched`: it is the latent of a feature under the optimal matching, and
 * beyond the threshold; that feature is found. `duplicate`: it is beyond the threshold with a feature that another
 * latent has found. `mixture`: anything else.
 */
export type LatentStatus = 'matched' | 'duplicate' | 'mixture';

/** What became of one latent. */
export interface Verdict {
  readonly status: LatentStatus;
  /** Its own feature under the matching, or else the nearest one. */
  readonly feature: number;
  readonly cosine: number;
}

const STATUSES: readonly LatentStatus[] = ['matched', 'duplicate', 'mixture'];

/** What a latent stands for. Every colour, count and word on the page comes from here. */
export function verdictOf(latent: number, { verdicts }: Matching): Verdict {
  const { status, feature, cosine } = verdicts;
  return { status: STATUSES[status[latent]!]!, feature: feature[latent]!, cosine: cosine[latent]! };
}

function judge(
  latents: number,
  features: number,
  similarity: Float32Array,
  featureOf: Int32Array,
  latentOf: Int32Array,
): Matching['verdicts'] {
  const threshold = recoveryThreshold(features);
  const verdicts = {
    status: new Uint8Array(latents),
    feature: new Int32Array(latents),
    cosine: new Float32Array(latents),
  };
  const isFound = (feature: number): boolean => {
    const latent = latentOf[feature]!;
    return latent >= 0 && similarity[latent * features + feature]! > threshold;
  };
  for (let latent = 0; latent < latents; latent++) {
    const at = latent * features;
    const own = featureOf[latent]!;
    const isOwn = own >= 0 && isFound(own);
    let feature = isOwn ? own : 0;
    for (let j = 1; !isOwn && j < features; j++) if (similarity[at + j]! > similarity[at + feature]!) feature = j;
    const isDuplicate = similarity[at + feature]! > threshold && isFound(feature);
    verdicts.status[latent] = STATUSES.indexOf(isOwn ? 'matched' : isDuplicate ? 'duplicate' : 'mixture');
    verdicts.feature[latent] = feature;
    verdicts.cosine[latent] = similarity[at + feature]!;
  }
  return verdicts;
}

/** The true feature that a latent has found, whose colour it takes; −1 where it has found none. */
export function featureOfLatent(latent: number, found: Matching | undefined): number {
  if (!found || latent >= found.latents) return -1;
  const { status, feature } = verdictOf(latent, found);
  return status === 'mixture' ? -1 : feature;
}

/** Something that happened to a true feature during training, and the step at which it did. */
export interface TrainingEvent {
  readonly step: number;
  readonly text: string;
}

/** When a true feature was found by a latent, lost it, or changed it, over a history with the matching of each snapshot. */
export function trainingEvents(history: History, matchings: readonly Matching[]): TrainingEvent[] {
  const events: TrainingEvent[] = [];
  let before: Int32Array | undefined;
  history.steps.forEach((step, index) => {
    const found = matchings[index]!;
    const threshold = recoveryThreshold(found.features);
    const now = Int32Array.from(found.latentOf, (latent, feature) =>
      matchedCosine(found, feature) > threshold ? latent : -1,
    );
    now.forEach((latent, feature) => {
      const old = before?.[feature] ?? latent;
      if (old === latent) return;
      if (old < 0) events.push({ step, text: `feature ${feature} found by latent ${latent}` });
      else if (latent < 0) events.push({ step, text: `feature ${feature} lost by latent ${old}` });
      else events.push({ step, text: `feature ${feature} passed from latent ${old} to ${latent}` });
    });
    before = now;
  });
  return events;
}
