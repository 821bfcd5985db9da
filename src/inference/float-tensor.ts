/** Float32 values in and out of ONNX Runtime, whatever float type a model's own tensors have. */
import type { Tensor } from 'onnxruntime-common';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { decodeElements, encodeElements } from '../files/element-type.ts';
import type { Runtime } from '../sessions/runtime.ts';
import type { Shape } from '../tensor.ts';

/** Float types that a model's inputs may have. */
export type FloatType = 'float32' | 'float64' | 'float16';

/** Whether ONNX Runtime's name of an element type is one of `FloatType`. */
export function isFloatType(type: string): type is FloatType {
  return type === 'float32' || type === 'float64' || type === 'float16';
}

/** The least number that rounds to more than float16's largest number, 65,504. */
const BEYOND_FLOAT16 = 65_520;

/**
 * A tensor of `type` from float32 values; float32 itself is not copied.
 * @throws InvalidValueError where a value is too large for float16, which would make it infinite
 */
export function toOrtTensor({ ort }: Runtime, type: FloatType, data: Float32Array, shape: Shape): Tensor {
  switch (type) {
    case 'float32':
      return new ort.Tensor('float32', data, shape);
    case 'float64':
      return new ort.Tensor('float64', Float64Array.from(data), shape);
    case 'float16': {
      const large = data.findIndex(value => Math.abs(value) >= BEYOND_FLOAT16);
      if (large >= 0) {
        throw new InvalidValueError(
          `the model takes float16, which ends at 65504; got ${data[large]}: scale the samples down, or use the model in float32`,
        );
      }
      const bits = new Uint16Array(encodeElements(data, 'float16').buffer);
      const tensor = new ort.Tensor('float16', bits, shape);
      // Where JavaScript has a Float16Array (Node 24) the tensor shows its bits as one, which onnxruntime-node takes for an empty array.
      return Object.defineProperty(tensor, 'data', { value: bits });
    }
  }
}

/**
 * A float tensor's values as float32; float32 itself is not copied.
 * @throws FileFormatError for other types
 */
export function fromOrtTensor({ type, data }: Tensor, name: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (type === 'float16') {
    const { buffer, byteOffset, byteLength } = data as Uint16Array;
    return decodeElements(new Uint8Array(buffer, byteOffset, byteLength), 'float16') as Float32Array;
  }
  throw new FileFormatError(`the tensor ${name} is ${type}; expected float32, float64 or float16`);
}

/**
 * Refuses results that are not finite numbers.
 * @param values [samples, width], of which the first `count` values are checked
 * @param start the number of the first sample among those of the call, for messages
 * @param name the tensor, for messages
 * @throws InvalidValueError for NaN and infinite values: the message names the sample, on which the model fails (one
 *   that divides by a norm of zero, say)
 */
export function requireFinite(values: Float32Array, count: number, width: number, start: number, name: string): void {
  for (let i = 0; i < count; i++) {
    // Subtracting a number from itself gives 0 unless it is NaN or infinite.
    if (values[i]! - values[i]! === 0) continue;
    const sample = start + Math.floor(i / Math.max(1, width));
    throw new InvalidValueError(
      `the model gives ${values[i]} in ${name} for sample ${sample}: it overflows, or divides by zero, on these numbers`,
    );
  }
}

/**
 * An int64 tensor's values as numbers; they must be below 2^31.
 * @throws FileFormatError for other types
 */
export function fromInt64Tensor({ data }: Tensor, name: string): Uint32Array {
  if (!(data instanceof BigInt64Array)) throw new FileFormatError(`the tensor ${name} is not int64`);
  // The lower halves, little-endian.
  const halves = new Uint32Array(data.buffer, data.byteOffset, 2 * data.length);
  const wrong = data.findIndex((_, i) => halves[2 * i + 1] !== 0);
  if (wrong >= 0) throw new FileFormatError(`the tensor ${name} holds ${data[wrong]}; expected indices`);
  return Uint32Array.from({ length: data.length }, (_, i) => halves[2 * i]!);
}
