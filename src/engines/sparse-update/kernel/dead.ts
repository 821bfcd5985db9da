/**
 * Dead latents, which have not fired for long, and their entries for the auxiliary loss (Gao et al. 2024). Where entries fill much of the matrix
 * [batch, dead latents], ONNX Runtime multiplies that matrix, and with it finds reconstruction and gradients; the results are those of the lists
 * but for rounding.
 */
import {
  batch,
  columns,
  dead,
  deadBiasGradients,
  deadLatentStarts,
  encoderBias,
  entryLatents,
  entryValues,
  fired,
  firingRate,
  inverseNorms,
  latentEntries,
  latentStarts,
  latents,
  norms,
  preActivations,
  rowStarts,
  scoreBias,
  silent,
  width,
} from './layout.ts';
import { weighsByNorm } from './objective.ts';
import { sumLanes } from './rows.ts';
import { indexRows, keepLargest, put } from './select.ts';

/** Lists this shard's latents that have been silent for at least `deadAfter`; their number. */
export function listDead(deadAfter: f32): i32 {
  let count = 0;
  for (let latent = 0; latent < latents; latent++) {
    if (load<f32>(silent + ((<usize>latent) << 2)) < deadAfter) continue;
    store<i32>(dead + ((<usize>count) << 2), latent);
    count++;
  }
  return count;
}

/** Lists this shard's latents that fired on less than the share `below` of the last window's samples; their number. */
export function listRare(below: f32): i32 {
  let count = 0;
  for (let latent = 0; latent < latents; latent++) {
    if (!(load<f32>(firingRate + ((<usize>latent) << 2)) < below)) continue;
    store<i32>(dead + ((<usize>count) << 2), latent);
    count++;
  }
  return count;
}

/** Copies what `rows` [columns, width] has of the first `count` latents of `dead` to `out` [count, width]. */
export function gatherDead(count: i32, rows: usize, out: usize): void {
  const rowBytes = (<usize>width) << 2;
  for (let index = 0; index < count; index++) {
    const latent = <usize>load<i32>(dead + ((<usize>index) << 2));
    memory.copy(out + <usize>index * rowBytes, rows + latent * rowBytes, rowBytes);
  }
}

/**
 * Enters the `k` largest pre-activations above `floor` of each row among the first `count` latents of `dead`. Number of entries.
 * `preActivations` is [batch, columns], or, where only those of dead latents were computed, [batch, count] without b_enc.
 */
export function selectDead(count: i32, k: i32, floor: f32, isGathered: bool): i32 {
  let entries = 0;
  const stride = <usize>(isGathered ? count : columns);
  for (let row = 0; row < batch; row++) {
    const scores = preActivations + ((<usize>row * stride) << 2);
    const first = entries;
    for (let index = 0; index < count; index++) {
      const latent = load<i32>(dead + ((<usize>index) << 2));
      const at = (<usize>latent) << 2;
      let value: f32;
      if (isGathered) {
        value = load<f32>(scores + ((<usize>index) << 2)) + load<f32>(encoderBias + at);
        if (weighsByNorm) value *= load<f32>(norms + at);
      } else value = load<f32>(scores + at) + load<f32>(scoreBias + at);
      if (value > floor) put(entries++, row, latent, value);
    }
    entries = keepLargest(first, entries, k);
  }
  indexRows(entries);
  return entries;
}

/** What stands in a matrix where nothing was entered: it multiplies as 0 does, and an entry of 0 is another. */
const NOT_ENTERED: f32 = -0.0;

/**
 * preActivations [batch, count] = the entries of the first `count` latents of `dead`, times what makes W_dec of a decoder row. Notes the place of each
 * of these latents in `deadLatentStarts`, as if it had one entry.
 */
export function spreadDead(count: i32): void {
  let places = 0;
  for (let latent = 0; latent < latents; latent++) {
    store<i32>(deadLatentStarts + ((<usize>latent) << 2), places);
    if (places < count && load<i32>(dead + ((<usize>places) << 2)) === latent) places++;
  }
  store<i32>(deadLatentStarts + ((<usize>latents) << 2), places);
  for (let row = 0; row < batch; row++) {
    const out = preActivations + ((<usize>row * <usize>count) << 2);
    for (let place: usize = 0, end = (<usize>count) << 2; place < end; place += 4) store<f32>(out + place, NOT_ENTERED);
    const starts = rowStarts + ((<usize>row) << 2);
    for (let entry = load<i32>(starts), end = load<i32>(starts, 4); entry < end; entry++) {
      const offset = (<usize>entry) << 2;
      const index = (<usize>load<i32>(entryLatents + offset)) << 2;
      const place = load<i32>(deadLatentStarts + index);
      // A product of −0 becomes 0, which is an entry.
      const value = load<f32>(entryValues + offset) * load<f32>(inverseNorms + index) + <f32>0;
      store<f32>(out + ((<usize>place) << 2), value);
    }
  }
}

/** out [count, batch] = preActivations [batch, count], turned. */
export function turnDead(count: i32, out: usize): void {
  const rowBytes = (<usize>count) << 2;
  const outBytes = (<usize>batch) << 2;
  for (let row = 0; row < batch; row += 4) {
    const rows = preActivations + <usize>row * rowBytes;
    const outRows = out + ((<usize>row) << 2);
    let place = 0;
    if (row + 4 <= batch) {
      for (; place + 4 <= count; place += 4) {
        const from = rows + ((<usize>place) << 2);
        const to = outRows + <usize>place * outBytes;
        const a = v128.load(from);
        const b = v128.load(from + rowBytes);
        const c = v128.load(from + 2 * rowBytes);
        const d = v128.load(from + 3 * rowBytes);
        const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
        const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
        const ba = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
        const dc = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
        v128.store(to + outBytes, v128.shuffle<i64>(ab, cd, 1, 3));
        v128.store(to + 2 * outBytes, v128.shuffle<i64>(ba, dc, 0, 2));
        v128.store(to + 3 * outBytes, v128.shuffle<i64>(ba, dc, 1, 3));
      }
    }
    for (; place < count; place++) {
      for (let inner: usize = 0, end = <usize>min(4, batch - row); inner < end; inner++) {
        const value = load<f32>(rows + inner * rowBytes + ((<usize>place) << 2));
        store<f32>(outRows + <usize>place * outBytes + (inner << 2), value);
      }
    }
  }
}

/**
 * From products [count, batch] = decoder rows · deadGradientsᵀ to the gradients of the pre-activations, in place: 0 where `values` [count, batch], what
 * `spreadDead` left, turned, has no entry. Their sums over the batch go to `deadBiasGradients`.
 */
export function scoreDead(count: i32, values: usize, products: usize): void {
  const nothing = f32x4.splat(NOT_ENTERED);
  const rowBytes = (<usize>batch) << 2;
  const vectorBytes = rowBytes & ~15;
  for (let place: usize = 0, end = <usize>count; place < end; place++) {
    const inverseNorm = load<f32>(inverseNorms + ((<usize>load<i32>(dead + (place << 2))) << 2));
    const factor = f32x4.splat(inverseNorm);
    const entries = values + place * rowBytes;
    const out = products + place * rowBytes;
    let sums = f32x4.splat(0);
    for (let at: usize = 0; at < vectorBytes; at += 16) {
      const entered = i32x4.ne(v128.load(entries + at), nothing);
      const gradient = v128.and(f32x4.mul(v128.load(out + at), factor), entered);
      v128.store(out + at, gradient);
      sums = f32x4.add(sums, gradient);
    }
    let sum = sumLanes(sums);
    for (let at = vectorBytes; at < rowBytes; at += 4) {
      const isEntered = load<i32>(entries + at) !== reinterpret<i32>(NOT_ENTERED);
      const gradient: f32 = isEntered ? load<f32>(out + at) * inverseNorm : 0;
      store<f32>(out + at, gradient);
      sum += gradient;
    }
    store<f32>(deadBiasGradients + (place << 2), sum);
  }
}

/** Adds `amount` to how long each latent has been silent, and starts anew where it fired in the batch, whose entries are sorted. */
export function countSilence(amount: f32): void {
  for (let latent = 0; latent < latents; latent++) {
    const at = (<usize>latent) << 2;
    let fired = false;
    for (
      let place = load<i32>(latentStarts + at), end = load<i32>(latentStarts + at, 4);
      place < end && !fired;
      place++
    ) {
      fired = load<f32>(entryValues + ((<usize>load<i32>(latentEntries + ((<usize>place) << 2))) << 2)) > 0;
    }
    store<f32>(silent + at, fired ? 0 : load<f32>(silent + at) + amount);
  }
}

/** Adds to `fired` on how many samples of the batch, whose entries are sorted, each latent fired. */
export function countFired(): void {
  for (let latent = 0; latent < latents; latent++) {
    const at = (<usize>latent) << 2;
    let count: f32 = 0;
    for (let place = load<i32>(latentStarts + at), end = load<i32>(latentStarts + at, 4); place < end; place++) {
      if (load<f32>(entryValues + ((<usize>load<i32>(latentEntries + ((<usize>place) << 2))) << 2)) > 0) count++;
    }
    store<f32>(fired + at, load<f32>(fired + at) + count);
  }
}

/** Turns what was counted in a window of `samples` samples into rates, and begins the next. */
export function endFiringWindow(samples: f32): void {
  for (let latent = 0; latent < latents; latent++) {
    const at = (<usize>latent) << 2;
    store<f32>(firingRate + at, load<f32>(fired + at) / samples);
    store<f32>(fired + at, 0);
  }
}
