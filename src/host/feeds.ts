/**
 * Prepares a model's inputs: the caller's arrays as ONNX Runtime's tensors, and the inputs that follow from them
 * (masks, positions, caches).
 */
import { getFloat16, setFloat16 } from '@petamoriken/float16';
import type { Tensor } from 'onnxruntime-common';
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { TensorDescription } from '../onnx/inspect.ts';
import type { Runtime } from '../sessions/runtime.ts';
import { type HostTensor, type Shape, sizeOf } from '../tensor.ts';

/** An input's values, row-major; integers may be given as bigint. */
export interface HostInput {
  readonly data: ArrayLike<number> | ArrayLike<bigint>;
  readonly shape: Shape;
}

/** Inputs by name. */
export type HostInputs = Readonly<Record<string, HostInput>>;

/** Names of inputs that hold the cache of earlier calls; a first call feeds them with length zero. */
const CACHE = /past|cache|present/i;

/** Whether a name is that of an attention mask. */
export const isMaskName = (name: string): boolean => /mask/i.test(name);

/** Whether an input holds token ids: [batch, seq] of integers, and neither mask, positions nor segments. */
export function isTokenInput({ name, type, shape }: TensorDescription): boolean {
  return (
    (type === 'int64' || type === 'int32') &&
    (shape === undefined || shape.length === 2) &&
    !isMaskName(name) &&
    !/position|segment|type/i.test(name) &&
    !CACHE.test(name)
  );
}

/** The input that an array without a name feeds: the one that holds tokens, or the only one that is neither mask, positions nor cache. */
export function mainInput(inputs: readonly TensorDescription[]): TensorDescription {
  const tokens = inputs.filter(isTokenInput);
  const others = inputs.filter(
    ({ name }) => !isMaskName(name) && !CACHE.test(name) && !/position|token_type|segment/i.test(name),
  );
  const candidates = tokens.length === 1 ? tokens : others;
  if (candidates.length === 1) return candidates[0]!;
  throw new InvalidValueError(
    `which input is meant? Name it (name=file): ${inputs.map(({ name }) => name).join(', ') || 'the model has none'}`,
  );
}

/**
 * The input [batch, seq] that is 0 at padded positions of the main input: `attention_mask`, or the only mask of the
 * main input's dimensions. A mask of other dimensions (an encoder's, for example) does not mask these positions.
 */
export function mainMask(inputs: readonly TensorDescription[]): string | undefined {
  const masks = inputs.filter(({ name, shape }) => isMaskName(name) && (shape?.length ?? 2) === 2);
  const named = masks.find(({ name }) => name === 'attention_mask');
  if (named) return named.name;
  const tokens = inputs.filter(isTokenInput);
  if (tokens.length !== 1) return undefined;
  const { shape } = tokens[0]!;
  const fitting = masks.filter(mask => !shape || !mask.shape || mask.shape.every((size, i) => size === shape[i]));
  return fitting.length === 1 ? fitting[0]!.name : undefined;
}

/** Integer arrays by type. */
const INTEGERS = {
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
} as const;

/** A tensor of the model's type `type` for ONNX Runtime. float32 data is not copied. */
export function toTensor({ ort }: Runtime, type: string, { data, shape }: HostInput, name: string): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new InvalidShapeError(`input ${name}: ${data.length} values do not fill the shape [${shape.join(', ')}]`);
  }
  const numbers = (): ArrayLike<number> =>
    typeof data[0] === 'bigint' ? Array.from(data, Number) : (data as ArrayLike<number>);
  switch (type) {
    case 'float32':
      return new ort.Tensor('float32', data instanceof Float32Array ? data : Float32Array.from(numbers()), shape);
    case 'float64':
      return new ort.Tensor('float64', Float64Array.from(numbers()), shape);
    case 'float16': {
      const bits = new Uint16Array(data.length);
      const view = new DataView(bits.buffer);
      const values = numbers();
      for (let i = 0; i < bits.length; i++) setFloat16(view, 2 * i, values[i]!, true);
      // Where JavaScript has a Float16Array (Node 24) the tensor shows its bits as one, which onnxruntime-node takes for an empty array.
      return Object.defineProperty(new ort.Tensor('float16', bits, shape), 'data', { value: bits });
    }
    case 'int64':
    case 'uint64': {
      if (data instanceof BigInt64Array) return new ort.Tensor('int64', data, shape);
      const values = new (type === 'int64' ? BigInt64Array : BigUint64Array)(data.length);
      for (let i = 0; i < values.length; i++) {
        const value = data[i]!;
        if (typeof value === 'number' && !Number.isInteger(value)) {
          throw new InvalidValueError(`input ${name} takes ${type}; ${value} at ${i} is no integer`);
        }
        values[i] = BigInt(value);
      }
      return new ort.Tensor(type, values as BigInt64Array, shape);
    }
    case 'bool':
      return new ort.Tensor(
        'bool',
        Uint8Array.from(numbers(), value => (value === 0 ? 0 : 1)),
        shape,
      );
    default: {
      const kind = INTEGERS[type as keyof typeof INTEGERS];
      if (!kind) throw new FileFormatError(`the input ${name} is ${type}, which cannot be fed`);
      return new ort.Tensor(type as 'int32', kind.from(numbers()) as Int32Array, shape);
    }
  }
}

/**
 * The sizes of dimensions by name, as the inputs that were given have them.
 * @throws InvalidShapeError where two inputs contradict each other
 */
function namedSizes(inputs: readonly TensorDescription[], given: HostInputs): Map<string, number> {
  const sizes = new Map<string, { readonly size: number; readonly of: string }>();
  for (const { name, shape } of inputs) {
    const fed = given[name]?.shape;
    shape?.forEach((dimension, i) => {
      const size = fed?.[i];
      // The dimensions of caches, and sums that contain them, have no size of their own.
      if (typeof dimension !== 'string' || dimension === '?' || size === undefined || /[+*\s]/.test(dimension)) return;
      const before = sizes.get(dimension);
      if (before && before.size !== size) {
        throw new InvalidShapeError(
          `input ${name} is fed [${fed!.join(', ')}], ${before.of} [${given[before.of]!.shape.join(', ')}]: both have the dimension ${dimension}`,
        );
      }
      sizes.set(dimension, { size, of: name });
    });
  }
  return new Map([...sizes].map(([name, { size }]) => [name, size]));
}

/**
 * Adds the inputs that follow from the given ones: attention masks of ones, positions counted along the mask (as
 * transformers does, 1 where the mask is 0), token types of zero, and caches of length zero.
 * @throws InvalidValueError where an input remains about which nothing is known, or where one is given that the model
 *   does not have
 * @throws InvalidShapeError where an input does not fit the shape that the model states
 */
export function completeInputs(inputs: readonly TensorDescription[], given: HostInputs): HostInputs {
  const known = new Set(inputs.map(({ name }) => name));
  const foreign = Object.keys(given).find(name => !known.has(name));
  if (foreign !== undefined) {
    throw new InvalidValueError(`the model has no input ${foreign}; its inputs are ${[...known].join(', ')}`);
  }
  for (const { name, shape } of inputs) {
    const fed = given[name]?.shape;
    if (!fed || !shape) continue;
    if (fed.length !== shape.length || shape.some((size, i) => typeof size === 'number' && size !== fed[i])) {
      throw new InvalidShapeError(`input ${name} is fed [${fed.join(', ')}]; the model takes [${shape.join(', ')}]`);
    }
  }
  const complete: Record<string, HostInput> = { ...given };
  const sizes = namedSizes(inputs, given);
  const lead =
    given[inputs.find(input => isTokenInput(input) && given[input.name])?.name ?? Object.keys(given)[0] ?? ''];
  const [batch = 1, seq = 1] = lead?.shape ?? [];
  const missing: string[] = [];
  const mask = () =>
    inputs.map(({ name }) => (isMaskName(name) ? complete[name] : undefined)).find(found => found?.shape.length === 2);
  // Masks come first, because positions follow from them.
  for (const input of [...inputs].sort((a, b) => Number(isMaskName(b.name)) - Number(isMaskName(a.name)))) {
    const { name, shape } = input;
    if (complete[name]) continue;
    if (isMaskName(name) && (shape?.length ?? 2) === 2) {
      complete[name] = { data: new Uint8Array(batch * seq).fill(1), shape: [batch, seq] };
    } else if (/position/i.test(name) && (shape?.length ?? 2) <= 2) {
      complete[name] = positionsFor(mask(), batch, seq, shape?.length ?? 2);
    } else if (/token_type|segment/i.test(name)) {
      complete[name] = { data: new Uint8Array(batch * seq), shape: [batch, seq] };
    } else if (CACHE.test(name) && shape && shape.length >= 3) {
      const dims = shape.map((size, i) =>
        typeof size === 'number' ? size : i === 0 ? batch : sizes.get(size) && !CACHE.test(size) ? sizes.get(size)! : 0,
      );
      complete[name] = { data: new Float32Array(sizeOf(dims)), shape: dims };
    } else if (CACHE.test(name) && /^use_cache/.test(name)) {
      complete[name] = { data: [0], shape: shape?.map(size => (typeof size === 'number' ? size : 1)) ?? [1] };
    } else missing.push(name);
  }
  if (missing.length > 0) {
    throw new InvalidValueError(`the model also needs ${missing.join(', ')}: feed them by name (name=file)`);
  }
  return complete;
}

function positionsFor(mask: HostInput | undefined, batch: number, seq: number, rank: number): HostInput {
  if (rank === 1) return { data: Array.from({ length: seq }, (_, i) => i), shape: [seq] };
  const positions = new Int32Array(batch * seq);
  for (let row = 0; row < batch; row++) {
    let count = 0;
    for (let at = row * seq; at < (row + 1) * seq; at++) {
      const isKept = mask === undefined || Number(mask.data[at]) !== 0;
      positions[at] = isKept ? count++ : 1;
    }
  }
  return { data: positions, shape: [batch, seq] };
}

/**
 * An output's values as numbers.
 * @throws FileFormatError for text
 */
export function fromTensor({ type, data, dims }: Tensor, name: string): HostTensor<ArrayLike<number>> {
  const shape = [...dims];
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return { data: Float64Array.from(data, Number), shape };
  if (type === 'string') throw new FileFormatError(`the output ${name} is text; expected numbers`);
  if (type === 'float16') {
    const { buffer, byteOffset, byteLength } = data as Uint16Array;
    const view = new DataView(buffer, byteOffset, byteLength);
    return { data: Float32Array.from({ length: byteLength / 2 }, (_, i) => getFloat16(view, 2 * i, true)), shape };
  }
  return { data: data as unknown as ArrayLike<number>, shape };
}

/** Samples `start` up to, not including, `end` of every input, along axis 0. */
export function sliceInputs(inputs: HostInputs, start: number, end: number): HostInputs {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => {
      const stride = sizeOf(shape.slice(1));
      const part = sliced(data, start * stride, end * stride);
      return [name, { data: part, shape: [end - start, ...shape.slice(1)] }];
    }),
  );
}

function sliced(data: HostInput['data'], start: number, end: number): HostInput['data'] {
  if (ArrayBuffer.isView(data)) return (data as unknown as Float32Array).subarray(start, end);
  return Array.prototype.slice.call(data, start, end) as HostInput['data'];
}
