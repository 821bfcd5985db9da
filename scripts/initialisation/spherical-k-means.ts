/** Spherical k-means (Dhillon and Modha 2001): unit centres of the directions of rows, by cosine. */
import { productBlocks, unitRows } from '../../src/analysis/row-products.ts';
import type { RandomSource } from '../../src/data/random-source.ts';
import { distinctIndices } from '../../src/data/shuffle.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';

/** Rounds. */
const ROUNDS = 30;

/**
 * `count` unit centres of `rows` [n, d], n ≥ count, from rows drawn without return. Each round, every row goes to the centre of the largest cosine, and a centre
 * becomes the direction of the sum of its unit rows; one that has none begins anew at the row that is farthest from its own centre.
 */
export function sphericalKMeans(
  { data, shape }: HostTensor,
  count: number,
  random: RandomSource,
  rounds = ROUNDS,
): HostTensor {
  const [n, width] = shape as [number, number];
  const unit = unitRows(Float32Array.from(data), width);
  const rowAt = (row: number): Float32Array => unit.subarray(row * width, (row + 1) * width);
  let centres: Float32Array = Float32Array.from([...distinctIndices(n, count, random)].flatMap(row => [...rowAt(row)]));
  for (let round = 0; round < rounds; round++) {
    const sums = new Float32Array(count * width);
    const sizes = new Int32Array(count);
    const cosines = new Float32Array(n);
    for (const { start, count: rows, products } of productBlocks(unit, centres, width)) {
      for (let i = 0; i < rows; i++) {
        const own = products.subarray(i * count, (i + 1) * count);
        const nearest = own.reduce((best, cosine, centre) => (cosine > own[best]! ? centre : best), 0);
        const row = start + i;
        for (let k = 0; k < width; k++) sums[nearest * width + k]! += unit[row * width + k]!;
        sizes[nearest]!++;
        cosines[row] = own[nearest]!;
      }
    }
    for (let centre = 0; centre < count; centre++) {
      if (sizes[centre]! > 0) continue;
      const farthest = cosines.reduce((least, cosine, row) => (cosine < cosines[least]! ? row : least), 0);
      sums.set(rowAt(farthest), centre * width);
      cosines[farthest] = 1;
    }
    centres = unitRows(sums, width);
  }
  return hostTensor(centres, [count, width]);
}
