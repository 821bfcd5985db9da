/** Gradients and optimizer: either in one pass, in which an active latent's rows are read and written once, or in two. */
import { adam, adamScalar, beta2, canWait, makeUp, step, sumOfSquares } from './adam.ts';
import { DEAD_BY_ENTRIES, DEAD_BY_PRODUCTS, NO_DEAD } from './dead-form.ts';
import { writeLatentBytes } from './estimate.ts';
import {
  batch,
  centred,
  deadBiasGradients,
  deadDecoder,
  deadEncoder,
  deadGradients,
  deadLatentEntries,
  deadLatentStarts,
  deadRows,
  deadValues,
  decoder,
  decoderBias,
  decoderBiasGradient,
  decoderBiasM,
  decoderBiasV,
  decoderGradients,
  decoderM,
  decoderV,
  depths,
  encoder,
  encoderBias,
  encoderBiasGradients,
  encoderBiasM,
  encoderBiasV,
  encoderGradients,
  encoderM,
  encoderRow,
  encoderV,
  entryRows,
  entryValues,
  gradients,
  inverseNorms,
  latentEntries,
  latentStarts,
  latentSteps,
  latents,
  norms,
  prefixes,
  sumRow,
  termDots,
  thresholdGradients,
  thresholds,
  thresholdsM,
  thresholdsV,
  width,
} from './layout.ts';
import { bandwidth, byteReach, keepsNorms, l0, l1, projects, reachesInput, renormalises } from './objective.ts';
import { addScaled, dot, dotTerms, setTerm, sumLanes, sumTerms } from './rows.ts';
import { sortByKey } from './sort.ts';

/** Sorts `count` entries by their latents, as `sortByKey` has it. */
export function sortByLatent(count: i32, latentsOfEntries: usize, starts: usize, sorted: usize): void {
  sortByKey(count, latentsOfEntries, latents, starts, sorted);
}

/** Byte offset of an entry, of those sorted by latent the one at `place`. */
function entryAt(sorted: usize, place: i32): usize {
  return (<usize>load<i32>(sorted + ((<usize>place) << 2))) << 2;
}

/** Number of a latent's entries, or that of a dead latent's. */
function entriesIn(starts: usize, latent: usize): i32 {
  const at = starts + (latent << 2);
  return load<i32>(at, 4) - load<i32>(at);
}

/** Whether a latent has a gradient. Where products give those of dead latents, each of these counts as one entry. */
function hasGradient(latent: usize, deadForm: i32): bool {
  return entriesIn(latentStarts, latent) > 0 || (deadForm !== NO_DEAD && entriesIn(deadLatentStarts, latent) > 0);
}

/** Of the latent whose gradient was gathered last: how much of its decoder row is to be taken from the row's gradient, and scalars. */
let radial: f32 = 0;
let biasGradient: f32 = 0;
let thresholdGradient: f32 = 0;

/**
 * Gathers a latent's gradient: its decoder row's, less `radial` times the row, in `decoderOut`, its encoder row's in `encoderOut`. Its
 * part of b_dec's gradient, the centring's, goes to `decoderBiasGradient`.
 */
function gather(latent: usize, deadForm: i32, decoderOut: usize, encoderOut: usize): void {
  const rowBytes = (<usize>width) << 2;
  const index = latent << 2;
  const direction = decoder + latent * rowBytes;
  const inverseNorm = load<f32>(inverseNorms + index);
  const norm = keepsNorms ? load<f32>(norms + index) : 1;
  const penalty = l1 * norm;
  const threshold = bandwidth > 0 ? load<f32>(thresholds + index) : 0;
  const depth = prefixes > 1 ? load<i32>(depths + index) : 0;
  const ofDepth = gradients + <usize>(depth * batch) * rowBytes;
  const first = load<i32>(latentStarts + index);
  const count = entriesIn(latentStarts, latent);
  let along: f32 = 0;
  let values: f32 = 0;
  biasGradient = 0;
  thresholdGradient = 0;
  const deadFirst = deadForm === DEAD_BY_ENTRIES ? load<i32>(deadLatentStarts + index) : 0;
  const terms = deadForm === DEAD_BY_ENTRIES ? count + entriesIn(deadLatentStarts, latent) : count;
  for (let term = 0; term < count; term++) {
    const entry = entryAt(latentEntries, first + term);
    const gradient = ofDepth + <usize>load<i32>(entryRows + entry) * rowBytes;
    setTerm(term, gradient, load<f32>(entryValues + entry) * inverseNorm);
  }
  for (let term = count; term < terms; term++) {
    const entry = entryAt(deadLatentEntries, deadFirst + term - count);
    const gradient = deadGradients + <usize>load<i32>(deadRows + entry) * rowBytes;
    setTerm(term, gradient, load<f32>(deadValues + entry) * inverseNorm);
  }
  dotTerms(direction, terms);
  for (let term = 0; term < count; term++) {
    const value = load<f32>(entryValues + entryAt(latentEntries, first + term));
    const featureGradient = inverseNorm * load<f32>(termDots + ((<usize>term) << 2));
    along += value * featureGradient;
    let scoreGradient = featureGradient;
    if (l1 !== 0) {
      scoreGradient += penalty;
      values += value;
    }
    if (bandwidth > 0) {
      const estimate = estimateAt(value, threshold, scoreGradient);
      thresholdGradient -= estimate;
      scoreGradient = (value > 0 ? scoreGradient : 0) + (reachesInput ? estimate : 0);
    }
    biasGradient += scoreGradient;
    store<f32>(termDots + ((<usize>term) << 2), scoreGradient);
  }
  for (let term = count; term < terms; term++) {
    const value = load<f32>(deadValues + entryAt(deadLatentEntries, deadFirst + term - count));
    const featureGradient = inverseNorm * load<f32>(termDots + ((<usize>term) << 2));
    along += value * featureGradient;
    biasGradient += featureGradient;
    store<f32>(termDots + ((<usize>term) << 2), featureGradient);
  }
  sumTerms(decoderOut, terms);
  const addsDead = deadForm === DEAD_BY_PRODUCTS && entriesIn(deadLatentStarts, latent) > 0;
  const place = addsDead ? <usize>load<i32>(deadLatentStarts + index) : 0;
  if (addsDead) {
    const ofDead = deadDecoder + place * rowBytes;
    // The same sum over the batch, of values times feature gradients, as above.
    along += dot(direction, ofDead);
    biasGradient += load<f32>(deadBiasGradients + (place << 2));
    addScaled(decoderOut, ofDead, 1);
  }
  radial = radialOf(latent, along, values);

  if (terms > 0 || addsDead) addScaled(decoderBiasGradient, encoder + latent * rowBytes, -biasGradient);
  for (let term = 0; term < count; term++) {
    const row = centred + <usize>load<i32>(entryRows + entryAt(latentEntries, first + term)) * rowBytes;
    setTerm(term, row, load<f32>(termDots + ((<usize>term) << 2)));
  }
  for (let term = count; term < terms; term++) {
    const entry = entryAt(deadLatentEntries, deadFirst + term - count);
    const row = centred + <usize>load<i32>(deadRows + entry) * rowBytes;
    setTerm(term, row, load<f32>(termDots + ((<usize>term) << 2)));
  }
  sumTerms(encoderOut, terms);
  if (addsDead) addScaled(encoderOut, deadEncoder + place * rowBytes, 1);
}

/**
 * What an entry near its threshold θ adds to the gradients, given that of its feature: the estimate of Rajamanoharan et al. 2024, −(θ/ε) of
 * the feature for θ and −1/ε of [z > θ], and the same of the other sign for z where it reaches the input. 0 for an entry that is not
 * near. An entry that is not above its threshold has the value 0, and is always near.
 */
export function estimateAt(value: f32, threshold: f32, featureGradient: f32): f32 {
  if (value > 0 && !(value - threshold < bandwidth * 0.5)) return 0;
  return (featureGradient * threshold + l0) / bandwidth;
}

/** How much of a decoder row is to be taken from its gradient: the part along it, or what the L1 penalty's weight by its norm adds. */
export function radialOf(latent: usize, along: f32, values: f32): f32 {
  const index = latent << 2;
  if (projects) {
    const inverseNorm = load<f32>(inverseNorms + index);
    return along * inverseNorm * inverseNorm;
  }
  const norm = keepsNorms ? load<f32>(norms + index) : 0;
  return l1 !== 0 && norm > 0 ? (-l1 * values) / norm : 0;
}

/** Adam on all of a latent's parameters, with `scale` times its gradients. */
function apply(latent: usize, decoderGradient: usize, encoderGradient: usize, scale: f32): void {
  const rowBytes = (<usize>width) << 2;
  const offset = latent * rowBytes;
  const index = latent << 2;
  const direction = decoder + offset;
  const squares = adam(direction, decoderM + offset, decoderV + offset, decoderGradient, radial, scale, rowBytes);
  if (projects || keepsNorms) {
    const norm = sqrt(sumLanes(squares));
    if (keepsNorms) store<f32>(norms + index, norm);
    if (renormalises) {
      if (norm > 0) scaleRow(direction, 1 / norm);
    } else if (projects) store<f32>(inverseNorms + index, 1 / norm);
  }
  adam(encoder + offset, encoderM + offset, encoderV + offset, encoderGradient, 0, scale, rowBytes);
  if (byteReach > 0) writeLatentBytes(latent);
  adamScalar(encoderBias + index, encoderBiasM + index, encoderBiasV + index, scale * biasGradient);
  if (bandwidth > 0) {
    adamScalar(thresholds + index, thresholdsM + index, thresholdsV + index, scale * thresholdGradient);
  }
}

/**
 * Steps all parameters that belong to this shard's latents, each latent's as soon as its gradient is known, and subtracts their part of
 * b_dec's gradient from `decoderBiasGradient`.
 */
export function updateLatents(deadForm: i32): void {
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    if (!hasGradient(latent, deadForm) && canWait()) continue;
    makeUpLatent(latent, step - 1);
    store<i32>(latentSteps + (latent << 2), step);
    gather(latent, deadForm, sumRow, encoderRow);
    apply(latent, sumRow, encoderRow, 1);
  }
}

/** The first of two phases: leaves all gradients of this shard's latents in memory; their sum of squares. */
export function gatherLatents(deadForm: i32): f64 {
  const rowBytes = (<usize>width) << 2;
  let total: f64 = 0;
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const index = latent << 2;
    const decoderGradient = decoderGradients + latent * rowBytes;
    const encoderGradient = encoderGradients + latent * rowBytes;
    gather(latent, deadForm, decoderGradient, encoderGradient);
    if (radial !== 0) addScaled(decoderGradient, decoder + latent * rowBytes, -radial);
    store<f32>(encoderBiasGradients + index, biasGradient);
    if (bandwidth > 0) store<f32>(thresholdGradients + index, thresholdGradient);
    total += <f64>sumLanes(sumOfSquares(decoderGradient, rowBytes));
    total += <f64>sumLanes(sumOfSquares(encoderGradient, rowBytes));
    total += <f64>biasGradient * <f64>biasGradient + <f64>thresholdGradient * <f64>thresholdGradient;
  }
  return total;
}

/** The second: steps this shard's latents with `scale` times the gradients that `gatherLatents` left. */
export function applyLatents(scale: f32): void {
  const rowBytes = (<usize>width) << 2;
  radial = 0;
  thresholdGradient = 0;
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const index = latent << 2;
    makeUpLatent(latent, step - 1);
    store<i32>(latentSteps + index, step);
    biasGradient = load<f32>(encoderBiasGradients + index);
    if (bandwidth > 0) thresholdGradient = load<f32>(thresholdGradients + index);
    apply(latent, decoderGradients + latent * rowBytes, encoderGradients + latent * rowBytes, scale);
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
  if (bandwidth > 0) {
    const threshold = thresholdsV + index;
    for (let done = 0; done < missed; done++) store<f32>(threshold, beta2 * load<f32>(threshold));
  }
  store<i32>(latentSteps + index, target);
}

/** Sums the shards' parts of b_dec's gradient ([shards, width] at `parts`) into `sumRow`; its sum of squares. */
export function sumDecoderBias(parts: usize, shards: i32): f64 {
  const rowBytes = (<usize>width) << 2;
  memory.copy(sumRow, parts, rowBytes);
  for (let shard = 1; shard < shards; shard++) addScaled(sumRow, parts + <usize>shard * rowBytes, 1);
  return <f64>sumLanes(sumOfSquares(sumRow, rowBytes));
}

/** Steps b_dec with `scale` times the gradient that `sumDecoderBias` left. */
export function updateDecoderBias(scale: f32): void {
  adam(decoderBias, decoderBiasM, decoderBiasV, sumRow, 0, scale, (<usize>width) << 2);
}

/** Notes each decoder row's norm, or one over it, to the bits that the step which wrote the row would have left there. */
export function measureNorms(): void {
  const rowBytes = (<usize>width) << 2;
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const norm = sqrt(sumLanes(sumOfSquares(decoder + latent * rowBytes, rowBytes)));
    if (keepsNorms) store<f32>(norms + (latent << 2), norm);
    if (projects && !renormalises) store<f32>(inverseNorms + (latent << 2), 1 / norm);
  }
}

function scaleRow(row: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let at: usize = 0, bytes = (<usize>width) << 2; at < bytes; at += 16) {
    v128.store(row + at, f32x4.mul(factors, v128.load(row + at)));
  }
}
