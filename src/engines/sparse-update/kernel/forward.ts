/** What surrounds the selection: centring the batch, the reconstruction from active latents, the error and its gradient. */
import {
  batch,
  centred,
  decoder,
  decoderBias,
  decoderBiasGradient,
  entryLatents,
  entryValues,
  gradients,
  inverseNorms,
  rowStarts,
  width,
} from './layout.ts';
import { addScaled, setTerm, sumLanes, sumTerms } from './rows.ts';

/** centred -= b_dec, row by row. */
export function centre(): void {
  for (let row = 0; row < batch; row++) {
    addScaled(centred + ((<usize>row * <usize>width) << 2), decoderBias, -1);
  }
}

/** gradients = this shard's part of features · W_dec, with W_dec a decoder row times its inverse norm. */
export function reconstruct(): void {
  const rowBytes = (<usize>width) << 2;
  for (let row = 0; row < batch; row++) {
    const first = load<i32>(rowStarts + ((<usize>row) << 2));
    const count = load<i32>(rowStarts + ((<usize>(row + 1)) << 2)) - first;
    for (let term = 0; term < count; term++) {
      const offset = (<usize>(first + term)) << 2;
      const latent = <usize>load<i32>(entryLatents + offset);
      const factor = load<f32>(entryValues + offset) * load<f32>(inverseNorms + (latent << 2));
      setTerm(term, decoder + latent * rowBytes, factor);
    }
    sumTerms(gradients + <usize>row * rowBytes, count);
  }
}

/**
 * For batch rows from..to, adds the shards' parts (at `parts`, [shards, to - from, width]), subtracts the centred activations
 * and leaves `scale` times that error in `gradients`; its sum over these rows goes to `decoderBiasGradient`.
 * Gives the sum of squared errors.
 */
export function measure(from: i32, to: i32, parts: usize, shards: i32, scale: f32): f64 {
  const rowBytes = (<usize>width) << 2;
  const shardBytes = <usize>(to - from) * rowBytes;
  const scales = f32x4.splat(scale);
  memory.fill(decoderBiasGradient, 0, rowBytes);
  let total: f64 = 0;
  for (let row = from; row < to; row++) {
    const part = parts + <usize>(row - from) * rowBytes;
    const target = centred + <usize>row * rowBytes;
    const out = gradients + <usize>row * rowBytes;
    let squares = f32x4.splat(0);
    for (let at: usize = 0; at < rowBytes; at += 16) {
      let sum = v128.load(part + at);
      for (let shard = 1; shard < shards; shard++) {
        sum = f32x4.add(sum, v128.load(part + <usize>shard * shardBytes + at));
      }
      const error = f32x4.sub(sum, v128.load(target + at));
      squares = f32x4.add(squares, f32x4.mul(error, error));
      const gradient = f32x4.mul(error, scales);
      v128.store(out + at, gradient);
      const biasGradient = decoderBiasGradient + at;
      v128.store(biasGradient, f32x4.add(v128.load(biasGradient), gradient));
    }
    total += <f64>sumLanes(squares);
  }
  return total;
}
