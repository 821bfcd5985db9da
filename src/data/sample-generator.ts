/** The interface of generators of samples, and the plain data from which another thread builds the same generator. */
import type { HostTensor } from '../tensor.ts';
import type { CorrelationFactors } from './feature-correlation.ts';
import type { TreeRecipe } from './feature-trees.ts';
import type { Magnitudes } from './magnitudes.ts';
import type { RandomState } from './random-source.ts';
import type { ClusteredDataState } from './synthetic-clustered.ts';

/**
 * Overwrites an array with its next samples. The stream of samples must depend on the random source alone, not on how
 * it is cut into calls: a generator that draws whole batches keeps what a call leaves of one and gives it first in the
 * next call.
 */
export interface SampleGenerator {
  fill(into: Float32Array): void;
  /** How many samples are drawn at once. Absent where samples are drawn one by one. */
  readonly batchSize?: number;
  /**
   * The entries of the next `samples` samples that are not zero. `undefined`, with nothing drawn, where most entries
   * are present or where `samples` are not one whole batch.
   */
  drawPresent?(samples: number): PresentEntries | undefined;
  /** The batch of which a part has been given; `undefined` between two batches. */
  readonly begun?: BegunBatch | undefined;
  /** Skips the next samples, as if `fill` had given them. */
  skip?(samples: number): void;
  /**
   * The generator as plain data, from which another thread builds it on another random source. Absent where no plain
   * data describe it.
   */
  readonly recipe?: SampleRecipe | undefined;
}

/** A batch of which a part has been given. */
export interface BegunBatch {
  /** The state of the random source before the batch was drawn. */
  readonly random: RandomState;
  /** How many samples of the batch have been given: more than 0, fewer than the batch has. */
  readonly taken: number;
}

/** A generator as plain data. */
export type SampleRecipe =
  | {
      readonly kind: 'sparse';
      readonly batchSize: number;
      readonly sparsity: HostTensor<ArrayLike<number>>;
    }
  | { readonly kind: 'clustered'; readonly state: ClusteredDataState }
  | {
      readonly kind: 'firing';
      readonly probabilities: readonly number[];
      /** How many features fire in each sample, where that is fixed. */
      readonly exactly?: number;
      readonly magnitudes: Magnitudes;
      readonly correlation?: CorrelationFactors;
      readonly trees?: TreeRecipe;
    }
  | {
      readonly kind: 'hidden';
      readonly weight: HostTensor;
      readonly features: SampleRecipe;
      readonly bias?: HostTensor;
    };

/** The entries of some samples that are not zero, in ascending order of their position. */
export interface PresentEntries {
  readonly count: number;
  readonly positions: Int32Array;
  readonly values: Float32Array;
}
