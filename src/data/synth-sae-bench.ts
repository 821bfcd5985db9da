/**
 * SynthSAEBench (SAELens 6.54, sae_lens/synthetic; Chanin 2026): activations of a known dictionary whose features follow a Zipf law, lie in trees with
 * exclusive children, and are correlated.
 */

import type { HostTensor } from '../tensor.ts';
import { type DictionaryFeatures, dictionaryFeatures } from './dictionary-features.ts';
import type { Correlation } from './feature-correlation.ts';
import type { FeatureTrees } from './feature-trees.ts';
import type { Firing } from './firing-features.ts';
import type { Magnitudes } from './magnitudes.ts';
import type { Orthogonalisation } from './random-dictionary.ts';
import { randomStream } from './streams.ts';

/** What may differ from SynthSAEBench-16k. */
export interface SynthSaeBenchOptions {
  /** How many features there are. Default 16,384. */
  readonly nFeatures?: number;
  /** The width of an activation. Default 768. */
  readonly dIn?: number;
  /** Which features fire. Default: Zipf with exponent .5, from .4 to 5e-4. */
  readonly firing?: Exclude<Firing, { readonly exactly: number }>;
  /**
   * Which features fire only where another one does. Default: 128 roots, 4 children each, 3 levels below the roots,
   * exclusive, scaled by their parents, compensated. `none`: no trees.
   */
  readonly trees?: FeatureTrees | 'none';
  /** Which features fire together. Default: rank 25, scale .1, drawn from `seed`. `none`: no correlation. */
  readonly correlation?: Correlation | 'none';
  /**
   * How large features are. Default: normal; from the first feature to the last the mean falls linearly from 5 to 4,
   * and each standard deviation is |N(.5, .5²)|, drawn from `seed`.
   */
  readonly magnitudes?: Magnitudes;
  /**
   * How the dictionary is drawn, or a given one. Default: rows moved apart in 100 steps of 3e-4. At full size that is
   * 3.9 · 10¹² multiplications, most of an hour on one core: draw it once and give it as a tensor from then on, or take
   * `unit`.
   */
  readonly dictionary?: HostTensor | 'unit' | Orthogonalisation;
  /** The bias, or its norm. Default: norm .5. */
  readonly bias?: HostTensor | number;
  /**
   * The seed of dictionary, bias, factors and standard deviations. Default 42. The random numbers are not SAELens's:
   * the data follow the same distribution, but are not the same.
   */
  readonly seed?: number;
}

/**
 * Activations as SynthSAEBench draws them, by default those of SynthSAEBench-16k (version 2): about 34 of 16,384 features fire in a sample.
 * @example
 * // An eighth of it, which trains in minutes.
 * const data = synthSaeBench({
 *   nFeatures: 2048,
 *   dIn: 96,
 *   trees: { roots: 16, branching: 4, depth: 3, exclusive: true, scaleByParent: true, compensate: true },
 * });
 * const { sae } = await trainSae({ data, dSae: 512, activation: { kind: 'batchtopk', k: 8 }, steps: 2000 });
 * @returns a source of rows [d_in], with its truth
 * @throws InvalidValueError for counts, probabilities and magnitudes out of range, InvalidShapeError where a given tensor has another shape
 */
export function synthSaeBench(options: SynthSaeBenchOptions = {}): DictionaryFeatures {
  const {
    nFeatures = 16_384,
    dIn = 768,
    seed = 42,
    firing = { zipf: { exponent: 0.5, max: 0.4, min: 5e-4 } },
    trees = { roots: 128, branching: 4, depth: 3, exclusive: true, scaleByParent: true, compensate: true },
    correlation = { rank: 25, scale: 0.1, seed },
    magnitudes = magnitudesOf(nFeatures, seed),
    dictionary = { steps: 100, learningRate: 3e-4 },
    bias = 0.5,
  } = options;
  return dictionaryFeatures({
    nFeatures,
    dIn,
    firing,
    magnitudes,
    dictionary,
    bias,
    seed,
    ...(trees !== 'none' && { trees }),
    ...(correlation !== 'none' && { correlation }),
  });
}

/** Means that fall linearly from 5 to 4, and standard deviations |N(.5, .5²)|. */
function magnitudesOf(nFeatures: number, seed: number): Magnitudes {
  const random = randomStream(seed, 'magnitudes');
  return {
    kind: 'normal',
    mean: Array.from({ length: nFeatures }, (_, i) => (nFeatures === 1 ? 5 : 5 - i / (nFeatures - 1))),
    std: Array.from({ length: nFeatures }, () => Math.abs(0.5 + 0.5 * random.normal())),
  };
}
