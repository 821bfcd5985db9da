/** The metrics as PyTorch and SciPy computed them. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';

export const reference: {
  sae_directions: number[][];
  true_directions: number[][];
  cosine_similarity: number[][];
  max_similarity: number[];
  hungarian: { pairs: [number, number][]; mean_max_cosine: number };
  x: number[][];
  reconstruction: number[][];
  explained_variance: number;
  features: number[][];
  l0: number;
  fire_density: number[];
  toy_W: number[][];
  polysemanticity: number[];
  polysemanticity_paper: number[];
  feature_dimensionality: number[];
} = JSON.parse(readFileSync(new URL('../reference/metrics.json', import.meta.url), 'utf8'));

/** Every entry within 1e-5 · max(1, |value|). */
export function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).to.equal(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i], `entry ${i}`).to.be.closeTo(value, 1e-5 * Math.max(1, Math.abs(value)));
  });
}
