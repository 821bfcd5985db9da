/** Gradient and optimizer in one pass over latents: an active latent's rows are read and written once. */
import { adam, adamScalar, beta2, canWait, makeUp, step, sumOfSquares } from './adam.ts';
import {
  centred,
  decoder,
  decoderBias,
  decoderBiasGradient,
  decoderBiasM,
  decoderBiasV,
  decoderM,
  decoderV,
  encoder,
  encoderBias,
  encoderBiasM,
  encoderBiasV,
  encoderM,
  encoderV,
  entryLatents,
  entryRows,
  entryValues,
  gradients,
  inverseNorms,
  latentEntries,
  latentStarts,
  latentSteps,
  latents,
  sumRow,
  termDots,
  width,
} from './layout.ts';
import { addScaled, dot, setTerm, sumLanes, sumTerms } from './rows.ts';

/** Counting sort of the entries by latent; a latent's entries stay in the order of rows. */
export function sortByLatent(count: i32): void {
  memory.fill(latentStarts, 0, (<usize>(latents + 1)) << 2);
  for (let entry = 0; entry < count; entry++) {
    const counter = latentStarts + ((<usize>load<i32>(entryLatents + ((<usize>entry) << 2)) + 1) << 2);
    store<i32>(counter, load<i32>(counter) + 1);
  }
  for (let latent = 0; latent < latents; latent++) {
    const start = latentStarts + ((<usize>latent) << 2);
    store<i32>(start, load<i32>(start) + load<i32>(start, 4), 4);
  }
  for (let entry = 0; entry < count; entry++) {
    const start = latentStarts + ((<usize>load<i32>(entryLatents + ((<usize>entry) << 2))) << 2);
    const place = load<i32>(start);
    store<i32>(latentEntries + ((<usize>place) << 2), entry);
    store<i32>(start, place + 1);
  }
  // Each start has moved to its latent's end: move them one place on.
  memory.copy(latentStarts + 4, latentStarts, (<usize>latents) << 2);
  store<i32>(latentStarts, 0);
}

/**
 * Steps all parameters that belong to this shard's latents, and subtracts their part of b_dec's gradient (the centring's) from
 * `decoderBiasGradient`. `renormalise`: the decoder rows are W_dec itself, scaled back to unit norm after the step;
 * else W_dec = decoder · inverseNorms, which is brought up to date.
 */
export function updateLatents(renormalise: bool): void {
  const rowBytes = (<usize>width) << 2;
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const index = latent << 2;
    const offset = latent * rowBytes;
    const first = load<i32>(latentStarts + index);
    const count = load<i32>(latentStarts + index, 4) - first;
    if (count === 0 && canWait()) continue;
    makeUpLatent(latent, step - 1);
    store<i32>(latentSteps + index, step);
    const direction = decoder + offset;
    const inverseNorm = load<f32>(inverseNorms + index);

    let along: f32 = 0;
    let biasGradient: f32 = 0;
    for (let term = 0; term < count; term++) {
      const entry = (<usize>load<i32>(latentEntries + ((<usize>(first + term)) << 2))) << 2;
      const gradient = gradients + <usize>load<i32>(entryRows + entry) * rowBytes;
      const value = load<f32>(entryValues + entry);
      const featureGradient = inverseNorm * dot(direction, gradient);
      along += value * featureGradient;
      biasGradient += featureGradient;
      setTerm(term, gradient, value * inverseNorm);
      store<f32>(termDots + ((<usize>term) << 2), featureGradient);
    }
    sumTerms(sumRow, count);
    const squares = adam(
      direction,
      decoderM + offset,
      decoderV + offset,
      sumRow,
      along * inverseNorm * inverseNorm,
      rowBytes,
    );
    const norm = sqrt(sumLanes(squares));
    if (!renormalise) store<f32>(inverseNorms + index, 1 / norm);
    else if (norm > 0) scaleRow(direction, 1 / norm);

    if (count > 0) addScaled(decoderBiasGradient, encoder + offset, -biasGradient);
    for (let term = 0; term < count; term++) {
      const entry = (<usize>load<i32>(latentEntries + ((<usize>(first + term)) << 2))) << 2;
      const row = centred + <usize>load<i32>(entryRows + entry) * rowBytes;
      setTerm(term, row, load<f32>(termDots + ((<usize>term) << 2)));
    }
    sumTerms(sumRow, count);
    adam(encoder + offset, encoderM + offset, encoderV + offset, sumRow, 0, rowBytes);
    adamScalar(encoderBias + index, encoderBiasM + index, encoderBiasV + index, biasGradient);
  }
}

/** Brings the second moments of all latents up to this step. */
export function makeUpLatents(): void {
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) makeUpLatent(latent, step);
}

/** Brings a latent's second moments up to `target` steps. */
function makeUpLatent(latent: usize, target: i32): void {
  const index = latent << 2;
  const missed = target - load<i32>(latentSteps + index);
  if (missed <= 0) return;
  const rowBytes = (<usize>width) << 2;
  makeUp(decoderV + latent * rowBytes, missed, rowBytes);
  makeUp(encoderV + latent * rowBytes, missed, rowBytes);
  const bias = encoderBiasV + index;
  for (let done = 0; done < missed; done++) store<f32>(bias, beta2 * load<f32>(bias));
  store<i32>(latentSteps + index, target);
}

/** Sums the shards' parts of b_dec's gradient ([shards, width] at `parts`) and steps b_dec. */
export function updateDecoderBias(parts: usize, shards: i32): void {
  const rowBytes = (<usize>width) << 2;
  memory.copy(sumRow, parts, rowBytes);
  for (let shard = 1; shard < shards; shard++) addScaled(sumRow, parts + <usize>shard * rowBytes, 1);
  adam(decoderBias, decoderBiasM, decoderBiasV, sumRow, 0, rowBytes);
}

/** Sets one over each decoder row's norm, to the bits that the step which wrote the row would have left there. */
export function measureNorms(): void {
  const rowBytes = (<usize>width) << 2;
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const squares = sumOfSquares(decoder + latent * rowBytes, rowBytes);
    store<f32>(inverseNorms + (latent << 2), 1 / sqrt(sumLanes(squares)));
  }
}

function scaleRow(row: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let at: usize = 0, bytes = (<usize>width) << 2; at < bytes; at += 16) {
    v128.store(row + at, f32x4.mul(factors, v128.load(row + at)));
  }
}
