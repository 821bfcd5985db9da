/**
 * Features that fire together: a Gaussian copula. Feature i fires where g_i exceeds the threshold that a standard normal exceeds with the
 * feature's probability, and the g of all features are correlated normals, g = F ε + √δ η with ε of `rank` and η of n_features independent
 * standard normals (SAELens, sae_lens/synthetic/activation_generator.py and correlation.py).
 */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { type HostTensor, hostTensor } from '../tensor.ts';
import { requireRows } from './activation-source.ts';
import { randomStream } from './streams.ts';

/** How the Gaussians behind the features are correlated. */
export type Correlation =
  /** Their correlation matrix, [n_features, n_features]: symmetric, ones on the diagonal, positive semidefinite. */
  | { readonly matrix: HostTensor<ArrayLike<number>> }
  /**
   * F, [n_features, rank]: the correlation of i and j is F_i · F_j. Rows with δ = 1 − ‖F_i‖² below .01 are scaled down until it is .01, as SAELens
   * does.
   */
  | { readonly factors: HostTensor<ArrayLike<number>> }
  /** F drawn from `seed` (default 0), each entry `scale` times a standard normal. SynthSAEBench has rank 25 and scale .1. */
  | { readonly rank: number; readonly scale: number; readonly seed?: number };

/** A copula as plain data. */
export interface CorrelationFactors {
  /** F, [n_features, rank]. */
  readonly factors: HostTensor;
  /** √δ, [n_features]: the standard deviation of the part of g_i that no other feature shares. */
  readonly own: readonly number[];
}

/** The least δ, as in SAELens. */
export const LEAST_OWN_VARIANCE = 0.01;

/**
 * F and √δ of a correlation.
 * @throws InvalidShapeError where the matrix or F has another shape, InvalidValueError where it is no correlation matrix
 */
export function correlationFactors(nFeatures: number, correlation: Correlation): CorrelationFactors {
  if ('matrix' in correlation) return cholesky(nFeatures, correlation.matrix);
  if ('factors' in correlation) return ofFactors(nFeatures, correlation.factors);
  const { rank, scale, seed = 0 } = correlation;
  requireRows('rank', rank);
  if (!(scale >= 0 && Number.isFinite(scale))) {
    throw new InvalidValueError(`correlation: scale is ${scale}, expected a finite number of at least 0`);
  }
  const random = randomStream(seed, 'correlation');
  const data = Float32Array.from({ length: nFeatures * rank }, () => scale * random.normal());
  return ofFactors(nFeatures, hostTensor(data, [nFeatures, rank]));
}

function ofFactors(nFeatures: number, given: HostTensor<ArrayLike<number>>): CorrelationFactors {
  const rank = given.shape[1] ?? 0;
  if (given.shape.length !== 2 || given.shape[0] !== nFeatures || given.data.length !== nFeatures * rank) {
    throw new InvalidShapeError(
      `correlation: factors must have shape [${nFeatures}, rank], got ${given.data.length} values in shape [${given.shape.join(', ')}]`,
    );
  }
  const data = Float32Array.from(given.data);
  const own = Array.from({ length: nFeatures }, (_, feature) => {
    const row = data.subarray(feature * rank, (feature + 1) * rank);
    let squared = row.reduce((sum, value) => sum + value * value, 0);
    if (!Number.isFinite(squared))
      throw new InvalidValueError(`correlation: factors of feature ${feature} are not finite`);
    if (1 - squared < LEAST_OWN_VARIANCE) {
      const factor = Math.sqrt((1 - LEAST_OWN_VARIANCE) / squared);
      for (let i = 0; i < rank; i++) row[i]! *= factor;
      squared = 1 - LEAST_OWN_VARIANCE;
    }
    return Math.sqrt(1 - squared);
  });
  return { factors: hostTensor(data, [nFeatures, rank]), own };
}

/** What rounding to float32 leaves of a zero. */
const DETERMINED = 1e-4;

function notSemidefinite(row: number, column: number): InvalidValueError {
  return new InvalidValueError(
    `correlation: the matrix is not positive semidefinite: entry [${row}, ${column}] is not possible with those before it`,
  );
}

/** The lower triangle L with L Lᵀ = matrix as factors F; √δ is 0 for every feature. */
function cholesky(n: number, { data, shape }: HostTensor<ArrayLike<number>>): CorrelationFactors {
  if (shape.join() !== `${n},${n}` || data.length !== n * n) {
    throw new InvalidShapeError(
      `correlation: the matrix must have shape [${n}, ${n}], got ${data.length} values in shape [${shape.join(', ')}]`,
    );
  }
  const lower = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    if (!(Math.abs(data[row * n + row]! - 1) <= 1e-5)) {
      throw new InvalidValueError(`correlation: entry [${row}, ${row}] is ${data[row * n + row]}, expected 1`);
    }
    for (let column = 0; column <= row; column++) {
      const value = data[row * n + column]!;
      if (!Number.isFinite(value)) {
        throw new InvalidValueError(`correlation: entry [${row}, ${column}] is ${value}: it must be finite`);
      }
      if (!(Math.abs(value - data[column * n + row]!) <= 1e-5)) {
        throw new InvalidValueError(`correlation: entries [${row}, ${column}] and [${column}, ${row}] differ`);
      }
      let left = value;
      for (let i = 0; i < column; i++) left -= lower[row * n + i]! * lower[column * n + i]!;
      if (row > column) {
        const pivot = lower[column * n + column]!;
        // A pivot of 0 belongs to a feature that the ones before it determine: nothing is left that another could share with it alone.
        if (pivot === 0 && Math.abs(left) > DETERMINED) throw notSemidefinite(row, column);
        lower[row * n + column] = pivot === 0 ? 0 : left / pivot;
      } else if (left < -1e-5) throw notSemidefinite(row, column);
      else lower[row * n + row] = left > 1e-12 ? Math.sqrt(left) : 0;
    }
  }
  return { factors: hostTensor(Float32Array.from(lower), [n, n]), own: new Array<number>(n).fill(0) };
}
