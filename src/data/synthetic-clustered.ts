/**
 * Correlated sparse features: samples mix topics as documents do in latent Dirichlet allocation (Blei, Ng & Jordan 2003),
 * and each topic makes its own features likely.
 *
 * P(feature | topic) ~ Beta(beta), drawn once. Each sample draws topic weights ~ Dirichlet(alpha); feature i is present with
 * probability Σ_t weight_t · P(i | t), and then uniform on [0, 1).
 */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import type { RandomSource } from './random-source.ts';
import type { SampleGenerator, SampleRecipe } from './sample-generator.ts';

/** How features gather in topics. */
export interface ClusteredDataOptions {
  /**
   * Concentration of the Dirichlet distribution over topics, above 0; with a small one a sample has few topics. Default
   * 1.
   */
  readonly alpha?: number;
  /** Both parameters of the Beta distribution from which P(feature | topic) is drawn, above 0. Default [0.1, 2.0]. */
  readonly beta?: readonly [number, number];
  /** P(feature | topic) given instead of drawn, row-major [nTopics, nFeatures], in [0, 1]; `beta` is then unused. */
  readonly featureProbabilities?: ArrayLike<number>;
}

/** A generator without its random source, as plain JSON. */
export interface ClusteredDataState {
  readonly nTopics: number;
  readonly nFeatures: number;
  readonly alpha: number;
  /** P(feature | topic), row-major [nTopics, nFeatures]. */
  readonly featureProbabilities: readonly number[];
}

/**
 * Draws features that appear together: each sample mixes topics (Dirichlet), and each topic has its own probability for
 * each feature (Beta).
 */
export class SyntheticClusteredDataGenerator implements SampleGenerator {
  readonly nTopics: number;
  readonly nFeatures: number;
  readonly alpha: number;
  /** P(feature | topic), row-major [nTopics, nFeatures]. */
  readonly featureProbabilities: Float64Array;
  readonly #random: RandomSource;
  /** Scratch of one sample: unnormalised topic weights and P(feature). */
  readonly #weights: Float64Array;
  readonly #probabilities: Float64Array;

  /**
   * Draws P(feature | topic) from `random` where it is not given, and every sample after it.
   * @throws InvalidValueError for counts, `alpha` or `beta` that are not positive, and for given probabilities outside
   *   [0, 1]
   * @throws InvalidShapeError where the given probabilities are not [nTopics, nFeatures]
   */
  constructor(nTopics: number, nFeatures: number, random: RandomSource, options: ClusteredDataOptions = {}) {
    const { alpha = 1, beta = [0.1, 2.0], featureProbabilities } = options;
    requireCount('number of topics', nTopics);
    requireCount('number of features', nFeatures);
    requirePositive('alpha', alpha);
    requirePositive('beta[0]', beta[0]);
    requirePositive('beta[1]', beta[1]);
    this.nTopics = nTopics;
    this.nFeatures = nFeatures;
    this.alpha = alpha;
    this.#random = random;
    this.#weights = new Float64Array(nTopics);
    this.#probabilities = new Float64Array(nFeatures);
    this.featureProbabilities = featureProbabilities
      ? readProbabilities(featureProbabilities, nTopics, nFeatures)
      : Float64Array.from({ length: nTopics * nFeatures }, () => random.beta(...beta));
  }

  /**
   * The generator that `state` describes; it draws its samples from `random`.
   * @throws InvalidValueError or InvalidShapeError as the constructor
   */
  static fromState(state: ClusteredDataState, random: RandomSource): SyntheticClusteredDataGenerator {
    const { nTopics, nFeatures, alpha, featureProbabilities } = state;
    if (!Array.isArray(featureProbabilities)) {
      throw new InvalidValueError('saved clustered data: expected featureProbabilities, an array of numbers');
    }
    return new SyntheticClusteredDataGenerator(nTopics, nFeatures, random, { alpha, featureProbabilities });
  }

  /**
   * The generator as plain data, from which another thread builds it. `undefined` for a subclass, which may draw
   * otherwise.
   */
  get recipe(): SampleRecipe | undefined {
    if (this.constructor !== SyntheticClusteredDataGenerator) return undefined;
    return { kind: 'clustered', state: this.state() };
  }

  /** The generator without its random source, for JSON and `fromState`. */
  state(): ClusteredDataState {
    return {
      nTopics: this.nTopics,
      nFeatures: this.nFeatures,
      alpha: this.alpha,
      featureProbabilities: Array.from(this.featureProbabilities),
    };
  }

  /**
   * The next samples.
   * @param batchSize at least 1
   * @returns [batchSize, nFeatures]
   * @throws InvalidValueError for a batch size below 1
   */
  generateBatch(batchSize: number): HostTensor {
    requireCount('batch size', batchSize);
    const data = new Float32Array(batchSize * this.nFeatures);
    this.fill(data);
    return { data, shape: [batchSize, this.nFeatures] };
  }

  /**
   * Overwrites `into` with samples.
   * @throws InvalidShapeError where its length is not a multiple of nFeatures
   */
  fill(into: Float32Array): void {
    const { nFeatures } = this;
    if (into.length % nFeatures !== 0) {
      throw new InvalidShapeError(
        `an array of ${into.length} values cannot be filled with samples of ${nFeatures} features`,
      );
    }
    const random = this.#random;
    const probabilities = this.#probabilities;
    for (let row = 0; row < into.length; row += nFeatures) {
      this.#drawProbabilities();
      for (let feature = 0; feature < nFeatures; feature++) {
        into[row + feature] = random.uniform() < probabilities[feature]! ? random.float32() : 0;
      }
    }
  }

  /** P(feature) of the next sample. */
  #drawProbabilities(): void {
    const { nTopics, nFeatures, featureProbabilities } = this;
    const weights = this.#weights;
    const probabilities = this.#probabilities;
    this.#random.fillGamma(this.alpha, weights);
    let total = 0;
    for (const weight of weights) total += weight;
    if (total === 0) {
      // Gammas of a tiny alpha underflow; their Dirichlet's limit is one topic alone.
      weights[this.#random.integer(nTopics)] = 1;
      total = 1;
    }
    if (total === Number.POSITIVE_INFINITY) {
      // Those of a huge alpha overflow; their limit is all topics alike.
      weights.fill(1);
      total = nTopics;
    }
    probabilities.fill(0);
    for (let topic = 0; topic < nTopics; topic++) {
      const weight = weights[topic]! / total;
      const offset = topic * nFeatures;
      for (let feature = 0; feature < nFeatures; feature++) {
        probabilities[feature]! += weight * featureProbabilities[offset + feature]!;
      }
    }
  }
}

function readProbabilities(values: ArrayLike<number>, nTopics: number, nFeatures: number): Float64Array {
  if (values.length !== nTopics * nFeatures) {
    throw new InvalidShapeError(
      `feature probabilities hold ${values.length} values, not those of ${nTopics} topics × ${nFeatures} features`,
    );
  }
  const probabilities = Float64Array.from(values);
  const wrong = probabilities.findIndex(value => !(value >= 0 && value <= 1));
  if (wrong >= 0) {
    throw new InvalidValueError(`feature probability ${wrong} is ${values[wrong]}: it must be between 0 and 1`);
  }
  return probabilities;
}

function requireCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidValueError(`${name} is ${value}: it must be positive, and an integer`);
  }
}

function requirePositive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidValueError(`${name} is ${value}: it must be positive`);
}
