/** Numbers as files store them: little-endian bytes of fifteen element types, and the typed arrays that hold them in memory. */
import { getFloat16, setFloat16 } from '@petamoriken/float16';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import type { HostTensor, Shape } from '../tensor.ts';

/** Types of numbers that files of arrays hold. */
export type ElementType =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e5m2'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'bool';

/** The size of an element of each type, in bytes. */
export const bytesPerElement: Readonly<Record<ElementType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8e4m3fn: 1,
  float8e5m2: 1,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

/**
 * Elements in memory: floats of 16 and 8 bits widened to float32 (exactly), int64 and uint64 as float64 holding safe integers, bool as 0
 * and 1.
 */
export type Elements =
  | Float64Array
  | Float32Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/** A tensor with the element type that its file has, or is to have. */
export interface FileTensor extends HostTensor<Elements> {
  readonly type: ElementType;
}

/**
 * The bytes of an array of this shape and type; `undefined` where the number is no safe integer: too large to be true.
 */
export function byteLengthOf(shape: Shape, type: ElementType): number | undefined {
  let length: number = bytesPerElement[type];
  for (const dimension of shape) length *= dimension;
  return Number.isSafeInteger(length) ? length : undefined;
}

/** The value of every float16, by its bits. */
let float16Values: Float32Array | undefined;
/** How many values are widened at a time: the result then stays in a core's first cache. */
const room = new Float32Array(4096);

/**
 * Widens float16 numbers (little-endian, any alignment) into `into`. A table is used, because a look-up takes 1.7 ns
 * where `getFloat16` takes 775; and the work goes a cacheful at a time, because writing single values to a large array
 * takes 3 ns each (Node 20 on an EPYC).
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
 * Reads all of `bytes` (little-endian, any alignment, a whole number of elements) as elements of `type`; the result
 * never shares memory with `bytes`.
 * @throws FileFormatError where an int64 or uint64 is not a safe integer
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
    case 'int16':
      return new Int16Array(aligned());
    case 'int8':
      return new Int8Array(aligned());
    case 'uint32':
      return new Uint32Array(aligned());
    case 'uint16':
      return new Uint16Array(aligned());
    case 'uint8':
      return new Uint8Array(bytes);
    case 'float8e4m3fn':
      return Float32Array.from(bytes, fromFloat8e4m3fn);
    case 'float8e5m2': {
      // A float8e5m2 is the upper half of a float16.
      const halves = new Uint8Array(2 * count);
      for (let i = 0; i < count; i++) halves[2 * i + 1] = bytes[i]!;
      return decodeElements(halves, 'float16');
    }
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
    case 'int64':
    case 'uint64': {
      const values = new Float64Array(count);
      for (let i = 0; i < count; i++) {
        values[i] = Number(type === 'int64' ? view.getBigInt64(8 * i, true) : view.getBigUint64(8 * i, true));
        if (!Number.isSafeInteger(values[i])) {
          throw new FileFormatError(`the ${type} value ${values[i]} is not a safe integer`);
        }
      }
      return values;
    }
  }
}

/**
 * `decodeElements` for bytes that nobody else uses, such as those just read from a file: they are not copied where they
 * can be used directly.
 */
export function adoptElements(bytes: Uint8Array, type: ElementType): Elements {
  const isAlone = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  if (isAlone && type === 'float32') return new Float32Array(bytes.buffer);
  return isAlone && type === 'float64' ? new Float64Array(bytes.buffer) : decodeElements(bytes, type);
}

/**
 * Writes `values` as little-endian bytes of `type`; floats are rounded to nearest, ties to even.
 * @throws InvalidValueError for an integer type's value that is not an integer in range, and for 8-bit floats, which
 *   are only read
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
    case 'int16':
      for (let i = 0; i < values.length; i++) view.setInt16(2 * i, integerWithin(values[i]!, -32768, 32767), true);
      break;
    case 'int8':
      for (let i = 0; i < values.length; i++) view.setInt8(i, integerWithin(values[i]!, -128, 127));
      break;
    case 'uint32':
      for (let i = 0; i < values.length; i++) view.setUint32(4 * i, integerWithin(values[i]!, 0, 2 ** 32 - 1), true);
      break;
    case 'uint16':
      for (let i = 0; i < values.length; i++) view.setUint16(2 * i, integerWithin(values[i]!, 0, 65535), true);
      break;
    case 'uint8':
      for (let i = 0; i < values.length; i++) bytes[i] = integerWithin(values[i]!, 0, 255);
      break;
    case 'float8e4m3fn':
    case 'float8e5m2':
      throw new InvalidValueError(`${type} is read only; write float16 or bfloat16`);
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
    case 'uint64':
      for (let i = 0; i < values.length; i++) {
        const least = type === 'int64' ? Number.MIN_SAFE_INTEGER : 0;
        view.setBigInt64(8 * i, BigInt(integerWithin(values[i]!, least, Number.MAX_SAFE_INTEGER)), true);
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

/** OCP's 8-bit float with 4 bits of exponent (bias 7) and 3 of mantissa: it has no infinities, and only ±1111.111 is NaN. */
function fromFloat8e4m3fn(bits: number): number {
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  const sign = bits & 0x80 ? -1 : 1;
  if (exponent === 15 && mantissa === 7) return Number.NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10));
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
