/** What draws samples, and plain data from which another thread can build the same. */
import type { HostTensor } from '../tensor.ts';
import type { ClusteredDataState } from './synthetic-clustered.ts';

/** Anything that overwrites an array with its next samples. */
export interface SampleGenerator {
  fill(into: Float32Array): void;
  /** Samples of a batch, where the generator draws them in batches. */
  readonly batchSize?: number;
  /** The next samples, at most a batch, as those entries that are not zero; undefined where they are not few. */
  drawPresent?(samples: number): PresentEntries | undefined;
  /** How to build it anew on another random source. Absent where only code says it. */
  readonly recipe?: SampleRecipe | undefined;
}

/** A generator as plain data. */
export type SampleRecipe =
  | {
      readonly kind: 'sparse';
      readonly batchSize: number;
      readonly sparsity: HostTensor<ArrayLike<number>>;
    }
  | { readonly kind: 'clustered'; readonly state: ClusteredDataState }
  | { readonly kind: 'hidden'; readonly weight: HostTensor; readonly features: SampleRecipe };

/** The entries of some samples that are present, in ascending order: `count` of them, of positions among all entries and their values. */
export interface PresentEntries {
  readonly count: number;
  readonly positions: Int32Array;
  readonly values: Float32Array;
}
