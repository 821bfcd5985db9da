/**
 * Between the training state as everyone knows it (the parameters' names and shapes of a StepProgram) and a shard's own part:
 * the rows of its latents, with the encoder turned so that a latent's weights lie side by side.
 */
import { InvalidShapeError, InvalidValueError } from '../../errors.ts';
import { type HostTensor, type HostTensors, hostTensor, type Shape, sameShape } from '../../tensor.ts';
import { type LatentRange, latentsOf, type SparsePlan } from './plan.ts';

/** Parameters and their moments in a shard, by where they lie in it. */
export type ShardArray = 'decoder' | 'encoder' | 'encoderBias' | 'decoderBias';
export type Moment = '' | 'M' | 'V';

/**
 * A shard's arrays, [latents, d_in], [latents] or [d_in], unpadded; `decoderBias` is the same in every shard. `silent` [latents]: samples since each
 * latent last fired.
 */
export type ShardState = Partial<Record<`${ShardArray}${Moment}` | 'silent', Float32Array<ArrayBuffer>>>;

/** Name of the count of samples since each latent last fired, in the program's state. */
export const SILENT = 'buffers.silent';

export const SHARD_ARRAYS: readonly ShardArray[] = ['decoder', 'encoder', 'encoderBias', 'decoderBias'];

/** The moments that the optimizer keeps: no first one where β1 is 0. */
export function momentsOf(plan: SparsePlan): readonly Moment[] {
  return plan.optimizer.betas[0] === 0 ? ['', 'V'] : ['', 'M', 'V'];
}

const PREFIXES: Readonly<Record<Moment, string>> = { '': 'parameters.', M: 'optimizer.m.', V: 'optimizer.v.' };

/** Name of an array in the program's state. */
export function stateName(plan: SparsePlan, array: ShardArray, moment: Moment): string {
  const names = {
    decoder: plan.decoder === 'reparametrise' ? 'V' : 'W_dec',
    encoder: 'W_enc',
    encoderBias: 'b_enc',
    decoderBias: 'b_dec',
  };
  return PREFIXES[moment] + names[array];
}

/** Names of all the arrays that the shards hold. */
export function stateNames(plan: SparsePlan): readonly string[] {
  return SHARD_ARRAYS.flatMap(array => momentsOf(plan).map(moment => stateName(plan, array, moment)));
}

function shapeOf({ dIn, dSae }: SparsePlan, array: ShardArray): Shape {
  return { decoder: [dSae, dIn], encoder: [dIn, dSae], encoderBias: [dSae], decoderBias: [dIn] }[array];
}

/** Shard `shard`'s part of `state`. InvalidValueError for a missing entry, InvalidShapeError for one of another shape. */
export function divideState(plan: SparsePlan, state: HostTensors, shard: number): ShardState {
  const range = latentsOf(plan, shard);
  const own: ShardState = {};
  if (plan.countsFiring) own.silent = silentOf(plan, state).slice(range.from, range.to);
  for (const array of SHARD_ARRAYS) {
    for (const moment of momentsOf(plan)) {
      const tensor = entryOf(plan, state, array, moment);
      own[`${array}${moment}`] = partOf(plan, array, tensor.data, range);
    }
  }
  return own;
}

function silentOf({ dSae }: SparsePlan, state: HostTensors): Float32Array<ArrayBuffer> {
  const silent = state[SILENT];
  if (silent && sameShape(silent.shape, [dSae])) return Float32Array.from(silent.data);
  throw new InvalidShapeError(
    `"${SILENT}" must have shape [${dSae}], got ${silent ? `[${silent.shape.join(', ')}]` : 'none'}`,
  );
}

function entryOf(plan: SparsePlan, state: HostTensors, array: ShardArray, moment: Moment): HostTensor {
  const name = stateName(plan, array, moment);
  const tensor = state[name];
  if (!tensor) throw new InvalidValueError(`the step's state has no "${name}"`);
  const shape = shapeOf(plan, array);
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
      return data.slice(from, to);
    case 'decoderBias':
      return data.slice();
  }
}

/** The whole state from the shards' parts, in order: what divideState took apart. */
export function joinStates(plan: SparsePlan, shards: readonly ShardState[]): Record<string, HostTensor> {
  const joined: Record<string, HostTensor> = {};
  for (const array of SHARD_ARRAYS) {
    for (const moment of momentsOf(plan)) {
      const shape = shapeOf(plan, array);
      const data = new Float32Array(shape.reduce((size, dimension) => size * dimension, 1));
      for (const [shard, own] of shards.entries()) {
        placePart(plan, array, data, own[`${array}${moment}`]!, latentsOf(plan, shard));
      }
      joined[stateName(plan, array, moment)] = hostTensor(data, shape);
    }
  }
  if (plan.countsFiring) {
    joined[SILENT] = hostTensor(Float32Array.from(shards.flatMap(({ silent }) => Array.from(silent!))), [plan.dSae]);
  }
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

/** The other way round: rows of `part` become columns from..to of `matrix`. */
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
