/** Independent sparse features as a source, the data of "Toy Models of Superposition" (Elhage et al. 2022). */
import { InvalidShapeError } from '../errors.ts';
import { fromNested, type HostTensor, type NestedArray, sizeOf, toNested } from '../tensor.ts';
import { requireRows } from './activation-source.ts';
import { type GeneratedSource, generatedSource } from './generated-source.ts';
import { createRandomSource } from './random-source.ts';
import { SyntheticSparseDataGenerator } from './synthetic-sparse.ts';

/** How many features, and how often each is 0. */
export interface SparseFeatureOptions {
  /** How many features there are; at least 1. */
  readonly nFeatures: number;
  /**
   * Probability that a feature is 0, in [0, 1]: one number for all, [n_features], or [..., n_features] for rows that
   * hold several samples side by side, such as [n_instances, n_features].
   */
  readonly sparsity: number | NestedArray | HostTensor<ArrayLike<number>>;
}

/**
 * Features that are 0 with their own probability, else uniform on [0, 1), independent of each other.
 * @returns a source of rows [n_features], or of as many numbers as `sparsity` holds
 * @throws InvalidValueError for counts and probabilities out of range, InvalidShapeError where `sparsity` has another last dimension
 */
export function sparseFeatures({ nFeatures, sparsity }: SparseFeatureOptions): GeneratedSource {
  requireRows('nFeatures', nFeatures);
  const probabilities = readSparsity(nFeatures, sparsity);
  // Probabilities out of range are refused now, not only when training has begun.
  new SyntheticSparseDataGenerator(1, probabilities, createRandomSource(0));
  return generatedSource({
    description: {
      kind: 'sparse-features',
      nFeatures,
      sparsity: typeof sparsity === 'number' ? sparsity : toNested(probabilities),
    },
    width: sizeOf(probabilities.shape),
    generator: (random, batchSize) => new SyntheticSparseDataGenerator(batchSize, probabilities, random),
  });
}

function readSparsity(nFeatures: number, sparsity: SparseFeatureOptions['sparsity']): HostTensor<ArrayLike<number>> {
  // Rounded to float32 in both forms, so that .9 for all and .9 for each give the same rows.
  if (typeof sparsity === 'number') {
    return { data: new Float32Array(nFeatures).fill(sparsity), shape: [nFeatures] };
  }
  const isTensor = 'shape' in sparsity;
  const { data, shape } = isTensor ? sparsity : fromNested(sparsity);
  if (shape.at(-1) !== nFeatures || data.length !== sizeOf(shape)) {
    throw new InvalidShapeError(
      `sparsity must be one number or have shape [..., ${nFeatures}], got ${data.length} values in shape [${shape.join(', ')}]`,
    );
  }
  return { data: Float32Array.from(data), shape };
}
