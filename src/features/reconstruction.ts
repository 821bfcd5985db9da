/**
 * Reconstructs from sparse features: by the few active decoder rows where the decoder is just their sum, otherwise by
 * the SAE itself.
 */
import type { LoadedSae } from '../inference/loaded-sae.ts';
import type { SparseFeatures } from '../inference/sparse-features.ts';
import type { HostTensor } from '../tensor.ts';

/** Gives x̂ [rows, d_out] of `features` of `activations` [rows, d_in]. */
export type Reconstruct = (features: SparseFeatures, activations: Float32Array) => Promise<Float32Array>;

/**
 * The way to decode `sae`. x̂ = b_dec + Σ f_i · W_dec,i is only used where it agrees with the SAE's own decoder on
 * `features`, to 1e-4 of the largest value.
 */
export async function reconstructor(
  sae: LoadedSae,
  directions: HostTensor,
  features: SparseFeatures,
  activations: Float32Array,
): Promise<Reconstruct> {
  const bySae: Reconstruct = async (code, x) => {
    const inputs = await sae.decoderInputs(x, { shape: [x.length / sae.dIn, sae.dIn] });
    return (await sae.decode(code, { inputs })).data;
  };
  const inputs = await sae.decoderInputs(activations, { shape: [activations.length / sae.dIn, sae.dIn] });
  if (Object.keys(inputs).length > 0) return bySae;
  const none = {
    shape: [1, sae.dSae],
    offsets: Uint32Array.of(0, 0),
    indices: new Uint32Array(0),
    values: new Float32Array(0),
  };
  const bias = (await sae.decode(none)).data;
  const bySum: Reconstruct = async code => activeRows(code, directions, bias);
  const expected = await bySae(features, activations);
  const got = await bySum(features, activations);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return got.every((value, i) => Math.abs(value - expected[i]!) <= 1e-4 * largest) ? bySum : bySae;
}

function activeRows(
  { offsets, indices, values }: SparseFeatures,
  directions: HostTensor,
  bias: Float32Array,
): Float32Array {
  const width = bias.length;
  const rows = offsets.length - 1;
  const weights = directions.data;
  const result = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const into = result.subarray(row * width, (row + 1) * width);
    into.set(bias);
    let entry = offsets[row]!;
    const end = offsets[row + 1]!;
    // Four decoder rows at a time: one load and store of the sum for four products.
    for (; entry + 4 <= end; entry += 4) {
      const [a, b, c, d] = [values[entry]!, values[entry + 1]!, values[entry + 2]!, values[entry + 3]!];
      const rowA = indices[entry]! * width;
      const rowB = indices[entry + 1]! * width;
      const rowC = indices[entry + 2]! * width;
      const rowD = indices[entry + 3]! * width;
      for (let i = 0; i < width; i++) {
        const ab = a * weights[rowA + i]! + b * weights[rowB + i]!;
        const cd = c * weights[rowC + i]! + d * weights[rowD + i]!;
        into[i] = into[i]! + ab + cd;
      }
    }
    for (; entry < end; entry++) {
      const value = values[entry]!;
      const start = indices[entry]! * width;
      for (let i = 0; i < width; i++) into[i]! += value * weights[start + i]!;
    }
  }
  return result;
}
