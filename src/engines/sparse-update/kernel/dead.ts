/** Dead latents, which have not fired for long, and their entries for the auxiliary loss (Gao et al. 2024). */
import {
  batch,
  columns,
  dead,
  deadEncoder,
  encoder,
  encoderBias,
  entryValues,
  fired,
  firingRate,
  latentEntries,
  latentStarts,
  latents,
  norms,
  preActivations,
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

/** Copies the encoder's rows of the first `count` latents of `dead` to `deadEncoder`. */
export function gatherDead(count: i32): void {
  const rowBytes = (<usize>width) << 2;
  for (let index = 0; index < count; index++) {
    const latent = <usize>load<i32>(dead + ((<usize>index) << 2));
    memory.copy(deadEncoder + <usize>index * rowBytes, encoder + latent * rowBytes, rowBytes);
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
