/** For each latent, the others whose decoder directions have the largest cosine with its own. */

import type { Runtime } from '../sessions/runtime.ts';
import type { HostTensor } from '../tensor.ts';
import { rowNorms } from '../tensor.ts';
import { rowProducts } from './row-products.ts';

/** The nearest latents of each latent. */
export interface NearestDirections {
  /** [d_sae, most], the largest cosine first; unused entries are −1. */
  readonly latents: Int32Array;
  /** [d_sae, most]; unused entries are NaN. */
  readonly cosines: Float32Array;
}

/**
 * Finds the `most` nearest other latents of each latent by cosine; of equal ones the smaller latent comes first. A row
 * of zeros has cosine 0 with all.
 * @param directions W_dec, [d_sae, d_out]
 */
export async function nearestDirections(
  runtime: Runtime,
  directions: HostTensor,
  most: number,
  threads?: number,
): Promise<NearestDirections> {
  const [dSae = 0, width = 0] = directions.shape;
  const latents = new Int32Array(dSae * most).fill(-1);
  const cosines = new Float32Array(dSae * most).fill(Number.NaN);
  const wanted = Math.min(most + 1, dSae);
  if (most === 0) return { latents, cosines };
  const norms = rowNorms(directions);
  const unit = directions.data.map((value, i) => value / (norms[Math.floor(i / width)]! || 1));
  const matrix = { data: unit, shape: [dSae, width] };
  for await (const { start, rows, largest } of rowProducts(runtime, {
    left: matrix,
    right: matrix,
    isTransposed: true,
    largest: wanted,
    threads,
  })) {
    for (let row = 0; row < rows; row++) {
      const latent = start + row;
      let at = latent * most;
      for (let i = row * wanted; i < (row + 1) * wanted && at < (latent + 1) * most; i++) {
        const other = Number(largest.columns[i]);
        if (other === latent) continue;
        latents[at] = other;
        cosines[at++] = largest.values[i]!;
      }
    }
  }
  return { latents, cosines };
}
