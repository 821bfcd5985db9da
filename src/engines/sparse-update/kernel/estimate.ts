/**
 * Which latents may be active, from products of bytes: 8-bit copies of activations and encoder rows multiply several times as fast as floats,
 * and their product differs from the pre-activation by no more than a bound that is known. What the bound cannot rule out is computed exactly,
 * so that the choice is that of exact pre-activations, whatever the bytes.
 *
 * With x̂ and ŵ the numbers that the bytes stand for, |x · w − x̂ · ŵ| = |(x − x̂) · w + x̂ · (w − ŵ)| ≤ ‖x − x̂‖ ‖w‖ + ‖x̂‖ ‖w − ŵ‖ (Cauchy and
 * Schwarz). Products lie by latent, [columns, samples]: a latent's numbers are one for all samples that are compared at once.
 */
import {
  activationBytes,
  batch,
  bounds,
  byteMaxima,
  byteTile,
  candidateLatents,
  candidateRows,
  candidateValues,
  centred,
  columns,
  encoder,
  encoderBias,
  encoderBytes,
  entryLatents,
  entryRows,
  entryValues,
  latentErrors,
  latentNorms,
  latentScales,
  leastOfMost,
  lowest,
  most,
  mostScales,
  mostSteps,
  norms,
  ownBounds,
  ranked,
  rowErrors,
  rowNorms,
  rowScales,
  rowStarts,
  samples,
  termRows,
  width,
} from './layout.ts';
import { byteReach, weighsByNorm } from './objective.ts';
import { fourDots, largestLane, sumLanes } from './rows.ts';
import { boundAmong, HALVINGS, keepLargest, put, SMALLEST_POSITIVE } from './select.ts';
import { sortByKey } from './sort.ts';

/** The byte that stands for zero: the product takes it from every byte of the encoder. */
const ZERO_BYTE: u32 = 0x80808080;
/** Largest number that an encoder's byte stands for. */
const ENCODER_REACH: f32 = 127;
/** Norms are made larger by this share: they are sums of rounded squares. */
const NORM_SLACK: f32 = 1.001;
/** Share of ‖x‖ ‖w‖ by which a sum of floats may be off, in `dot` and in an estimate: far more than d_in / 16 roundings come to. */
const SUM_SLACK: f32 = 2e-5;
/** The same of b_enc, which is added last. */
const BIAS_SLACK: f32 = 1e-6;
/** Samples that are turned at once. */
const TILE: i32 = 16;

/** Four numbers divided by the step of their byte, as four bytes. */
function toBytes(values: v128, perStep: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(values, perStep)));
}

function packed(bytes: v128): u32 {
  const zero = i32x4.splat(0);
  return i32x4.extract_lane(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(bytes, zero), zero), 0);
}

function largestOf(row: usize): f32 {
  let best = f32x4.splat(0);
  for (let at: usize = 0, end = (<usize>width) << 2; at < end; at += 16) {
    best = f32x4.max(best, f32x4.abs(v128.load(row + at)));
  }
  return largestLane(best);
}

/** Of the row whose bytes were written last. */
let byteStep: f32 = 0;
let norm: f32 = 0;
let error: f32 = 0;

/** Writes a row [width] as bytes between -reach and reach, each of them `flip`ped, and notes their step, the row's norm and their error's. */
function writeBytes(row: usize, out: usize, reach: f32, flip: u32): void {
  const largest = largestOf(row);
  byteStep = largest / reach;
  const inverse: f32 = largest > 0 ? reach / largest : 0;
  const perStep = f32x4.splat(inverse);
  const steps = f32x4.splat(byteStep);
  let squares = f32x4.splat(0);
  let errors = f32x4.splat(0);
  for (let at: usize = 0, end = (<usize>width) << 2; at < end; at += 16) {
    const values = v128.load(row + at);
    const bytes = toBytes(values, perStep);
    const missed = f32x4.sub(values, f32x4.mul(f32x4.convert_i32x4_s(bytes), steps));
    squares = f32x4.add(squares, f32x4.mul(values, values));
    errors = f32x4.add(errors, f32x4.mul(missed, missed));
    store<u32>(out + (at >> 2), packed(bytes) ^ flip);
  }
  norm = NORM_SLACK * sqrt(sumLanes(squares));
  error = NORM_SLACK * sqrt(sumLanes(errors));
}

/** Notes the bytes of a latent's encoder row, which has changed. */
export function writeLatentBytes(latent: usize): void {
  writeBytes(encoder + ((latent * <usize>width) << 2), encoderBytes + latent * <usize>width, ENCODER_REACH, ZERO_BYTE);
  const index = latent << 2;
  store<f32>(latentScales + index, byteStep);
  store<f32>(latentNorms + index, norm);
  store<f32>(latentErrors + index, error + SUM_SLACK * norm);
}

/** Notes the bytes of all encoder rows. */
export function writeEncoderBytes(): void {
  for (let latent: usize = 0, end = <usize>columns; latent < end; latent++) writeLatentBytes(latent);
}

/** Writes the centred batch as bytes [width, samples]. False where a number of the batch or of the encoder is not finite, or its square is not. */
export function writeBatchBytes(): bool {
  let total: f32 = 0;
  for (let first = 0; first < samples; first += TILE) {
    for (let inner = 0; inner < TILE; inner++) {
      const row = first + inner;
      const at = (<usize>row) << 2;
      const tile = byteTile + <usize>(inner * width);
      if (row < batch) {
        writeBytes(centred + ((<usize>row * <usize>width) << 2), tile, byteReach, 0);
      } else {
        memory.fill(tile, 0, <usize>width);
        byteStep = norm = error = 0;
      }
      total += norm;
      store<f32>(rowScales + at, byteStep);
      store<f32>(rowNorms + at, norm + error);
      store<f32>(rowErrors + at, error);
    }
    turn(activationBytes + <usize>first);
  }
  for (let latent = 0; latent < columns; latent++) total += load<f32>(latentNorms + ((<usize>latent) << 2));
  return total - total === 0;
}

/** Writes the columns of `byteTile` [16, width], 16 bytes each, `samples` bytes apart. */
function turn(out: usize): void {
  const stride = <usize>width;
  for (let column: usize = 0; column < stride; column++) {
    const at = byteTile + column;
    let bytes = i8x16.splat(0);
    bytes = i8x16.replace_lane(bytes, 0, load<i8>(at));
    bytes = i8x16.replace_lane(bytes, 1, load<i8>(at + stride));
    bytes = i8x16.replace_lane(bytes, 2, load<i8>(at + 2 * stride));
    bytes = i8x16.replace_lane(bytes, 3, load<i8>(at + 3 * stride));
    bytes = i8x16.replace_lane(bytes, 4, load<i8>(at + 4 * stride));
    bytes = i8x16.replace_lane(bytes, 5, load<i8>(at + 5 * stride));
    bytes = i8x16.replace_lane(bytes, 6, load<i8>(at + 6 * stride));
    bytes = i8x16.replace_lane(bytes, 7, load<i8>(at + 7 * stride));
    bytes = i8x16.replace_lane(bytes, 8, load<i8>(at + 8 * stride));
    bytes = i8x16.replace_lane(bytes, 9, load<i8>(at + 9 * stride));
    bytes = i8x16.replace_lane(bytes, 10, load<i8>(at + 10 * stride));
    bytes = i8x16.replace_lane(bytes, 11, load<i8>(at + 11 * stride));
    bytes = i8x16.replace_lane(bytes, 12, load<i8>(at + 12 * stride));
    bytes = i8x16.replace_lane(bytes, 13, load<i8>(at + 13 * stride));
    bytes = i8x16.replace_lane(bytes, 14, load<i8>(at + 14 * stride));
    bytes = i8x16.replace_lane(bytes, 15, load<i8>(at + 15 * stride));
    v128.store(out + column * <usize>samples, bytes);
  }
}

/** Largest number that a value of `most` may have, of 32,767: what is rounded up stays below that. */
const MOST_REACH: f32 = 32000;

/**
 * For each sample, what one of its numbers in `most` counts: none can be above twice the product of the norms, which have the error, and the largest
 * bias. A byte's error is at most half its step, so that a row's is at most √d_in / 126 of its norm, and a third where bytes are used.
 */
export function scaleSamples(): void {
  let largestNorm: f32 = 0;
  let largestBias: f32 = 0;
  for (let latent: usize = 0, end = <usize>columns; latent < end; latent++) {
    const index = latent << 2;
    const weight: f32 = weighsByNorm ? load<f32>(norms + index) : 1;
    largestNorm = max(largestNorm, load<f32>(latentNorms + index) * weight);
    largestBias = max(largestBias, abs(load<f32>(encoderBias + index)) * weight);
  }
  for (let at: usize = 0, end = (<usize>samples) << 2; at < end; at += 4) {
    const largest = <f32>2 * (load<f32>(rowNorms + at) * largestNorm + largestBias);
    store<f32>(mostScales + at, largest > 0 ? MOST_REACH / largest : 1);
    store<f32>(mostSteps + at, largest > 0 ? largest / MOST_REACH : 1);
  }
}

/** 3 · 2²²: added to a number below 2²² it leaves the nearest whole one in the last bits of the sum, much sooner than a conversion does. */
const TO_WHOLE: f32 = 12582912;

/** Numbers below 2²² rounded up, by at least a half and at most three halves. */
function roundedUp(values: v128): v128 {
  return i32x4.sub(f32x4.add(values, f32x4.splat(TO_WHOLE + 1)), f32x4.splat(TO_WHOLE));
}

/**
 * From products of latents from..to (at `products`, int32 [to - from, samples]): the most that each pre-activation can be, rounded up, as int16 in
 * `most` [columns, samples]; and the largest lower bound of each pool of `pool` latents, for each sample, in `byteMaxima` [pools, samples]: each
 * is that of a latent of its own. `from` is the first of a pool.
 */
export function boundProducts(products: usize, pool: i32, from: i32, to: i32): void {
  const rowBytes = (<usize>samples) << 2;
  let out = byteMaxima + <usize>(from / pool) * rowBytes;
  for (let first = from; first < to; first += pool) {
    for (let at: usize = 0; at < rowBytes; at += 16) v128.store(out + at, f32x4.splat(-f32.MAX_VALUE));
    for (let latent = first, end = min(first + pool, to); latent < end; latent++) {
      const index = (<usize>latent) << 2;
      // Where the choice takes the decoder's norms, they multiply everything.
      const weight: f32 = weighsByNorm ? load<f32>(norms + index) : 1;
      const weighedBias = load<f32>(encoderBias + index) * weight;
      const scale = f32x4.splat(load<f32>(latentScales + index) * weight);
      const bias = f32x4.splat(weighedBias);
      const ofError = f32x4.splat(load<f32>(latentNorms + index) * weight);
      const ofNorm = f32x4.splat(load<f32>(latentErrors + index) * weight);
      const ofBias = f32x4.splat(BIAS_SLACK * abs(weighedBias));
      const row = products + <usize>(latent - from) * rowBytes;
      const mostRow = most + ((<usize>latent * <usize>samples) << 1);
      for (let at: usize = 0; at < rowBytes; at += 32) {
        const product1 = f32x4.mul(f32x4.convert_i32x4_s(v128.load(row + at)), scale);
        const product2 = f32x4.mul(f32x4.convert_i32x4_s(v128.load(row + at, 16)), scale);
        const estimate1 = f32x4.add(f32x4.mul(product1, v128.load(rowScales + at)), bias);
        const estimate2 = f32x4.add(f32x4.mul(product2, v128.load(rowScales + at, 16)), bias);
        const missed1 = f32x4.add(
          f32x4.add(f32x4.mul(v128.load(rowErrors + at), ofError), f32x4.mul(v128.load(rowNorms + at), ofNorm)),
          ofBias,
        );
        const missed2 = f32x4.add(
          f32x4.add(f32x4.mul(v128.load(rowErrors + at, 16), ofError), f32x4.mul(v128.load(rowNorms + at, 16), ofNorm)),
          ofBias,
        );
        v128.store(out + at, f32x4.pmax(v128.load(out + at), f32x4.sub(estimate1, missed1)));
        v128.store(out + at, f32x4.pmax(v128.load(out + at, 16), f32x4.sub(estimate2, missed2)), 16);
        const most1 = roundedUp(f32x4.mul(f32x4.add(estimate1, missed1), v128.load(mostScales + at)));
        const most2 = roundedUp(f32x4.mul(f32x4.add(estimate2, missed2), v128.load(mostScales + at, 16)));
        v128.store(mostRow + (at >> 1), i16x8.narrow_i32x4_s(most1, most2));
      }
    }
    // Room beyond the batch is no sample.
    for (let row = batch; row < samples; row++) store<f32>(out + ((<usize>row) << 2), -f32.MAX_VALUE);
    out += rowBytes;
  }
}

/**
 * For each sample, a bound that at least `shared` of its latents reach, and few more, in `bounds`, and one that `own` of them do in `ownBounds`; the
 * smallest positive number where fewer are.
 */
export function boundSamples(shared: i32, own: i32, pools: i32): void {
  const rowBytes = (<usize>samples) << 2;
  for (let at: usize = 0; at < rowBytes; at += 16) {
    // Rows that stand a power of two apart fall into one place of the cache: side by side they are read once, and not in each halving.
    for (let pool = 0; pool < pools; pool++) {
      v128.store(ranked + ((<usize>pool) << 4), v128.load(byteMaxima + <usize>pool * rowBytes + at));
    }
    const bound = boundOfLanes(shared, pools);
    v128.store(bounds + at, bound);
    v128.store(ownBounds + at, own === shared ? bound : boundOfLanes(own, pools));
  }
}

/** In each lane, a bound that at least `n` of that lane's numbers in `ranked` [pools, 4] reach. */
function boundOfLanes(n: i32, pools: i32): v128 {
  const end = ranked + ((<usize>pools) << 4);
  const wanted = i32x4.splat(n);
  let low = f32x4.splat(SMALLEST_POSITIVE);
  let high = low;
  for (let pool = ranked; pool < end; pool += 16) high = f32x4.pmax(high, v128.load(pool));
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = f32x4.add(low, f32x4.mul(f32x4.sub(high, low), f32x4.splat(0.5)));
    let counts = i32x4.splat(0);
    for (let pool = ranked; pool < end; pool += 16) counts = i32x4.sub(counts, f32x4.ge(v128.load(pool), middle));
    const reached = i32x4.ge_s(counts, wanted);
    low = v128.bitselect(middle, low, reached);
    high = v128.bitselect(high, middle, reached);
  }
  return low;
}

/** The same for all samples together: bounds that so many pre-activations of the batch reach. */
export function boundBatch(shared: i32, own: i32, pools: i32): void {
  const vectors = (pools * samples) >> 2;
  const bound = f32x4.splat(boundAmong(byteMaxima, vectors, shared));
  const ownBound = own === shared ? bound : f32x4.splat(boundAmong(byteMaxima, vectors, own));
  for (let at: usize = 0, end = (<usize>samples) << 2; at < end; at += 16) {
    v128.store(bounds + at, bound);
    v128.store(ownBounds + at, ownBound);
  }
}

/** The number in `most` that what reaches `floors` is above: eight samples from `at` on. */
function mostBelow(floors1: v128, floors2: v128, at: usize): v128 {
  const below1 = f32x4.floor(f32x4.mul(floors1, v128.load(mostScales + at)));
  const below2 = f32x4.floor(f32x4.mul(floors2, v128.load(mostScales + at, 16)));
  return i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(below1), i32x4.trunc_sat_f32x4_s(below2));
}

/**
 * Lists what may reach its sample's bound, or, `byLatent`, its latent's `lowest`, by latent, then by row, with the most that it can be. Where it
 * is sure to reach its sample's bound the row is written as −1 − row. Their number, or -1 where there are more than `capacity` of them.
 */
export function listCandidates(capacity: i32, byLatent: bool): i32 {
  const rowBytes = (<usize>samples) << 1;
  let count = 0;
  if (!byLatent) {
    for (let at: usize = 0; at < 2 * rowBytes; at += 32) {
      v128.store(leastOfMost + (at >> 1), mostBelow(v128.load(bounds + at), v128.load(bounds + at, 16), at));
    }
  }
  for (let latent = 0; latent < columns; latent++) {
    if (count > capacity - samples) return -1;
    const index = (<usize>latent) << 2;
    const ofLatent = f32x4.splat(byLatent ? load<f32>(lowest + index) : 0);
    const mostRow = most + <usize>latent * rowBytes;
    const first = count;
    for (let at: usize = 0; at < rowBytes; ) {
      // Up to 64 samples at once: how often a short loop turns is hard to guess.
      const row = <i32>(at >> 1);
      let lanes: u64 = 0;
      for (let bit: u64 = 0; bit < 64 && at < rowBytes; bit += 16, at += 32) {
        const below1 = byLatent ? mostBelow(ofLatent, ofLatent, at << 1) : v128.load(leastOfMost + at);
        const below2 = byLatent ? mostBelow(ofLatent, ofLatent, (at + 16) << 1) : v128.load(leastOfMost + at, 16);
        const reached1 = i16x8.gt_s(v128.load(mostRow + at), below1);
        const reached2 = i16x8.gt_s(v128.load(mostRow + at, 16), below2);
        lanes |= (<u64>i8x16.bitmask(i8x16.narrow_i16x8_s(reached1, reached2))) << bit;
      }
      for (; lanes !== 0; lanes &= lanes - 1) {
        store<i32>(candidateRows + ((<usize>count) << 2), row + <i32>ctz(lanes));
        count++;
      }
    }
    // Room beyond the batch is no sample.
    while (count > first && load<i32>(candidateRows + ((<usize>count) << 2) - 4) >= batch) count--;
    noteCandidates(first, count, latent, byLatent);
  }
  return count;
}

/** Notes of candidates first..end, all of one latent, the most that each can be, and whether it is sure to reach its sample's bound. */
function noteCandidates(first: i32, end: i32, latent: i32, byLatent: bool): void {
  const index = (<usize>latent) << 2;
  const mostRow = most + ((<usize>latent * <usize>samples) << 1);
  const weight: f32 = weighsByNorm ? load<f32>(norms + index) : 1;
  // Twice the error, and a little for what is rounded here.
  const twice = NORM_SLACK * 2 * weight;
  const ofError = twice * load<f32>(latentNorms + index);
  const ofNorm = twice * load<f32>(latentErrors + index);
  const ofBias = twice * BIAS_SLACK * abs(load<f32>(encoderBias + index));
  for (let candidate = first; candidate < end; candidate++) {
    const offset = (<usize>candidate) << 2;
    const row = load<i32>(candidateRows + offset);
    const at = (<usize>row) << 2;
    const step = load<f32>(mostSteps + at);
    const largest = <f32>load<i16>(mostRow + ((<usize>row) << 1)) * step;
    const slack = SUM_SLACK * abs(largest);
    store<i32>(candidateLatents + offset, latent);
    store<f32>(candidateValues + offset, largest + slack);
    if (byLatent) continue;
    const missed = load<f32>(rowErrors + at) * ofError + load<f32>(rowNorms + at) * ofNorm + ofBias;
    // The most was rounded up by at most three halves.
    const isSure = largest - <f32>1.5 * step - missed - slack >= load<f32>(bounds + at);
    store<i32>(candidateRows + offset, isSure ? -1 - row : row);
  }
}

/** The sample of a candidate, whether or not it is sure. */
function rowOf(candidate: i32): i32 {
  const row = load<i32>(candidateRows + ((<usize>candidate) << 2));
  // -1 - row of what is sure, without a branch.
  return row ^ (row >> 31);
}

function listed(index: i32): i32 {
  return load<i32>(termRows + ((<usize>index) << 2));
}

function centredRow(index: i32): usize {
  return centred + ((<usize>rowOf(listed(index)) * <usize>width) << 2);
}

/** The value of the first `count` candidates that `termRows` lists, all of one latent: its pre-activation, times the norm where that is chosen by. */
function compute(count: i32, latent: i32): void {
  const index = (<usize>latent) << 2;
  const row = encoder + ((<usize>latent * <usize>width) << 2);
  const bias = f32x4.splat(load<f32>(encoderBias + index));
  const weight = f32x4.splat(weighsByNorm ? load<f32>(norms + index) : 1);
  for (let first = 0; first < count; first += 4) {
    const last = count - 1;
    const dots = fourDots(
      row,
      centredRow(first),
      centredRow(min(first + 1, last)),
      centredRow(min(first + 2, last)),
      centredRow(min(first + 3, last)),
    );
    v128.store(byteTile, f32x4.mul(f32x4.add(dots, bias), weight));
    for (let lane = 0, end = min(4, count - first); lane < end; lane++) {
      const value = load<f32>(byteTile + ((<usize>lane) << 2));
      store<f32>(candidateValues + ((<usize>listed(first + lane)) << 2), value);
    }
  }
}

/** One past the last of the candidates from `first` on that are of its latent. */
function endOfLatent(first: i32, count: i32): i32 {
  const latent = load<i32>(candidateLatents + ((<usize>first) << 2));
  let end = first + 1;
  while (end < count && load<i32>(candidateLatents + ((<usize>end) << 2)) === latent) end++;
  return end;
}

/**
 * Computes the candidates that are sure to reach their bound. The least of them is a bound as well, where there are at least `shared` or `own` of
 * them (of a sample, or, `together`, of the batch), and a better one: estimates lie lower than they need to. `bounds` and `ownBounds` are raised to it.
 */
export function raiseBounds(count: i32, shared: i32, own: i32, together: bool): void {
  const sampleBytes = (<usize>samples) << 2;
  // `byteMaxima` is used up.
  const counts = byteMaxima;
  const least = byteMaxima + sampleBytes;
  memory.fill(counts, 0, sampleBytes);
  for (let at: usize = 0; at < sampleBytes; at += 16) v128.store(least + at, f32x4.splat(f32.MAX_VALUE));
  let all = 0;
  let leastOfAll = f32.MAX_VALUE;
  for (let first = 0; first < count; ) {
    const end = endOfLatent(first, count);
    let sure = 0;
    for (let candidate = first; candidate < end; candidate++) {
      // Written whether or not it is one: that is hard to guess for a branch.
      store<i32>(termRows + ((<usize>sure) << 2), candidate);
      sure += <i32>(load<i32>(candidateRows + ((<usize>candidate) << 2)) < 0);
    }
    compute(sure, load<i32>(candidateLatents + ((<usize>first) << 2)));
    for (let index = 0; index < sure; index++) {
      const candidate = listed(index);
      const value = load<f32>(candidateValues + ((<usize>candidate) << 2));
      const at = (<usize>rowOf(candidate)) << 2;
      store<i32>(counts + at, load<i32>(counts + at) + 1);
      store<f32>(least + at, min(load<f32>(least + at), value));
      leastOfAll = min(leastOfAll, value);
    }
    all += sure;
    first = end;
  }
  for (let at: usize = 0; at < sampleBytes; at += 4) {
    const found = together ? all : load<i32>(counts + at);
    const value = together ? leastOfAll : load<f32>(least + at);
    if (found >= shared) raise(bounds + at, value);
    if (found >= own) raise(ownBounds + at, value);
  }
}

function raise(bound: usize, value: f32): void {
  store<f32>(bound, max(load<f32>(bound), value));
}

/** Computes what is left of `count` candidates and can reach its bound, or its latent's `lowest`, and keeps what does. How many are left. */
export function computeCandidates(count: i32, byLatent: bool): i32 {
  let kept = 0;
  computed = 0;
  for (let first = 0; first < count; ) {
    const end = endOfLatent(first, count);
    const latent = load<i32>(candidateLatents + ((<usize>first) << 2));
    const ofLatent = byLatent ? load<f32>(lowest + ((<usize>latent) << 2)) : 0;
    let left = 0;
    let sure = 0;
    // What is not kept is written over: whether something is kept is hard to guess for a branch.
    for (let candidate = first; candidate < end; candidate++) {
      const offset = (<usize>candidate) << 2;
      const isSure = load<i32>(candidateRows + offset) < 0;
      const floor = byLatent ? ofLatent : load<f32>(bounds + ((<usize>rowOf(candidate)) << 2));
      store<i32>(termRows + ((<usize>left) << 2), candidate);
      left += <i32>(load<f32>(candidateValues + offset) >= floor) & <i32>!isSure;
      sure += <i32>isSure;
    }
    compute(left, latent);
    computed += left + sure;
    for (let candidate = first; candidate < end; candidate++) {
      const row = rowOf(candidate);
      const value = load<f32>(candidateValues + ((<usize>candidate) << 2));
      const floor = byLatent ? ofLatent : load<f32>(bounds + ((<usize>row) << 2));
      const out = (<usize>kept) << 2;
      store<i32>(candidateRows + out, row);
      store<i32>(candidateLatents + out, latent);
      store<f32>(candidateValues + out, value);
      kept += <i32>(byLatent ? value > floor : value >= floor);
    }
    first = end;
  }
  return kept;
}

/** Candidates that `computeCandidates` could not rule out. */
export let computed: i32 = 0;

/** Enters `count` candidates by row, a row's by latent. */
export function enterCandidates(count: i32): void {
  sortByKey(count, candidateRows, batch, rowStarts, ranked);
  for (let entry = 0; entry < count; entry++) {
    const candidate = (<usize>load<i32>(ranked + ((<usize>entry) << 2))) << 2;
    const row = load<i32>(candidateRows + candidate);
    put(entry, row, load<i32>(candidateLatents + candidate), load<f32>(candidateValues + candidate));
  }
}

/** Keeps the `k` largest entries of each row, which are entered. Their number. */
export function keepTopOfRows(k: i32): i32 {
  let kept = 0;
  let first = 0;
  for (let row = 0; row < batch; row++) {
    const end = load<i32>(rowStarts + ((<usize>(row + 1)) << 2));
    const stop = keepLargest(first, end, k);
    const length = stop - first;
    if (kept !== first) {
      const bytes = (<usize>length) << 2;
      const from = (<usize>first) << 2;
      const to = (<usize>kept) << 2;
      memory.copy(entryRows + to, entryRows + from, bytes);
      memory.copy(entryLatents + to, entryLatents + from, bytes);
      memory.copy(entryValues + to, entryValues + from, bytes);
    }
    store<i32>(rowStarts + ((<usize>row) << 2), kept);
    kept += length;
    first = end;
  }
  store<i32>(rowStarts + ((<usize>batch) << 2), kept);
  return kept;
}
