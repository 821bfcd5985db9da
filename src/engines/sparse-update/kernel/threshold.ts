/** Latents that are active because they exceed a threshold of their own, as many as there are: ReLU's is 0, JumpReLU's is trained. */
import {
  batch,
  columns,
  encoderBias,
  entryLatents,
  entryValues,
  latents,
  lowest,
  preActivations,
  rowStarts,
  thresholds,
} from './layout.ts';
import { bandwidth } from './objective.ts';
import { append } from './select.ts';

/**
 * Puts thresholds back to at least 0, and notes from where on a pre-activation counts: above its threshold, or less than half the
 * bandwidth below it.
 */
export function prepareThresholds(): void {
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const threshold = max<f32>(load<f32>(thresholds + (latent << 2)), 0);
    store<f32>(thresholds + (latent << 2), threshold);
    store<f32>(lowest + (latent << 2), threshold - bandwidth * 0.5);
  }
}

/**
 * Enters every pre-activation that counts: above its threshold with its value, within the bandwidth below it with 0, which takes part in
 * nothing but the threshold's gradient. Number of entries, or -1 if a pre-activation is not a number.
 */
export function selectAbove(): i32 {
  let count = 0;
  for (let row = 0; row < batch; row++) {
    store<i32>(rowStarts + ((<usize>row) << 2), count);
    const scores = preActivations + ((<usize>row * <usize>columns) << 2);
    let total = f32x4.splat(0);
    const first = count;
    for (let column = 0; column < columns; column += 16) {
      const at = (<usize>column) << 2;
      const a = f32x4.add(v128.load(scores + at), v128.load(encoderBias + at));
      const b = f32x4.add(v128.load(scores + at, 16), v128.load(encoderBias + at, 16));
      const c = f32x4.add(v128.load(scores + at, 32), v128.load(encoderBias + at, 32));
      const d = f32x4.add(v128.load(scores + at, 48), v128.load(encoderBias + at, 48));
      total = f32x4.add(total, f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
      const overA = f32x4.gt(a, v128.load(lowest + at));
      const overB = f32x4.gt(b, v128.load(lowest + at, 16));
      const overC = f32x4.gt(c, v128.load(lowest + at, 32));
      const overD = f32x4.gt(d, v128.load(lowest + at, 48));
      if (!v128.any_true(v128.or(v128.or(overA, overB), v128.or(overC, overD)))) continue;
      count = append(a, i32x4.bitmask(overA), row, column, count);
      count = append(b, i32x4.bitmask(overB), row, column + 4, count);
      count = append(c, i32x4.bitmask(overC), row, column + 8, count);
      count = append(d, i32x4.bitmask(overD), row, column + 12, count);
    }
    // Infinities of both signs are no numbers together; no finite loss survives them.
    if (v128.any_true(f32x4.ne(total, total))) return -1;
    if (bandwidth > 0) close(first, count);
  }
  store<i32>(rowStarts + ((<usize>batch) << 2), count);
  return count;
}

/** Sets entries first..end that are not above their threshold to 0. */
export function close(first: i32, end: i32): void {
  for (let entry = first; entry < end; entry++) {
    const offset = (<usize>entry) << 2;
    const latent = <usize>load<i32>(entryLatents + offset);
    if (!(load<f32>(entryValues + offset) > load<f32>(thresholds + (latent << 2)))) store<f32>(entryValues + offset, 0);
  }
}
