/**
 * F1 per latent, as in SynthSAEBench: how well each latent detects the true feature that its direction is nearest to.
 */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import type { BestMatches } from './best-matches.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** Precision, recall and F1 of each latent as a detector of a true feature. */
export interface LatentDetection {
  /** The precision of each latent, [dSae]; 0 where it is undefined, as for a latent that never fires. */
  readonly precision: Float64Array;
  readonly recall: Float64Array;
  readonly f1: Float64Array;
  /** Means over all latents; dead ones count as 0. */
  readonly mean: {
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    /** The share of samples in which a latent fires exactly where its feature is present. */
    readonly accuracy: number;
  };
}

/**
 * Counts over all batches how often each latent fires together with the true feature that `bestMatches` gives it.
 * Several latents may have the same one. precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 · precision ·
 * recall / (precision + recall). The same as `ClassificationMetricsCalculator` of SAELens (`synthetic/evals.py`).
 * `DetectionF1` asks the other way round: how well is each true feature detected?
 */
export class LatentF1 {
  readonly #matches: Int32Array;
  readonly #fired: Float64Array;
  readonly #present: Float64Array;
  readonly #together: Float64Array;
  #samples = 0;

  /**
   * Prepares the metric for matched latents.
   * @param matches the nearest true feature of each latent, as `bestMatches` gives it
   */
  constructor({ features }: BestMatches) {
    this.#matches = features;
    const count = features.length;
    [this.#fired, this.#present, this.#together] = [
      new Float64Array(count),
      new Float64Array(count),
      new Float64Array(count),
    ];
  }

  /**
   * Adds latents' features [samples, dSae], which fire where they are not 0, and the true features [samples,
   * nFeatures], present where > 0.
   * @throws InvalidShapeError where the numbers of samples differ, dSae is another, or a latent's true feature does not
   *   exist
   */
  add(features: HostTensor, trueFeatures: HostTensor): void {
    const dSae = batchWidth(features, 'features', this.#matches.length);
    const nFeatures = batchWidth(trueFeatures, 'true features');
    const samples = features.shape[0]!;
    if (trueFeatures.shape[0] !== samples) {
      throw new InvalidShapeError(`${samples} samples of features, but ${trueFeatures.shape[0]} of true features`);
    }
    const beyond = this.#matches.find(match => match >= nFeatures);
    if (beyond !== undefined) {
      throw new InvalidShapeError(`${nFeatures} true features, but a latent is matched to number ${beyond}`);
    }
    const present = new Float64Array(nFeatures);
    for (let sample = 0; sample < samples; sample++) {
      for (let feature = 0; feature < nFeatures; feature++) {
        if (trueFeatures.data[sample * nFeatures + feature]! > 0) present[feature]!++;
      }
      for (let latent = 0; latent < dSae; latent++) {
        if (features.data[sample * dSae + latent] === 0) continue;
        this.#fired[latent]!++;
        const match = this.#matches[latent]!;
        if (match >= 0 && trueFeatures.data[sample * nFeatures + match]! > 0) this.#together[latent]!++;
      }
    }
    for (let latent = 0; latent < dSae; latent++) {
      const match = this.#matches[latent]!;
      if (match >= 0) this.#present[latent]! += present[match]!;
    }
    this.#samples += samples;
  }

  /**
   * The scores over all batches.
   * @throws InvalidValueError where nothing was added
   */
  compute(): LatentDetection {
    requireSamples(this.#samples, 'F1 per latent');
    const share = (of: Float64Array) =>
      this.#together.map((both, latent) => (of[latent]! > 0 ? both / of[latent]! : 0));
    const precision = share(this.#fired);
    const recall = share(this.#present);
    const f1 = precision.map((p, latent) =>
      p + recall[latent]! > 0 ? (2 * p * recall[latent]!) / (p + recall[latent]!) : 0,
    );
    const right = this.#together.map(
      (both, latent) => (this.#samples - this.#fired[latent]! - this.#present[latent]! + 2 * both) / this.#samples,
    );
    const mean = { precision: meanOf(precision), recall: meanOf(recall), f1: meanOf(f1), accuracy: meanOf(right) };
    return { precision, recall, f1, mean };
  }
}

function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
