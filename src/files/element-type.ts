/** Numbers as files store them: little-endian bytes of eight element types, and the typed arrays that hold them in memory. */
import { getFloat16, setFloat16 } from '@petamoriken/float16';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import type { HostTensor, Shape } from '../tensor.ts';

export type ElementType = 'float64' | 'float32' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'uint8' | 'bool';

export const bytesPerElement: Readonly<Record<ElementType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  uint8: 1,
  bool: 1,
};

/**
 * Elements in memory: float16 and bfloat16 widened to float32 (exactly), int64 as float64 holding safe integers, bool as 0 and 1.
 */
export type Elements = Float64Array | Float32Array | Int32Array | Uint8Array;

/** A tensor with the element type that its file has, or is to have. */
export interface FileTensor extends HostTensor<Elements> {
  readonly type: ElementType;
}

/** Bytes that `shape` takes as `type`, or `undefined` where that is not a safe integer: too large to be true. */
export function byteLengthOf(shape: Shape, type: ElementType): number | undefined {
  let length: number = bytesPerElement[type];
  for (const dimension of shape) length *= dimension;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** The value of every float16, by its bits. */
let float16Values: Float32Array | undefined;
/** Values that are widened at a time: what they are written to stays in a core's first cache. */
const room = new Float32Array(4096);

/**
 * Widens float16s (little-endian, any alignment) into an array that is there. By a table, because looking a value up takes 1.7 ns where
 * `getFloat16` takes 775, and a cacheful at a time, because writing values one by one to a large array takes 3 (Node 20 on an EPYC).
 */
export function decodeFloat16(bytes: Uint8Array, into: Float32Array): void {
  float16Values ??= allFloat16Values();
  const { buffer, byteOffset } = bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  const bits = new Uint16Array(buffer, byteOffset, into.length);
  for (let at = 0; at < bits.length; at += room.length) {
    const count = Math.min(room.length, bits.length - at);
    lookUp(float16Values, bits, at, count);
    into.set(count === room.length ? room : room.subarray(0, count), at);
  }
}

function lookUp(table: Float32Array, bits: Uint16Array, start: number, count: number): void {
  for (let i = 0; i < count; i++) room[i] = table[bits[start + i]!]!;
}

function allFloat16Values(): Float32Array {
  const bits = new DataView(new ArrayBuffer(2));
  return Float32Array.from({ length: 2 ** 16 }, (_, i) => {
    bits.setUint16(0, i);
    return getFloat16(bits, 0);
  });
}

/**
 * Reads all of `bytes` (little-endian, any alignment, a whole number of elements) as elements of `type`; the result never shares memory
 * with `bytes`. FileFormatError where an int64 is not a safe integer.
 */
export function decodeElements(bytes: Uint8Array, type: ElementType): Elements {
  const count = bytes.byteLength / bytesPerElement[type];
  const aligned = (): ArrayBuffer => new Uint8Array(bytes).buffer;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'float64':
      return new Float64Array(aligned());
    case 'float32':
      return new Float32Array(aligned());
    case 'int32':
      return new Int32Array(aligned());
    case 'uint8':
      return new Uint8Array(bytes);
    case 'bool':
      return Uint8Array.from(bytes, byte => (byte === 0 ? 0 : 1));
    case 'float16': {
      const values = new Float32Array(count);
      decodeFloat16(bytes, values);
      return values;
    }
    case 'bfloat16': {
      // A bfloat16 is the upper half of a float32.
      const bits = new Uint32Array(count);
      for (let i = 0; i < count; i++) bits[i] = view.getUint16(2 * i, true) << 16;
      return new Float32Array(bits.buffer);
    }
    case 'int64': {
      const values = new Float64Array(count);
      for (let i = 0; i < count; i++) {
        values[i] = Number(view.getBigInt64(8 * i, true));
        if (!Number.isSafeInteger(values[i])) {
          throw new FileFormatError(`the int64 value ${values[i]} is not a safe integer`);
        }
      }
      return values;
    }
  }
}

/**
 * Writes `values` as little-endian bytes of `type`; floats are rounded to nearest, ties to even. InvalidValueError for an int64 or int32
 * that is not an integer in range.
 */
export function encodeElements(values: ArrayLike<number>, type: ElementType): Uint8Array {
  const bytes = new Uint8Array(values.length * bytesPerElement[type]);
  const view = new DataView(bytes.buffer);
  switch (type) {
    case 'float64':
      new Float64Array(bytes.buffer).set(values);
      break;
    case 'float32':
      new Float32Array(bytes.buffer).set(values);
      break;
    case 'int32':
      for (let i = 0; i < values.length; i++) {
        view.setInt32(4 * i, integerWithin(values[i]!, -(2 ** 31), 2 ** 31 - 1), true);
      }
      break;
    case 'uint8':
      for (let i = 0; i < values.length; i++) bytes[i] = integerWithin(values[i]!, 0, 255);
      break;
    case 'bool':
      for (let i = 0; i < values.length; i++) bytes[i] = values[i] === 0 ? 0 : 1;
      break;
    case 'float16':
      for (let i = 0; i < values.length; i++) setFloat16(view, 2 * i, values[i]!, true);
      break;
    case 'bfloat16': {
      const bits = new Uint32Array(Float32Array.from(values).buffer);
      for (let i = 0; i < bits.length; i++) view.setUint16(2 * i, roundToBfloat16(bits[i]!), true);
      break;
    }
    case 'int64':
      for (let i = 0; i < values.length; i++) {
        const value = integerWithin(values[i]!, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
        view.setBigInt64(8 * i, BigInt(value), true);
      }
      break;
  }
  return bytes;
}

/** The tensor's values as float32; the same array where it already is one. */
export function toFloat32(tensor: HostTensor<ArrayLike<number>>): HostTensor {
  const { data, shape } = tensor;
  return { data: data instanceof Float32Array ? data : Float32Array.from(data), shape };
}

/** The upper 16 bits of a float32's bits, rounded to nearest even; a NaN stays one. */
function roundToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x0040;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function integerWithin(value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new InvalidValueError(`expected an integer from ${least} to ${most}, got ${value}`);
  }
  return value;
}
