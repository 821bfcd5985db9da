/** Activations x = a E + b of a known dictionary E: a truth of any size, against which what an autoencoder found is measured. */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { type HostTensor, hostTensor } from '../tensor.ts';
import { requireRows } from './activation-source.ts';
import { contentHash } from './content-hash.ts';
import { type FiringFeatureOptions, type FiringFeatures, firingFeatures } from './firing-features.ts';
import { type GeneratedSource, generatedSource } from './generated-source.ts';
import { hiddenActivations } from './hidden-activations.ts';
import {
  type Orthogonalisation,
  orthogonalised,
  orthonormalRows,
  randomDirection,
  unitRows,
} from './random-dictionary.ts';
import type { RandomSource } from './random-source.ts';
import { randomStream } from './streams.ts';

/** The dictionary, and the features that it adds up. */
export interface DictionaryFeatureOptions extends FiringFeatureOptions {
  readonly dIn: number;
  /**
   * E, [n_features, d_in], or how it is drawn from `seed`: `unit`, Gaussian rows divided by their norms (the default); `orthonormal`, for at most d_in
   * features; or unit rows that are moved apart by gradient descent, `{ steps, learningRate }`.
   */
  readonly dictionary?: HostTensor | 'unit' | 'orthonormal' | Orthogonalisation;
  /** b, [d_in]; or a number, which is the norm of a b in a random direction. Default 0. */
  readonly bias?: HostTensor | number;
  /** The seed of E and b. They are the data's, not a run's: runs of any seed learn the same dictionary. Default 0. */
  readonly seed?: number;
}

/** Activations with their truth. */
export interface DictionaryFeatures extends GeneratedSource {
  /** E, [n_features, d_in]: row i is the direction of feature i. */
  readonly dictionary: HostTensor;
  /** b, [d_in]. */
  readonly bias: HostTensor;
  /** The features a as a source. Row i of its sample and of its held-out rows belongs to row i of this source's. */
  readonly features: FiringFeatures;
  /** E, under the name that a toy model has for its directions. */
  featureDirections(): HostTensor;
}

/**
 * Activations x = a E + b for features a with given firing probabilities and magnitudes, independent, correlated or in trees.
 * @example
 * // 50 orthogonal features in 100 dimensions, about eleven of which fire in a sample, some together.
 * const data = dictionaryFeatures({
 *   nFeatures: 50,
 *   dIn: 100,
 *   dictionary: 'orthonormal',
 *   firing: Array.from({ length: 50 }, (_, i) => 0.05 + (0.345 * (49 - i)) / 50),
 *   magnitudes: { kind: 'normal', mean: 1, std: 0.15 },
 *   correlation: { rank: 5, scale: 0.3 },
 * });
 * const { sae } = await trainSae({ data, dSae: 50, activation: { kind: 'topk', k: 11 }, steps: 2000 });
 * @returns a source of rows [d_in], with its truth
 * @throws InvalidValueError for counts, probabilities, magnitudes and norms out of range, InvalidShapeError where E or b has another shape
 */
export function dictionaryFeatures(options: DictionaryFeatureOptions): DictionaryFeatures {
  const { nFeatures, dIn, seed = 0 } = options;
  requireRows('dIn', dIn);
  const features = firingFeatures(options);
  const random = randomStream(seed, 'dictionary');
  const { dictionary: wanted = 'unit' } = options;
  const isGiven = typeof wanted === 'object' && 'data' in wanted;
  const dictionary = isGiven ? wanted : drawn(nFeatures, dIn, wanted, random);
  requireNumbers('the dictionary', dictionary, [nFeatures, dIn]);
  const given = options.bias ?? 0;
  // The bias takes the draws behind a dictionary's, also where none is drawn: one that was drawn and is given back keeps its bias.
  if (isGiven && typeof given === 'number' && given !== 0) {
    for (let draw = 0; draw < nFeatures * dIn; draw++) random.normal();
  }
  const bias = typeof given === 'number' ? biasOf(dIn, given, random) : given;
  requireNumbers('the bias', bias, [dIn]);
  const source = generatedSource({
    description: {
      kind: 'dictionary-features',
      dIn,
      features: features.description,
      dictionary: isGiven ? contentHash(dictionary.data) : { seed, ...(wanted !== 'unit' && { rows: wanted }) },
      bias: typeof given === 'number' ? given : contentHash(bias.data),
      ...(typeof given === 'number' && given !== 0 && { seed }),
    },
    width: dIn,
    generator: (own, batchSize) => hiddenActivations(dictionary, features.generator(own, batchSize), bias),
  });
  return { ...source, dictionary, bias, features, featureDirections: () => dictionary };
}

function drawn(
  nFeatures: number,
  dIn: number,
  rows: 'unit' | 'orthonormal' | Orthogonalisation,
  random: RandomSource,
): HostTensor {
  if (rows === 'orthonormal') return orthonormalRows(nFeatures, dIn, random);
  const unit = unitRows(nFeatures, dIn, random);
  return rows === 'unit' ? unit : orthogonalised(unit, rows);
}

function biasOf(width: number, norm: number, random: RandomSource): HostTensor {
  if (!(norm >= 0 && Number.isFinite(norm))) {
    throw new InvalidValueError(`bias is ${norm}: its norm must be a finite number of at least 0`);
  }
  return hostTensor(
    randomDirection(width, random).map(value => value * norm),
    [width],
  );
}

function requireNumbers(what: string, { data, shape }: HostTensor, expected: readonly number[]): void {
  const size = expected.reduce((product, dimension) => product * dimension, 1);
  if (shape.join() !== expected.join() || data.length !== size) {
    throw new InvalidShapeError(
      `${what} must have shape [${expected.join(', ')}], got ${data.length} values in shape [${shape.join(', ')}]`,
    );
  }
  const wrong = data.findIndex(value => !Number.isFinite(value));
  if (wrong >= 0) throw new InvalidValueError(`value ${wrong} of ${what} is ${data[wrong]}: it must be finite`);
}
