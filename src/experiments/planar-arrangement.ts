/**
 * How a toy model lays features out in two dimensions, by angles and dimensionalities: the solutions that "Toy Models of Superposition"
 * (Elhage et al. 2022) describes for five features of decaying importance.
 */
import { featureDimensionality } from '../analysis/feature-dimensionality.ts';
import { angularGaps } from '../analysis/regular-polygon.ts';
import type { HostTensor } from '../tensor.ts';

/** The arrangements of directions in two dimensions that have a name. */
export type Arrangement = 'two orthogonal features' | 'two orthogonal digons' | 'pentagon' | 'another';

/** Directions shorter than this are features that the model leaves out. */
const ABSENT = 0.1;

/**
 * Names the arrangement of `weight` [n, 2], n ≥ 4 for digons and 5 for a pentagon:
 * two features at 90 ± 5° and nothing else; two pairs of cosine < −.98 at 90 ± 5°, each D = .5 ± .03;
 * five at gaps of 72 ± 5°, each D = .4 ± .02 and Σ D = 2 ± .01.
 */
export function arrangementOf(weight: HostTensor): Arrangement {
  const present = presentRows(weight);
  const gaps = angularGaps(present);
  const dimensionalities = Array.from(featureDimensionality(weight).data).filter(
    (_, row) => lengthOf(weight, row) >= ABSENT,
  );
  const each = (value: number, tolerance: number): boolean =>
    dimensionalities.every(dimensionality => Math.abs(dimensionality - value) <= tolerance);
  const gapsAre = (degrees: number): boolean => gaps.every(gap => Math.abs(gap - degrees) <= 5);
  const total = dimensionalities.reduce((sum, value) => sum + value, 0);
  switch (gaps.length) {
    case 2:
      return Math.abs(Math.min(...gaps) - 90) <= 5 ? 'two orthogonal features' : 'another';
    case 4: {
      const antipodal = [0, 1].every(first => cosineOfGap(gaps[first]! + gaps[first + 1]!) < -0.98);
      return antipodal && gapsAre(90) && each(0.5, 0.03) ? 'two orthogonal digons' : 'another';
    }
    case 5:
      return gapsAre(72) && each(0.4, 0.02) && Math.abs(total - 2) <= 0.01 ? 'pentagon' : 'another';
    default:
      return 'another';
  }
}

/**
 * The lowest-loss arrangement of five features of importance .9ⁱ at a sparsity, as found over many restarts; undefined where
 * arrangements nearly tie (digons and the pentagon do near .81) or nothing is known.
 */
export function expectedArrangement(sparsity: number): Arrangement | undefined {
  if (sparsity === 0) return 'two orthogonal features';
  if (sparsity >= 0.63 && sparsity <= 0.74) return 'two orthogonal digons';
  return sparsity >= 0.9 ? 'pentagon' : undefined;
}

function presentRows(weight: HostTensor): HostTensor {
  const rows = Array.from({ length: weight.shape[0]! }, (_, row) => row).filter(row => lengthOf(weight, row) >= ABSENT);
  return {
    data: Float32Array.from(rows.flatMap(row => [weight.data[2 * row]!, weight.data[2 * row + 1]!])),
    shape: [rows.length, 2],
  };
}

const lengthOf = ({ data }: HostTensor, row: number): number => Math.hypot(data[2 * row]!, data[2 * row + 1]!);

const cosineOfGap = (degrees: number): number => Math.cos((degrees * Math.PI) / 180);
