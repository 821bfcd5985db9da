/** What surrounds the selection: centring the batch, the reconstruction from active latents, the error and its gradient. */
import {
  batch,
  centred,
  columns,
  decoder,
  decoderBias,
  decoderBiasGradient,
  depths,
  encoderBias,
  entryLatents,
  entryValues,
  gradients,
  inverseNorms,
  norms,
  preActivations,
  prefixes,
  prefixRow,
  rowStarts,
  squaredErrors,
  width,
} from './layout.ts';
import { keepsNorms } from './objective.ts';
import { addScaled, setTerm, sumLanes, sumTerms } from './rows.ts';

/** centred -= b_dec, row by row. */
export function centre(): void {
  for (let row = 0; row < batch; row++) {
    addScaled(centred + ((<usize>row * <usize>width) << 2), decoderBias, -1);
  }
}

/** preActivations = (preActivations + b_enc) · ‖W_dec‖: what latents are chosen by where the choice takes the decoder's norms. */
export function weighScores(): void {
  for (let row = 0; row < batch; row++) {
    const scores = preActivations + ((<usize>row * <usize>columns) << 2);
    for (let at: usize = 0, end = (<usize>columns) << 2; at < end; at += 16) {
      const score = f32x4.add(v128.load(scores + at), v128.load(encoderBias + at));
      v128.store(scores + at, f32x4.mul(score, v128.load(norms + at)));
    }
  }
}

/** Takes the norms out of `count` entries again: the decoder would divide by them. */
export function unweighEntries(count: i32): void {
  for (let entry = 0; entry < count; entry++) {
    const offset = (<usize>entry) << 2;
    const norm = load<f32>(norms + ((<usize>load<i32>(entryLatents + offset)) << 2));
    store<f32>(entryValues + offset, load<f32>(entryValues + offset) / norm);
  }
}

/** Σ f · ‖W_dec‖ of `count` entries; the norm is 1 where it is not kept. */
export function sumOfFeatures(count: i32): f64 {
  let total: f64 = 0;
  for (let entry = 0; entry < count; entry++) {
    const offset = (<usize>entry) << 2;
    const value = <f64>load<f32>(entryValues + offset);
    total += keepsNorms ? value * <f64>load<f32>(norms + ((<usize>load<i32>(entryLatents + offset)) << 2)) : value;
  }
  return total;
}

/** How many of `count` entries are active. */
export function countActive(count: i32): i32 {
  let active = 0;
  for (let entry = 0; entry < count; entry++) {
    if (load<f32>(entryValues + ((<usize>entry) << 2)) > 0) active++;
  }
  return active;
}

/**
 * out [batch, width] = this shard's part of features · W_dec, with W_dec a decoder row times its inverse norm: of latents of depth `depth`, or of all
 * where that is -1.
 */
export function reconstruct(out: usize, depth: i32): void {
  const rowBytes = (<usize>width) << 2;
  for (let row = 0; row < batch; row++) {
    let terms = 0;
    for (
      let entry = load<i32>(rowStarts + ((<usize>row) << 2)), end = load<i32>(rowStarts + ((<usize>(row + 1)) << 2));
      entry < end;
      entry++
    ) {
      const offset = (<usize>entry) << 2;
      const latent = <usize>load<i32>(entryLatents + offset);
      if (depth >= 0 && load<i32>(depths + (latent << 2)) !== depth) continue;
      const factor = load<f32>(entryValues + offset) * load<f32>(inverseNorms + (latent << 2));
      setTerm(terms++, decoder + latent * rowBytes, factor);
    }
    sumTerms(out + <usize>row * rowBytes, terms);
  }
}

/**
 * For batch rows from..to, adds the shards' parts (at `parts`, [shards, prefixes, to - from, width]): those of the innermost latents are the shortest
 * prefix's reconstruction, and each further one adds a block. Of each prefix it subtracts the centred activations, leaves the sum of squared errors in
 * `squaredErrors`, and in `gradients` `scale` times the errors, each added to those of all longer prefixes. The innermost ones' sum over these rows,
 * which is b_dec's gradient, goes to `decoderBiasGradient`.
 */
export function measure(from: i32, to: i32, parts: usize, shards: i32, scale: f32): void {
  const rowBytes = (<usize>width) << 2;
  const partBytes = <usize>(to - from) * rowBytes;
  const shardBytes = <usize>prefixes * partBytes;
  const matrixBytes = <usize>batch * rowBytes;
  const scales = f32x4.splat(scale);
  const innermost = prefixes - 1;
  memory.fill(decoderBiasGradient, 0, rowBytes);
  memory.fill(squaredErrors, 0, (<usize>prefixes) << 3);
  for (let row = from; row < to; row++) {
    const target = centred + <usize>row * rowBytes;
    const out = gradients + <usize>row * rowBytes;
    if (innermost > 0) memory.fill(prefixRow, 0, rowBytes);
    for (let depth = innermost; depth >= 0; depth--) {
      const part = parts + <usize>depth * partBytes + <usize>(row - from) * rowBytes;
      const own = out + <usize>depth * matrixBytes;
      let squares = f32x4.splat(0);
      for (let at: usize = 0; at < rowBytes; at += 16) {
        let sum = v128.load(part + at);
        for (let shard = 1; shard < shards; shard++) {
          sum = f32x4.add(sum, v128.load(part + <usize>shard * shardBytes + at));
        }
        if (innermost > 0) {
          sum = f32x4.add(sum, v128.load(prefixRow + at));
          v128.store(prefixRow + at, sum);
        }
        const error = f32x4.sub(sum, v128.load(target + at));
        squares = f32x4.add(squares, f32x4.mul(error, error));
        v128.store(own + at, f32x4.mul(error, scales));
      }
      const total = squaredErrors + ((<usize>depth) << 3);
      store<f64>(total, load<f64>(total) + <f64>sumLanes(squares));
    }
    for (let depth = 1; depth <= innermost; depth++) {
      addScaled(out + <usize>depth * matrixBytes, out + <usize>(depth - 1) * matrixBytes, 1);
    }
    addScaled(decoderBiasGradient, out + <usize>innermost * matrixBytes, 1);
  }
}

/**
 * For batch rows from..to, adds the shards' parts of what dead latents give (at `parts`, [shards, to - from, width]) to the error, which
 * is the first matrix of `gradients` over `scale`, and leaves `deadScale` times that in `out`. Gives the sum of squares.
 */
export function measureDead(
  from: i32,
  to: i32,
  parts: usize,
  shards: i32,
  scale: f32,
  deadScale: f32,
  out: usize,
): f64 {
  const rowBytes = (<usize>width) << 2;
  const shardBytes = <usize>(to - from) * rowBytes;
  const unscale = f32x4.splat(1 / scale);
  const scales = f32x4.splat(deadScale);
  let total: f64 = 0;
  for (let row = from; row < to; row++) {
    const part = parts + <usize>(row - from) * rowBytes;
    const offset = <usize>row * rowBytes;
    let squares = f32x4.splat(0);
    for (let at: usize = 0; at < rowBytes; at += 16) {
      let sum = v128.load(part + at);
      for (let shard = 1; shard < shards; shard++) {
        sum = f32x4.add(sum, v128.load(part + <usize>shard * shardBytes + at));
      }
      const missed = f32x4.add(sum, f32x4.mul(unscale, v128.load(gradients + offset + at)));
      squares = f32x4.add(squares, f32x4.mul(missed, missed));
      v128.store(out + offset + at, f32x4.mul(missed, scales));
    }
    total += <f64>sumLanes(squares);
  }
  return total;
}

/** Σ (x − its column's mean)² over the rows [batch, width] at `rows`; `mean` is room for one row. */
export function scatter(rows: usize, mean: usize): f64 {
  const rowBytes = (<usize>width) << 2;
  memory.fill(mean, 0, rowBytes);
  for (let row = 0; row < batch; row++) addScaled(mean, rows + <usize>row * rowBytes, 1 / <f32>batch);
  let total: f64 = 0;
  for (let row = 0; row < batch; row++) {
    const values = rows + <usize>row * rowBytes;
    let squares = f32x4.splat(0);
    for (let at: usize = 0; at < rowBytes; at += 16) {
      const difference = f32x4.sub(v128.load(values + at), v128.load(mean + at));
      squares = f32x4.add(squares, f32x4.mul(difference, difference));
    }
    total += <f64>sumLanes(squares);
  }
  return total;
}
