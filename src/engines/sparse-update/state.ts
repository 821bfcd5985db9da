/**
 * Between the training state as everyone knows it (the parameters' names and shapes of a StepProgram) and a shard's own part:
 * the rows of its latents, with the encoder turned so that a latent's weights lie side by side.
 */
import { InvalidShapeError, InvalidValueError } from '../../errors.ts';
import { type HostTensor, type HostTensors, hostTensor, type Shape, sameShape, sizeOf } from '../../tensor.ts';
import { type LatentRange, latentsOf, type SparsePlan } from './plan.ts';

/** Names of the parameters that a shard holds. */
export type ShardArray = 'decoder' | 'encoder' | 'encoderBias' | 'decoderBias' | 'thresholds';
/** Which of Adam's moments: none, that is the parameter itself; the first; the second. */
export type Moment = '' | 'M' | 'V';

/** What a shard counts of each latent: for how long it has not fired; its share of the last window's samples, and how many of this window's so far. */
export type ShardCount = 'silent' | 'firingRate' | 'fired';

/**
 * A shard's arrays, [latents, d_in], [latents] or [d_in], unpadded; `decoderBias`, and the number of steps of the window in which firing is counted [1],
 * are the same in every shard.
 */
export type ShardState = Partial<
  Record<`${ShardArray}${Moment}` | ShardCount | 'windowSteps', Float32Array<ArrayBuffer>>
>;

/** The steps of the window so far, in the program's state: see models/firing-rate.ts. */
const WINDOW_STEPS = 'buffers.window_steps';

/** What the shards count of their latents, and its name in the program's state. */
export function countsOf({
  silence,
  auxK,
}: SparsePlan): readonly { readonly key: ShardCount; readonly name: string }[] {
  return [
    ...(silence === undefined ? [] : [{ key: 'silent', name: 'buffers.silent' } as const]),
    ...(auxK?.byRate
      ? [{ key: 'firingRate', name: 'buffers.firing_rate' } as const, { key: 'fired', name: 'buffers.fired' } as const]
      : []),
  ];
}

/** A parameter or one of its moments. */
export interface ShardEntry {
  readonly array: ShardArray;
  readonly moment: Moment;
  /** Where it lies in a shard. */
  readonly key: `${ShardArray}${Moment}`;
}

/**
 * The entries that shards hold: without first moments where β1 is 0, without moments of parameters that are held, with
 * thresholds where there are any.
 */
export function shardEntries({ optimizer, holdsBias, selection }: SparsePlan): readonly ShardEntry[] {
  const all: readonly Moment[] = optimizer.betas[0] === 0 ? ['', 'V'] : ['', 'M', 'V'];
  const arrays: ShardArray[] = ['decoder', 'encoder', 'encoderBias', 'decoderBias'];
  if (selection.kind === 'jumprelu') arrays.push('thresholds');
  return arrays.flatMap(array =>
    (array === 'decoderBias' && holdsBias ? ([''] as const) : all).map(moment => ({
      array,
      moment,
      key: `${array}${moment}` as const,
    })),
  );
}

const PREFIXES: Readonly<Record<Moment, string>> = { '': 'parameters.', M: 'optimizer.m.', V: 'optimizer.v.' };

/** Name of an array in the program's state. */
export function stateName(plan: SparsePlan, array: ShardArray, moment: Moment): string {
  const names = {
    decoder: plan.decoder === 'reparametrise' ? 'V' : 'W_dec',
    encoder: 'W_enc',
    encoderBias: 'b_enc',
    decoderBias: 'b_dec',
    thresholds: 'threshold',
  };
  return PREFIXES[moment] + names[array];
}

/** Names of all the arrays that the shards hold. */
export function stateNames(plan: SparsePlan): readonly string[] {
  return [
    ...shardEntries(plan).map(({ array, moment }) => stateName(plan, array, moment)),
    ...countsOf(plan).map(({ name }) => name),
    ...(plan.auxK?.byRate ? [WINDOW_STEPS] : []),
  ];
}

function shapeOf({ dIn, dSae }: SparsePlan, array: ShardArray): Shape {
  return { decoder: [dSae, dIn], encoder: [dIn, dSae], encoderBias: [dSae], decoderBias: [dIn], thresholds: [dSae] }[
    array
  ];
}

/**
 * Shard `shard`'s part of `state`.
 * @throws InvalidValueError for a missing entry
 * @throws InvalidShapeError for one of another shape
 */
export function divideState(plan: SparsePlan, state: HostTensors, shard: number): ShardState {
  const range = latentsOf(plan, shard);
  const own: ShardState = {};
  for (const { array, moment, key } of shardEntries(plan)) {
    const tensor = entryOf(state, stateName(plan, array, moment), shapeOf(plan, array));
    own[key] = partOf(plan, array, tensor.data, range);
  }
  for (const { key, name } of countsOf(plan)) {
    own[key] = Float32Array.from(entryOf(state, name, [plan.dSae]).data.subarray(range.from, range.to));
  }
  if (plan.auxK?.byRate) own.windowSteps = Float32Array.from(entryOf(state, WINDOW_STEPS, []).data);
  return own;
}

function entryOf(state: HostTensors, name: string, shape: Shape): HostTensor {
  const tensor = state[name];
  if (!tensor) throw new InvalidValueError(`the step's state has no "${name}"`);
  if (!sameShape(tensor.shape, shape)) {
    throw new InvalidShapeError(`"${name}" must have shape [${shape.join(', ')}], got [${tensor.shape.join(', ')}]`);
  }
  return tensor;
}

function partOf({ dIn, dSae }: SparsePlan, array: ShardArray, data: Float32Array, { from, to }: LatentRange) {
  switch (array) {
    case 'decoder':
      return data.slice(from * dIn, to * dIn);
    case 'encoder': {
      const rows = new Float32Array((to - from) * dIn);
      transpose(data, rows, { rows: dIn, columns: dSae, from, to });
      return rows;
    }
    case 'encoderBias':
    case 'thresholds':
      return data.slice(from, to);
    case 'decoderBias':
      return data.slice();
  }
}

/** The whole state from the shards' parts, in order: what divideState took apart. */
export function joinStates(plan: SparsePlan, shards: readonly ShardState[]): Record<string, HostTensor> {
  const joined: Record<string, HostTensor> = {};
  for (const { array, moment, key } of shardEntries(plan)) {
    const shape = shapeOf(plan, array);
    const data = new Float32Array(sizeOf(shape));
    for (const [shard, own] of shards.entries()) placePart(plan, array, data, own[key]!, latentsOf(plan, shard));
    joined[stateName(plan, array, moment)] = hostTensor(data, shape);
  }
  for (const { key, name } of countsOf(plan)) {
    const counts = new Float32Array(plan.dSae);
    for (const [shard, own] of shards.entries()) counts.set(own[key]!, latentsOf(plan, shard).from);
    joined[name] = hostTensor(counts, [plan.dSae]);
  }
  if (plan.auxK?.byRate) joined[WINDOW_STEPS] = hostTensor(shards[0]!.windowSteps!, []);
  return joined;
}

function placePart(
  { dIn, dSae }: SparsePlan,
  array: ShardArray,
  data: Float32Array,
  part: Float32Array,
  { from, to }: LatentRange,
): void {
  switch (array) {
    case 'decoder':
      data.set(part, from * dIn);
      break;
    case 'encoder':
      untranspose(part, data, { rows: dIn, columns: dSae, from, to });
      break;
    case 'encoderBias':
    case 'thresholds':
      data.set(part, from);
      break;
    case 'decoderBias':
      data.set(part);
      break;
  }
}

interface Block {
  readonly rows: number;
  readonly columns: number;
  readonly from: number;
  readonly to: number;
}

/** Blocks of this many columns keep both sides of a transposition in cache. */
const BLOCK = 16;

/** Columns from..to of a matrix [rows, columns], as the rows of `out`. */
function transpose(matrix: Float32Array, out: Float32Array, { rows, columns, from, to }: Block): void {
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(to, start + BLOCK);
    for (let row = 0; row < rows; row++) {
      for (let column = start; column < end; column++) {
        out[(column - from) * rows + row] = matrix[row * columns + column]!;
      }
    }
  }
}

/** The inverse of `transpose`: rows of `part` become columns from..to of `matrix`. */
function untranspose(part: Float32Array, matrix: Float32Array, { rows, columns, from, to }: Block): void {
  for (let start = from; start < to; start += BLOCK) {
    const end = Math.min(to, start + BLOCK);
    for (let row = 0; row < rows; row++) {
      for (let column = start; column < end; column++) {
        matrix[row * columns + column] = part[(column - from) * rows + row]!;
      }
    }
  }
}
