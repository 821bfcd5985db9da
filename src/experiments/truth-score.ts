/** How an autoencoder does beside the features that its data were made of, as SynthSAEBench scores it. */
import { bestMatches, uniqueness } from '../analysis/best-matches.ts';
import { LatentF1 } from '../analysis/latent-detection.ts';
import { meanCorrelation } from '../analysis/match-directions.ts';
import { ReconstructionNorm } from '../analysis/reconstruction-norm.ts';
import type { HostTensor } from '../tensor.ts';

/** docs/metrics.md says what each number means. */
export interface TruthScore {
  readonly mcc: number | null;
  readonly uniqueness: number;
  /** Means over all latents, each beside the true feature nearest to it. */
  readonly latent_f1: number;
  readonly latent_precision: number;
  readonly latent_recall: number;
  readonly shrinkage: number | null;
}

/** What an autoencoder makes of samples whose true features are known. */
export interface TrueSamples {
  /** Latents' directions, [d_sae, d], and the true features', [n_features, d]. */
  readonly directions: HostTensor;
  readonly trueDirections: HostTensor;
  /** [n, d_sae] and [n, n_features]. */
  readonly features: HostTensor;
  readonly trueFeatures: HostTensor;
  /** Both [n, d]. */
  readonly activations: HostTensor;
  readonly reconstruction: HostTensor;
}

export function scoreBesideTruth(samples: TrueSamples): TruthScore {
  const { directions, trueDirections, features, trueFeatures, activations, reconstruction } = samples;
  const matches = bestMatches(directions, trueDirections);
  const [detection, norms] = [new LatentF1(matches), new ReconstructionNorm()];
  detection.add(features, trueFeatures);
  norms.add(activations, reconstruction);
  const { f1, precision, recall } = detection.compute().mean;
  return {
    mcc: meanCorrelation(directions, trueDirections) ?? null,
    uniqueness: uniqueness(matches),
    latent_f1: f1,
    latent_precision: precision,
    latent_recall: recall,
    shrinkage: norms.compute().shrinkage ?? null,
  };
}
