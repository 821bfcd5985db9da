/**
 * A TensorFlow.js backend that computes nothing: its tensors are symbols, and each kernel that TF.js calls appends the ONNX nodes
 * of its rule. Autodiff is TF.js's own, so gradients are recorded like anything else.
 */
import * as tf from '@tensorflow/tfjs';
import { invariant, RecordingError } from '../errors.ts';
import type { Attribute } from '../onnx/graph.ts';
import { type Shape, sameShape, sizeOf } from '../tensor.ts';
import { GraphBuilder } from './graph-builder.ts';
import { constantValue, dataTypeOf, type SymbolicValue, type TensorType } from './symbolic-value.ts';

/** The backend's name in TensorFlow.js. */
export const RECORDING_BACKEND = 'monosemantic-recorder';

/** How a function is recorded. */
export interface RecordingOptions {
  /**
   * Whether shapes are final, so that a constant may be expanded once instead of at every run, and a short axis
   * unrolled.
   */
  readonly fixedShapes: boolean;
}

/** A constant is expanded up to this many elements. */
export const EXPANSION_LIMIT = 1 << 20;

/** The backend that records. */
export class RecordingBackend extends tf.KernelBackend {
  builder = new GraphBuilder();
  options: RecordingOptions = { fixedShapes: false };
  readonly #values = new tf.DataStorage<SymbolicValue>(this, tf.engine());
  /** The sizes of tensors, because a value may be held smaller than its tensor. */
  readonly #sizes = new WeakMap<object, number>();

  /** Starts a recording with nothing in it. */
  begin(options: RecordingOptions): void {
    this.builder = new GraphBuilder();
    this.options = options;
  }

  /** The value of `tensor`. A tensor of another backend that the function closes over becomes a constant. */
  value(tensor: tf.TensorInfo): SymbolicValue {
    return this.#values.get(tensor.dataId);
  }

  /** A new tensor, [..shape] to TensorFlow.js, held as `value`. */
  tensor(value: SymbolicValue, shape: Shape, dtype: TensorType): tf.TensorInfo {
    const dataId = {};
    this.#values.set(dataId, value);
    this.#sizes.set(dataId, sizeOf(shape));
    return { dataId, shape: [...shape], dtype };
  }

  /** A new tensor for the output of a node; `held` is its ONNX shape where that is smaller than `shape`. */
  result(name: string, shape: Shape, dtype: TensorType, held: Shape = shape): tf.TensorInfo {
    return this.tensor({ kind: 'named', name, type: dataTypeOf(dtype), shape: held }, shape, dtype);
  }

  /**
   * Appends a node.
   * @returns the names of its outputs
   */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputCount = 1,
  ): [string, ...string[]] {
    return this.builder.emit(op, inputs, attributes, outputCount);
  }

  /** A name for `tensor` in its held shape, for ops that broadcast. */
  broadcastable(tensor: tf.TensorInfo): string {
    return this.builder.nameOf(this.value(tensor));
  }

  /** A name for `tensor` in its TensorFlow.js shape, for ops that need every element. */
  full(tensor: tf.TensorInfo): string {
    const value = this.value(tensor);
    const name = this.builder.nameOf(value);
    if (sameShape(value.shape, tensor.shape)) return name;
    return this.emit('Expand', [name, this.builder.integers(tensor.shape)])[0];
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }

  override move(dataId: object, values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): void {
    invariant(dtype !== 'string' && values !== null, 'strings are not recorded');
    this.#values.set(dataId, constantValue(values as ArrayLike<number>, shape, dataTypeOf(dtype)));
    this.#sizes.set(dataId, sizeOf(shape));
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const value = this.#values.get(dataId);
    if (value.kind === 'named') {
      throw new RecordingError(
        `"${value.name}" was read while recording (dataSync, arraySync, data): its value exists only when the graph runs. ` +
          'Compute with tf ops (tf.where, tf.step, tf.mul) instead of JavaScript',
      );
    }
    const values = value.kind === 'constant' ? value.values : new Array(this.#sizes.get(dataId)).fill(value.value);
    if (value.type === 'float32') return Float32Array.from(values);
    return value.type === 'int64' ? Int32Array.from(values) : Uint8Array.from(values);
  }

  override async read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object): boolean {
    this.#values.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.#values.numDataIds();
  }

  override refCount(): number {
    return 1;
  }
  override incRef(): void {}
  override floatPrecision(): 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
  override timerAvailable(): boolean {
    return false;
  }
  override dispose(): void {}
}

/** The recorder; TF.js holds one backend per name for the whole process, and recording is synchronous. */
export const recorder = new RecordingBackend();

/** The shape of `a op b` under broadcasting. */
export function broadcastShape(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    return x === 1 ? y : x;
  });
}

/** A constant or uniform value's numbers spread over `shape`, last axes first as broadcasting has it. */
export function spreadOver(values: ArrayLike<number>, from: Shape, shape: Shape): Float32Array {
  const padded = [...Array<number>(shape.length - from.length).fill(1), ...from];
  const strides = padded.map((dimension, i) => (dimension === 1 ? 0 : sizeOf(padded.slice(i + 1))));
  const out = new Float32Array(sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  let at = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = values[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
