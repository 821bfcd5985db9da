/** How well latents detect true features: firing as the guess, the feature's presence as the truth. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { batchWidth, requireSamples } from './sample-batch.ts';

/** How well single latents detect true features. */
export interface Detection {
  /** F1 of each true feature, [nFeatures], by its latent; 0 where it has none or never occurs with it. */
  readonly f1: Float64Array;
  /** The latent that detects each true feature, −1 where none fires with it. */
  readonly latents: Int32Array;
}

/** Counts over all batches how often each latent fires together with each true feature. */
export class DetectionF1 {
  #samples = 0;
  #fired = new Float64Array(0);
  #present = new Float64Array(0);
  /** [dSae, nFeatures] */
  #together = new Float64Array(0);

  /**
   * Adds the latents' features [samples, dSae] and the true features [samples, nFeatures] that they come from; above 0
   * is active.
   * @throws InvalidShapeError where the numbers of samples differ, or a width changes
   */
  add(features: HostTensor, trueFeatures: HostTensor): void {
    const started = this.#fired.length > 0;
    const dSae = batchWidth(features, 'features', started ? this.#fired.length : undefined);
    const nFeatures = batchWidth(trueFeatures, 'true features', started ? this.#present.length : undefined);
    const samples = features.shape[0]!;
    if (trueFeatures.shape[0] !== samples) {
      throw new InvalidShapeError(`${samples} samples of features, but ${trueFeatures.shape[0]} of true features`);
    }
    if (!started) {
      this.#fired = new Float64Array(dSae);
      this.#present = new Float64Array(nFeatures);
      this.#together = new Float64Array(dSae * nFeatures);
    }
    const present: number[] = [];
    for (let sample = 0; sample < samples; sample++) {
      present.length = 0;
      for (let feature = 0; feature < nFeatures; feature++) {
        if (trueFeatures.data[sample * nFeatures + feature]! > 0) present.push(feature);
      }
      for (const feature of present) this.#present[feature]!++;
      for (let latent = 0; latent < dSae; latent++) {
        if (!(features.data[sample * dSae + latent]! > 0)) continue;
        this.#fired[latent]!++;
        for (const feature of present) this.#together[latent * nFeatures + feature]!++;
      }
    }
    this.#samples += samples;
  }

  /**
   * F1 = 2 · together / (fired + present) of each true feature by its latent in `latents`; without `latents`, by the
   * latent that detects it best.
   * @param latents [nFeatures], as `optimalMatching` gives them; −1 for none
   * @throws InvalidValueError where nothing was added
   * @throws InvalidShapeError where `latents` does not have one entry for each true feature
   */
  compute(latents?: ArrayLike<number>): Detection {
    requireSamples(this.#samples, 'F1');
    const nFeatures = this.#present.length;
    if (latents !== undefined && latents.length !== nFeatures) {
      throw new InvalidShapeError(`${latents.length} latents for ${nFeatures} true features: expected one each`);
    }
    const chosen = latents ? Int32Array.from(latents) : this.#bestLatents();
    const f1 = Float64Array.from(chosen, (latent, feature) => (latent < 0 ? 0 : this.#f1(latent, feature)));
    return { f1, latents: chosen };
  }

  #bestLatents(): Int32Array {
    return Int32Array.from(this.#present, (_, feature) => {
      let best = -1;
      for (let latent = 0; latent < this.#fired.length; latent++) {
        const score = this.#f1(latent, feature);
        if (score > 0 && (best < 0 || score > this.#f1(best, feature))) best = latent;
      }
      return best;
    });
  }

  #f1(latent: number, feature: number): number {
    const together = this.#together[latent * this.#present.length + feature] ?? 0;
    return together === 0 ? 0 : (2 * together) / (this.#fired[latent]! + this.#present[feature]!);
  }
}
