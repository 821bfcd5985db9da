/** Activations x = a E + b of a known dictionary E: a truth of any size, against which what an autoencoder found is measured. */
import { InvalidShapeError } from '../errors.ts';
import { type HostTensor, hostTensor } from '../tensor.ts';
import { requireRows } from './activation-source.ts';
import { contentHash } from './content-hash.ts';
import { type FiringFeatureOptions, type FiringFeatures, firingFeatures } from './firing-features.ts';
import { type GeneratedSource, generatedSource } from './generated-source.ts';
import { hiddenActivations } from './hidden-activations.ts';
import type { RandomSource } from './random-source.ts';
import { randomStream } from './streams.ts';

/** The dictionary, and the features that it adds up. */
export interface DictionaryFeatureOptions extends FiringFeatureOptions {
  readonly dIn: number;
  /** E, [n_features, d_in]. Default Gaussian rows divided by their norms, drawn from `seed`. */
  readonly dictionary?: HostTensor;
  /** b, [d_in], or the norm of one of random direction. Default 0. */
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
  /** The features a as a source: its sample and its held-out rows belong, row by row, to those of this source. */
  readonly features: FiringFeatures;
  /** E, as a toy model has it. */
  featureDirections(): HostTensor;
}

/**
 * Activations x = a E + b for features a with given firing probabilities and magnitudes.
 * @returns a source of rows [d_in], with its truth
 * @throws InvalidValueError for counts, probabilities and magnitudes out of range, InvalidShapeError where E or b has another shape
 */
export function dictionaryFeatures(options: DictionaryFeatureOptions): DictionaryFeatures {
  const { nFeatures, dIn, seed = 0 } = options;
  requireRows('dIn', dIn);
  const features = firingFeatures(options);
  const random = randomStream(seed, 'dictionary');
  const dictionary = options.dictionary ?? unitRows(nFeatures, dIn, random);
  requireShape('the dictionary', dictionary, [nFeatures, dIn]);
  const given = options.bias ?? 0;
  const bias = typeof given === 'number' ? biasOf(dIn, given, random) : given;
  requireShape('the bias', bias, [dIn]);
  const source = generatedSource({
    description: {
      kind: 'dictionary-features',
      dIn,
      features: features.description,
      dictionary: options.dictionary ? contentHash(dictionary.data) : { seed },
      bias: typeof given === 'number' ? given : contentHash(bias.data),
      ...(typeof given === 'number' && given !== 0 && { seed }),
    },
    width: dIn,
    generator: (own, batchSize) => hiddenActivations(dictionary, features.generator(own, batchSize), bias),
  });
  return { ...source, dictionary, bias, features, featureDirections: () => dictionary };
}

/** Directions uniform on the sphere. */
function unitRows(rows: number, width: number, random: RandomSource): HostTensor {
  const data = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) data.set(direction(width, random), row * width);
  return { data, shape: [rows, width] };
}

function biasOf(width: number, norm: number, random: RandomSource): HostTensor {
  return hostTensor(
    direction(width, random).map(value => value * norm),
    [width],
  );
}

function direction(width: number, random: RandomSource): Float64Array {
  const normals = Float64Array.from({ length: width }, () => random.normal());
  const norm = Math.hypot(...normals);
  return normals.map(value => value / norm);
}

function requireShape(what: string, { data, shape }: HostTensor, expected: readonly number[]): void {
  const size = expected.reduce((product, dimension) => product * dimension, 1);
  if (shape.join() === expected.join() && data.length === size) return;
  throw new InvalidShapeError(
    `${what} must have shape [${expected.join(', ')}], got ${data.length} values in shape [${shape.join(', ')}]`,
  );
}
