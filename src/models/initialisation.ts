/**
 * The starts of a sparse autoencoder's decoder directions. On small problems the start decides much of what is
 * recovered, so it is a named option everywhere.
 *
 * - `gaussian`: uniform on the sphere.
 * - `activations`: centred activations at random.
 * - `blend`: p · activation + (1 − p) · Gaussian of the same norm (Anthropic's datapoint initialisation).
 * - `spread` (ours): centred activations far apart in angle, in the manner of k-means++ (Arthur & Vassilvitskii 2007):
 * each next one is drawn with probability ∝ (1 − largest cosine to one already chosen)⁴.
 *
 * From activations, those of norm ≤ 0.1 × the mean norm after centring are dropped (a sample without features has no
 * direction but rounding), and none is taken twice. Where more directions are asked for than that leaves, the rest are
 * drawn as `blend` with replacement: no two latents start equal, since equal ones may stay so.
 *
 * `spread` compares each direction that it takes with all that it took before. Of many, that is left to whoever runs
 * it: `startingDirections` asks for the cosines of all rows with a block of chosen ones, which ONNX Runtime computes a
 * hundred times as fast as this file.
 */
import type { RandomSource } from '../data/random-source.ts';
import { distinctIndices } from '../data/shuffle.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import { SumTree } from './sum-tree.ts';

/**
 * The kinds of starting directions. `gaussian`: independent of the data. `activations`: random rows of it. `spread`:
 * rows of it, each drawn far from those before. `blend`: a mixture of Gaussian rows and activations.
 */
export const INITIALISATIONS = ['gaussian', 'activations', 'spread', 'blend'] as const;

/** A kind of starting directions; see `INITIALISATIONS`. */
export type Initialisation = (typeof INITIALISATIONS)[number];

/** What starting directions are made from. */
export interface InitialDirectionsOptions {
  readonly dIn: number;
  readonly dSae: number;
  readonly random: RandomSource;
  /** Activations [n, dIn], which all kinds but `gaussian` need: at least 4,000 rows, better several times dSae. */
  readonly activations?: HostTensor;
  /** The point that is subtracted from activations, [dIn]: b_dec. Default zeros. */
  readonly center?: ArrayLike<number>;
  /** The p of `blend`, between 0 and 1. Default 0.8. */
  readonly blend?: number;
}

const NORM_CUTOFF = 0.1;
const SPREAD_POWER = 4;
/** Rows whose 1 − cosine is below float32's rounding are one direction. */
const SAME_DIRECTION = 1e-6;

/**
 * A request for the largest cosine of each row of `rows` [n, d_in] with the rows of `chosen` [m, d_in], all of unit
 * norm. The answer is [n].
 */
export interface CosineQuestion {
  /** One array for all requests of a start. */
  readonly rows: Float32Array;
  readonly chosen: Float32Array;
  readonly dIn: number;
  /** The share of directions that are chosen. */
  readonly done: number;
}

/**
 * Starting directions [dSae, dIn] of the given kind, every row of unit norm.
 * @throws InvalidValueError where a size is not positive, where the kind needs activations and has none, or where none
 *   of them differs from the center
 * @throws InvalidShapeError where shapes disagree
 */
export function initialDirections(kind: Initialisation, options: InitialDirectionsOptions): HostTensor {
  const asking = startingDirections(kind, options);
  let step = asking.next(new Float32Array(0));
  while (!step.done) {
    const { rows, chosen, dIn } = step.value;
    const largest = new Float32Array(rows.length / dIn);
    for (let row = 0; row < largest.length; row++) {
      largest[row] = largestDot(rows.subarray(row * dIn, (row + 1) * dIn), chosen, 0, chosen.length / dIn);
    }
    step = asking.next(largest);
  }
  return step.value;
}

/**
 * `initialDirections`, whose requests for cosines the caller answers. A `spread` of few numbers (multiplied, twice
 * over, at most `mostComparedHere`) requests none, so that such a start has the same bits wherever it is computed.
 */
export function* startingDirections(
  kind: Initialisation,
  options: InitialDirectionsOptions,
  mostComparedHere = MOST_COMPARED_HERE,
): Generator<CosineQuestion, HostTensor, Float32Array> {
  const { dIn, dSae, random, blend = 0.8 } = options;
  requireCount('dIn', dIn);
  requireCount('dSae', dSae);
  if (!(blend >= 0 && blend <= 1)) throw new InvalidValueError(`blend is ${blend}: it must be between 0 and 1`);
  if (!INITIALISATIONS.includes(kind)) {
    throw new InvalidValueError(`initialisation '${kind}': expected one of ${INITIALISATIONS.join(', ')}`);
  }
  const data = new Float32Array(dSae * dIn);
  const result: HostTensor = { data, shape: [dSae, dIn] };
  if (kind === 'gaussian') {
    for (let row = 0; row < dSae; row++) gaussianDirection(data.subarray(row * dIn, (row + 1) * dIn), random);
    return result;
  }

  const directions = activationDirections(kind, options);
  const count = directions.length / dIn;
  const chosen =
    kind === 'spread'
      ? yield* spreadRows(directions, dIn, dSae, random, mostComparedHere)
      : distinctIndices(count, dSae, random);
  for (let row = 0; row < dSae; row++) {
    const from = chosen[row] ?? random.integer(count);
    const target = data.subarray(row * dIn, (row + 1) * dIn);
    const direction = directions.subarray(from * dIn, (from + 1) * dIn);
    if (kind === 'blend' || row >= chosen.length) blendInto(target, direction, blend, random);
    else target.set(direction);
  }
  return result;
}

/** Centred activations of more than negligible norm, scaled to unit norm; row-major. */
function activationDirections(kind: Initialisation, options: InitialDirectionsOptions): Float32Array {
  const { dIn, activations, center } = options;
  if (activations === undefined) {
    throw new InvalidValueError(`initialisation '${kind}' draws on activations, and none were given`);
  }
  const n = activations.shape[0] ?? 0;
  if (activations.shape.length !== 2 || activations.shape[1] !== dIn || n === 0) {
    throw new InvalidShapeError(
      `activations for initialisation '${kind}': expected [n, ${dIn}], got [${activations.shape.join(', ')}]`,
    );
  }
  if (center !== undefined && center.length !== dIn) {
    throw new InvalidShapeError(`center for initialisation '${kind}': expected ${dIn} values, got ${center.length}`);
  }
  const centred = Float32Array.from(activations.data);
  const norms = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    const values = centred.subarray(row * dIn, (row + 1) * dIn);
    if (center) for (let i = 0; i < dIn; i++) values[i]! -= center[i]!;
    norms[row] = norm(values);
  }
  const meanNorm = norms.reduce((sum, value) => sum + value, 0) / n;
  if (!Number.isFinite(meanNorm)) {
    throw new InvalidValueError(`activations for initialisation '${kind}': every value must be finite`);
  }
  if (meanNorm === 0) {
    throw new InvalidValueError(
      `activations for initialisation '${kind}': all ${n} equal the center, so none has a direction; 'gaussian' needs none`,
    );
  }
  let kept = 0;
  for (let row = 0; row < n; row++) {
    if (norms[row]! <= NORM_CUTOFF * meanNorm) continue;
    for (let i = 0; i < dIn; i++) centred[kept * dIn + i] = centred[row * dIn + i]! / norms[row]!;
    kept++;
  }
  return centred.subarray(0, kept * dIn);
}

/**
 * Up to `wanted` rows spread in angle; fewer where all others are parallel to a chosen one.
 *
 * A weight only falls as rows are chosen, so an old weight bounds it: a row is proposed by its old weight, brought up to
 * date with the rows chosen since it was last looked at, and accepted with probability new / old. The distribution is exactly
 * that of updating every weight after every choice, and no pair of rows is ever compared twice or without need. Where very many are chosen,
 * all weights are brought up to date together, block by block: more comparisons, each of them far cheaper.
 */
function* spreadRows(
  directions: Float32Array,
  dIn: number,
  wanted: number,
  random: RandomSource,
  mostComparedHere: number,
): Generator<CosineQuestion, number[], Float32Array> {
  const count = directions.length / dIn;
  const asks = Math.min(count, wanted) ** 2 * dIn > mostComparedHere;
  let upToDate = 0;
  const chosen: number[] = [];
  const chosenDirections = new Float32Array(Math.min(count, wanted) * dIn);
  const largestCosine = new Float32Array(count).fill(-1);
  const compared = new Int32Array(count);
  const weights = new SumTree(count, 2 ** SPREAD_POWER);
  while (chosen.length < wanted && weights.total > 0) {
    const row = weights.find(random.uniform());
    const direction = directions.subarray(row * dIn, (row + 1) * dIn);
    const largest = Math.max(
      largestCosine[row]!,
      largestDot(direction, chosenDirections, compared[row]!, chosen.length),
    );
    largestCosine[row] = largest;
    compared[row] = chosen.length;
    const weight = weightAt(largest);
    const accepted = random.uniform() * weights.weight(row) < weight;
    if (accepted) {
      chosenDirections.set(direction, chosen.length * dIn);
      chosen.push(row);
    }
    weights.setWeight(row, accepted ? 0 : weight);
    if (!asks || chosen.length - upToDate < COMPARED_AT_ONCE || chosen.length === wanted) continue;
    const block = chosenDirections.subarray(upToDate * dIn, chosen.length * dIn);
    upToDate = chosen.length;
    const cosines = yield { rows: directions, chosen: block, dIn, done: upToDate / wanted };
    for (let other = 0; other < count; other++) {
      // A row that is chosen, or parallel to a chosen one, keeps weight 0.
      if (weights.weight(other) === 0) continue;
      const own = Math.max(largestCosine[other]!, cosines[other]!);
      largestCosine[other] = own;
      compared[other] = upToDate;
      weights.setWeight(other, weightAt(own));
    }
  }
  return chosen;
}

/**
 * Up to this many multiplications, counted twice, the comparisons of `spread` are made here and take a second or two:
 * 4,096 rows of 512.
 */
const MOST_COMPARED_HERE = 2 ** 33;
/**
 * How many chosen rows all rows are compared with together. A row that is proposed in between is compared with the
 * fewer ones since then.
 */
const COMPARED_AT_ONCE = 128;

/** The weight of a row whose largest cosine to a chosen one is `cosine`. */
function weightAt(cosine: number): number {
  const distance = 1 - cosine;
  return distance < SAME_DIRECTION ? 0 : distance ** SPREAD_POWER;
}

/** The largest dot product of `direction` with rows `from` to `to` of `rows`, at least −1; four rows at a time share its reads. */
function largestDot(direction: Float32Array, rows: Float32Array, from: number, to: number): number {
  const width = direction.length;
  let largest = -1;
  let row = from;
  for (; row + 4 <= to; row += 4) {
    const a = row * width;
    const b = a + width;
    const c = b + width;
    const d = c + width;
    let dotA = 0;
    let dotB = 0;
    let dotC = 0;
    let dotD = 0;
    for (let i = 0; i < width; i++) {
      const value = direction[i]!;
      dotA += value * rows[a + i]!;
      dotB += value * rows[b + i]!;
      dotC += value * rows[c + i]!;
      dotD += value * rows[d + i]!;
    }
    largest = Math.max(largest, dotA, dotB, dotC, dotD);
  }
  for (; row < to; row++) {
    let dot = 0;
    for (let i = 0; i < width; i++) dot += direction[i]! * rows[row * width + i]!;
    largest = Math.max(largest, dot);
  }
  return largest;
}

function gaussianDirection(target: Float32Array, random: RandomSource): void {
  do {
    for (let i = 0; i < target.length; i++) target[i] = random.normal();
  } while (!scaleToUnitNorm(target));
}

/** p · direction + (1 − p) · a Gaussian of unit norm, scaled to unit norm. */
function blendInto(target: Float32Array, direction: Float32Array, p: number, random: RandomSource): void {
  do {
    gaussianDirection(target, random);
    for (let i = 0; i < target.length; i++) target[i] = p * direction[i]! + (1 - p) * target[i]!;
  } while (!scaleToUnitNorm(target));
}

/**
 * Scales a row to norm 1.
 * @returns false, with nothing done, where the row is zero
 */
function scaleToUnitNorm(row: Float32Array): boolean {
  const length = norm(row);
  if (length === 0) return false;
  for (let i = 0; i < row.length; i++) row[i]! /= length;
  return true;
}

function norm(row: Float32Array): number {
  let squared = 0;
  for (let i = 0; i < row.length; i++) squared += row[i]! * row[i]!;
  return Math.sqrt(squared);
}

function requireCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidValueError(`${name} is ${value}: it must be positive, and an integer`);
  }
}
