/** Sparse features that fire with given probabilities and have given magnitudes, drawn sample by sample. */
import { InvalidShapeError } from '../errors.ts';
import { DependentFiring } from './dependent-firing.ts';
import { type FiringSample, IndependentFiring } from './firing-sample.ts';
import type { RandomSource } from './random-source.ts';
import type { PresentEntries, SampleGenerator, SampleRecipe } from './sample-generator.ts';

/** A generator of firing features as plain data. */
export type FiringRecipe = Extract<SampleRecipe, { kind: 'firing' }>;

/** Draws sparse features that fire with given probabilities and have given magnitudes. */
export class FiringFeatureGenerator implements SampleGenerator {
  readonly recipe: FiringRecipe;
  readonly #nFeatures: number;
  readonly #sample: FiringSample;
  #positions = new Int32Array(0);
  #values = new Float32Array(0);

  constructor(recipe: FiringRecipe, random: RandomSource) {
    const { probabilities, exactly, magnitudes, correlation, trees } = recipe;
    this.recipe = recipe;
    this.#nFeatures = probabilities.length;
    this.#sample =
      correlation || trees
        ? new DependentFiring(recipe, random)
        : new IndependentFiring(probabilities, exactly, magnitudes, random);
  }

  /**
   * Overwrites `into` with the next samples.
   * @throws InvalidShapeError where its length is not a multiple of n_features
   */
  fill(into: Float32Array): void {
    const samples = into.length / this.#nFeatures;
    if (!Number.isInteger(samples)) {
      throw new InvalidShapeError(
        `an array of ${into.length} values cannot be filled with samples of ${this.#nFeatures} features`,
      );
    }
    into.fill(0);
    const { features, values } = this.#sample;
    for (let sample = 0; sample < samples; sample++) {
      const count = this.#sample.draw();
      for (let i = 0; i < count; i++) into[sample * this.#nFeatures + features[i]!] = values[i]!;
    }
  }

  /** The entries of the next samples that are not zero. */
  drawPresent(samples: number): PresentEntries {
    const { features, values } = this.#sample;
    let total = 0;
    for (let sample = 0; sample < samples; sample++) {
      const count = this.#sample.draw();
      if (total + count > this.#positions.length) this.#grow(total + count);
      for (let i = 0; i < count; i++) {
        // A feature that fires may have the magnitude 0.
        if (values[i] === 0) continue;
        this.#positions[total] = sample * this.#nFeatures + features[i]!;
        this.#values[total++] = values[i]!;
      }
    }
    return { count: total, positions: this.#positions, values: this.#values };
  }

  #grow(least: number): void {
    const [positions, values] = [new Int32Array(2 * least), new Float32Array(2 * least)];
    positions.set(this.#positions);
    values.set(this.#values);
    this.#positions = positions;
    this.#values = values;
  }
}
