/** What an autoencoder on the larger toy model's activations is measured by: that model's own features, as far as it represents them. */

import { DetectionF1 } from '../analysis/detection-f1.ts';
import { duplicates } from '../analysis/duplicates.ts';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { L0 } from '../analysis/l0.ts';
import { recovery } from '../analysis/recovery.ts';
import type { ActivationSource } from '../data/activation-source.ts';
import { hiddenActivations } from '../data/hidden-activations.ts';
import { randomStream } from '../data/streams.ts';
import { type ClusteredDataState, SyntheticClusteredDataGenerator } from '../data/synthetic-clustered.ts';
import { toyModelActivations } from '../data/toy-model-activations.ts';
import { FileFormatError } from '../errors.ts';
import { sha256OfFile } from '../files/file-hash.ts';
import { inspectModel } from '../inference/node.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import type { HostTensor } from '../tensor.ts';
import { clusteredData, REPRESENTED, rowLengths } from './clustered-toy-model-run.ts';
import { recoveryThreshold } from './sae-run.ts';
import { scoreBesideTruth } from './truth-score.ts';

/** What an autoencoder has at one moment, on held-out activations; features count that the toy model represents. */
export interface SaeScore {
  readonly recovered: number;
  readonly of: number;
  /** Share recovered that chance gives (see recovery). */
  readonly chance: number;
  readonly meanCosine: number;
  readonly explainedVariance: number;
  readonly l0: number;
  readonly dead: number;
  readonly duplicates: number;
  /** Mean F1 of detecting each feature by its matched latent. */
  readonly f1: number;
  /** SynthSAEBench's: see TruthScore. */
  readonly mcc: number;
  readonly uniqueness: number;
  readonly latentF1: number;
}

/** Held-out data: true features and their activations. */
interface HeldOut {
  readonly features: HostTensor;
  readonly activations: HostTensor;
}

/** What is to be found: the directions that the toy model represents, and where they show. */
export interface ClusteredTruth {
  /** Of the represented features, [n, n_hidden]. */
  readonly directions: HostTensor;
  readonly heldOut: HeldOut;
  readonly isRepresented: readonly boolean[];
  /** True features that are both represented by the toy model and active, a sample, on average: what k stands for. */
  readonly trueL0: number;
  /** What autoencoders learn from. */
  readonly data: ActivationSource;
  /** SHA-256 of the toy model's file. */
  readonly trainedOn: string;
}

const HELD_OUT = 10_000;
const HELD_OUT_STREAM = 6;

/** The truth in the toy model `file`, of weight `weight`, which `runClusteredToyModel` froze. FileFormatError for another. */
export async function readClusteredTruth(
  { file, weight }: { readonly file: string; readonly weight: HostTensor },
  seed: number,
): Promise<ClusteredTruth> {
  const clustered = await clusteredDataOf(file);
  const heldOut = drawHeldOut(clustered, weight, seed);
  const isRepresented = rowLengths(weight).map(length => length > REPRESENTED);
  return {
    directions: rowsWhere(weight, isRepresented),
    heldOut,
    isRepresented,
    trueL0: meanActive(heldOut.features, isRepresented),
    data: toyModelActivations(weight, clusteredData(clustered)),
    trainedOn: await sha256OfFile(file),
  };
}

/** The topics that a toy model was trained on; FileFormatError where its metadata hold none. */
async function clusteredDataOf(file: string): Promise<ClusteredDataState> {
  const { metadata } = await inspectModel(file);
  const training = metadata.config?.['training'] as { data?: { clustered?: ClusteredDataState } } | undefined;
  const clustered = training?.data?.clustered;
  if (clustered) return clustered;
  throw new FileFormatError('expected a toy model that train-toy-model-for-sae-big froze, with its topics', { file });
}

function drawHeldOut(clustered: ClusteredDataState, weight: HostTensor, seed: number): HeldOut {
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const generator = SyntheticClusteredDataGenerator.fromState(clustered, randomStream(seed, HELD_OUT_STREAM));
  const features = generator.generateBatch(HELD_OUT);
  const activations = { data: new Float32Array(HELD_OUT * nHidden), shape: [HELD_OUT, nHidden] };
  hiddenActivations(weight, { batchSize: HELD_OUT, fill: into => into.set(features.data) }).fill(activations.data);
  return { features: { data: features.data, shape: [HELD_OUT, nFeatures] }, activations };
}

/** Features active (> 0) in a sample, of those that `counts` says, on average. */
function meanActive({ data, shape }: HostTensor, counts: readonly boolean[]): number {
  const width = shape[1]!;
  let active = 0;
  for (let i = 0; i < data.length; i++) if (data[i]! > 0 && counts[i % width]) active++;
  return active / shape[0]!;
}

/** What `directions` recover; of all latents, or those alive. */
export function recoveryOf(directions: HostTensor, truth: ClusteredTruth, alive?: readonly boolean[]) {
  const threshold = recoveryThreshold(truth.directions.shape[0]!);
  return recovery({ directions, trueDirections: truth.directions, threshold, ...(alive && { alive }) });
}

/** Measures an autoencoder on the held-out activations. */
export function scoreClustered(sae: SparseAutoencoder, truth: ClusteredTruth): SaeScore {
  const { features: trueFeatures, activations } = truth.heldOut;
  const { features, reconstruction } = sae.forward(activations);
  const [variance, density, l0, detection] = [
    new ExplainedVariance(),
    new FiringDensity(),
    new L0(),
    new DetectionF1(),
  ];
  variance.add(activations, reconstruction);
  density.add(features);
  l0.add(features);
  const represented = columnsWhere(trueFeatures, truth.isRepresented);
  detection.add(features, represented);
  const { alive, dead } = density.compute();
  const directions = sae.featureDirections();
  const found = recoveryOf(directions, truth, alive);
  const beside = scoreBesideTruth({
    directions,
    trueDirections: truth.directions,
    features,
    trueFeatures: represented,
    activations,
    reconstruction,
  });
  const { f1 } = detection.compute(found.features.map(({ latent }) => latent ?? -1));
  return {
    recovered: found.recovered,
    of: found.features.length,
    chance: found.chance,
    meanCosine: found.meanCosine,
    explainedVariance: variance.compute() ?? Number.NaN,
    l0: l0.compute(),
    dead: dead.length,
    duplicates: duplicates(directions, { alive }).length,
    f1: f1.reduce((sum, value) => sum + value, 0) / f1.length,
    mcc: beside.mcc ?? Number.NaN,
    uniqueness: beside.uniqueness,
    latentF1: beside.latent_f1,
  };
}

function rowsWhere({ data, shape }: HostTensor, keep: readonly boolean[]): HostTensor {
  const width = shape[1]!;
  const rows = keep.flatMap((kept, row) => (kept ? [row] : []));
  const out = new Float32Array(rows.length * width);
  for (const [to, from] of rows.entries()) out.set(data.subarray(from * width, (from + 1) * width), to * width);
  return { data: out, shape: [rows.length, width] };
}

function columnsWhere({ data, shape }: HostTensor, keep: readonly boolean[]): HostTensor {
  const width = shape[1]!;
  return {
    data: data.filter((_, i) => keep[i % width]!),
    shape: [shape[0]!, keep.filter(Boolean).length],
  };
}
