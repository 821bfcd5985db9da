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
  deadInverseNorms,
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

/** Columns of a matrix with a column for each of `count` dead latents: whole vectors. */
function padded(count: i32): i32 {
  return (count + 3) & ~3;
}

/** Copies what `rows` [columns, width] has of the first `count` latents of `dead` to `out` [padded(count), width]; the padding is zero. */
export function gatherDead(count: i32, rows: usize, out: usize): void {
  const rowBytes = (<usize>width) << 2;
  for (let index = 0; index < count; index++) {
    const latent = <usize>load<i32>(dead + ((<usize>index) << 2));
    memory.copy(out + <usize>index * rowBytes, rows + latent * rowBytes, rowBytes);
  }
  memory.fill(out + <usize>count * rowBytes, 0, <usize>(padded(count) - count) * rowBytes);
}

/**
 * Enters the `k` largest pre-activations above `floor` of each row among the first `count` latents of `dead`. Number of entries.
 * `preActivations` is [batch, columns], or, where only those of dead latents were computed, [batch, padded(count)] without b_enc.
 */
export function selectDead(count: i32, k: i32, floor: f32, isGathered: bool): i32 {
  let entries = 0;
  const stride = <usize>(isGathered ? padded(count) : columns);
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
 * preActivations [batch, padded(count)] = the entries of the first `count` latents of `dead`, times what makes W_dec of a decoder row. Notes the
 * place of each of these latents in `deadLatentStarts`, as if it had one entry.
 */
export function spreadDead(count: i32): void {
  let places = 0;
  for (let latent = 0; latent < latents; latent++) {
    const at = (<usize>latent) << 2;
    store<i32>(deadLatentStarts + at, places);
    if (places === count || load<i32>(dead + ((<usize>places) << 2)) !== latent) continue;
    store<f32>(deadInverseNorms + ((<usize>places) << 2), load<f32>(inverseNorms + at));
    places++;
  }
  store<i32>(deadLatentStarts + ((<usize>latents) << 2), places);
  const rowBytes = (<usize>padded(count)) << 2;
  const nothing = f32x4.splat(NOT_ENTERED);
  for (let row = 0; row < batch; row++) {
    const out = preActivations + <usize>row * rowBytes;
    for (let at: usize = 0; at < rowBytes; at += 16) v128.store(out + at, nothing);
    const starts = rowStarts + ((<usize>row) << 2);
    for (let entry = load<i32>(starts), end = load<i32>(starts, 4); entry < end; entry++) {
      const offset = (<usize>entry) << 2;
      const place = load<i32>(deadLatentStarts + ((<usize>load<i32>(entryLatents + offset)) << 2));
      const at = (<usize>place) << 2;
      // A product of −0 becomes 0, which is an entry.
      store<f32>(out + at, load<f32>(entryValues + offset) * load<f32>(deadInverseNorms + at) + <f32>0);
    }
  }
}

/**
 * From products [batch, padded(count)] = deadGradients · decoder rowsᵀ to the gradients of the pre-activations, in place: 0 where `spreadDead` left
 * no entry. Their sums over the batch go to `deadBiasGradients`.
 */
export function scoreDead(count: i32, products: usize): void {
  const rowBytes = (<usize>padded(count)) << 2;
  const nothing = f32x4.splat(NOT_ENTERED);
  memory.fill(deadBiasGradients, 0, rowBytes);
  for (let row: usize = 0, end = <usize>batch; row < end; row++) {
    const values = preActivations + row * rowBytes;
    const out = products + row * rowBytes;
    for (let at: usize = 0; at < rowBytes; at += 16) {
      const entered = i32x4.ne(v128.load(values + at), nothing);
      const gradient = v128.and(f32x4.mul(v128.load(out + at), v128.load(deadInverseNorms + at)), entered);
      v128.store(out + at, gradient);
      v128.store(deadBiasGradients + at, f32x4.add(v128.load(deadBiasGradients + at), gradient));
    }
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
