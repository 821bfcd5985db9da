/** Scores an autoencoder on activations that its training never saw. */
import { type DensityHistogram, densityHistogram } from '../analysis/density-histogram.ts';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { type L0Distribution, L0Histogram } from '../analysis/l0-histogram.ts';
import { ReconstructionNorm } from '../analysis/reconstruction-norm.ts';
import type { OpenSource } from '../data/activation-source.ts';
import { frozenSaeToOnnx } from '../export/frozen-sae-onnx.ts';
import { gathered } from '../host/activation-rows.ts';
import { loadSae } from '../inference/node.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { type HostTensor, rowNorms } from '../tensor.ts';
import { type DictionaryScore, scoreDictionary } from './dictionary-score.ts';

/** Scores on held-out activations; docs/metrics.md explains each. */
export interface HeldOutScore {
  /** The explained variance; null where the activations do not vary. */
  readonly explained_variance: number | null;
  /**
   * The explained variance of the samples that are not longer than training takes; present where long ones were left
   * out of training.
   */
  readonly explained_variance_without_sinks?: number | null;
  /** The number of samples that are longer. */
  readonly sinks?: number;
  readonly l0: number;
  readonly l0_distribution: L0Distribution;
  /** Latents that fired on none of `samples`. */
  readonly never_fired: number;
  readonly samples: number;
  /** The shrinkage; null where no sample is longer than 1e-6. */
  readonly shrinkage: number | null;
  /** The relative reconstruction bias; null where reconstructions are perpendicular to the activations, or zero. */
  readonly relative_reconstruction_bias: number | null;
  readonly density: DensityHistogram;
  /** The scores of the weights; absent where they were not asked for. */
  readonly dictionary?: DictionaryScore;
}

/** The most held-out activations that are measured. */
const MEASURED = 65_536;
const MEASURED_AT_ONCE = 1024;

/**
 * Runs a frozen autoencoder on the held-out part, as any app would; undefined where nothing was held out.
 * @param options.dictionary Whether its weights are measured too. Default false.
 */
export async function scoreHeldOut(
  sae: FrozenSae,
  source: OpenSource,
  { dictionary = false }: { readonly dictionary?: boolean } = {},
): Promise<HeldOutScore | undefined> {
  await using loaded = await loadSae(frozenSaeToOnnx(sae), { provider: 'cpu' });
  const [variance, l0, firing, norms] = [
    new ExplainedVariance(),
    new L0Histogram(),
    new FiringDensity(),
    new ReconstructionNorm(),
  ];
  const { normLimit } = source;
  const short = new ExplainedVariance();
  let sinks = 0;
  let samples = 0;
  let first: HostTensor | undefined;
  for await (const { input, target = input } of source.heldOut(MEASURED, MEASURED_AT_ONCE)) {
    const { features, reconstruction } = await loaded.forward(input);
    for (const metric of [variance, norms]) metric.add(target, reconstruction);
    for (const metric of [l0, firing]) metric.add(features);
    if (normLimit !== undefined) {
      const kept = Array.from(rowNorms(input).entries()).flatMap(([row, norm]) => (norm <= normLimit ? [row] : []));
      sinks += input.shape[0]! - kept.length;
      if (kept.length > 0) short.add(gathered(target, kept), gathered(reconstruction, kept));
    }
    samples += input.shape[0]!;
    first ??= target;
  }
  if (samples === 0) return undefined;
  const { density, dead } = firing.compute();
  const { shrinkage, relativeReconstructionBias } = norms.compute();
  const distribution = l0.compute();
  return {
    explained_variance: variance.compute() ?? null,
    ...(normLimit !== undefined && {
      explained_variance_without_sinks: (samples > sinks ? short.compute() : undefined) ?? null,
      sinks,
    }),
    l0: distribution.mean,
    l0_distribution: distribution,
    never_fired: dead.length,
    samples,
    shrinkage: shrinkage ?? null,
    relative_reconstruction_bias: relativeReconstructionBias ?? null,
    density: densityHistogram(density),
    ...(dictionary && { dictionary: scoreDictionary(sae, first) }),
  };
}

/** Sentences about a score for a person: numbers that are undefined, and an autoencoder that learned nothing. */
export function warningsOf(score: HeldOutScore, { dSae }: Pick<FrozenSae, 'dSae'>): string[] {
  const { explained_variance: explained, never_fired: silent, samples, relative_reconstruction_bias: bias } = score;
  const warnings: string[] = [];
  if (explained === null) {
    warnings.push('held-out activations do not vary: there is nothing to explain, and explained variance is undefined');
  } else if (!(explained > 0)) {
    warnings.push(
      `the autoencoder learned nothing: it reconstructs held-out activations worse than their mean does ` +
        `(explained variance ${explained.toFixed(2)}). Try a smaller learning rate.`,
    );
  }
  if (silent === dSae) warnings.push(`no latent fired on any of ${samples} held-out samples`);
  else if (silent > dSae / 2) {
    warnings.push(`${silent} of ${dSae} latents fired on none of ${samples} held-out samples`);
  }
  if (bias === null && silent < dSae) {
    warnings.push('the relative reconstruction bias is undefined: reconstructions say nothing of the activations');
  }
  return warnings;
}
