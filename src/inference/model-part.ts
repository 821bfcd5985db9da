/** A part of a model, run batch by batch. Its session is opened when it is first needed. */
import { DisposedError, FileFormatError } from '../errors.ts';
import { cutModel } from '../onnx/cut.ts';
import type { OnnxModel } from '../onnx/read.ts';
import type { Runtime } from '../sessions/runtime.ts';
import { type OpenedSession, type Outputs, openSession, type SessionOptions } from '../sessions/session.ts';
import { type HostTensor, type Shape, sameShape, sizeOf } from '../tensor.ts';
import { type FloatType, fromOrtTensor, requireFinite, toOrtTensor } from './float-tensor.ts';

/** The values for one input of a part. */
export interface PartFeed {
  readonly name: string;
  /** Shape of one sample. */
  readonly sampleShape: Shape;
  /** Gives the samples `start` to `end`, [end - start, ...sampleShape]. */
  read(start: number, end: number): Float32Array;
}

/** The dimensions of a graph's tensors before a sample's own. */
export interface LeadingAxes {
  readonly rank: number;
  /** Which of them counts the samples; the others are 1. */
  readonly samplesAt: number;
}

const BATCH: LeadingAxes = { rank: 1, samplesAt: 0 };

/** What a part is: where it begins and ends, and how its batches look. */
export interface PartOptions {
  /** Names of the tensors where the part begins and ends. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Type of every input. */
  readonly type: FloatType;
  readonly batchSize: number;
  /** The dimensions before a sample's own. Default: one, the batch. */
  readonly leading?: LeadingAxes | undefined;
  /**
   * Whether the graph only takes batches of exactly `batchSize` samples: the last batch is then filled up with zeros.
   */
  readonly isBatchFixed: boolean;
  readonly session: SessionOptions;
}

/** A batch's results. */
export interface PartBatch {
  readonly outputs: Outputs;
  readonly start: number;
  /** How many samples are asked for; they come first, and the rest fills up the batch. */
  readonly count: number;
  /** How many samples ran, with those that fill up the batch. */
  readonly ranCount: number;
}

/** A part of a model, run batch by batch; `open` or the first `run` opens its session. */
export class ModelPart {
  readonly #runtime: Runtime;
  readonly #file: string | undefined;
  /** `undefined` after `dispose`. */
  #model: OnnxModel | undefined;
  readonly #options: PartOptions;
  #opened: Promise<OpenedSession> | undefined;
  #isDisposed = false;

  constructor(runtime: Runtime, model: OnnxModel, options: PartOptions) {
    this.#runtime = runtime;
    this.#file = model.file;
    this.#model = model;
    this.#options = options;
  }

  /**
   * Opens the session, once.
   * @throws DisposedError after `dispose`
   */
  async open(): Promise<OpenedSession> {
    if (this.#isDisposed) throw new DisposedError(`${this.#file ?? 'this model'} was disposed of`);
    const { inputs, outputs, session } = this.#options;
    this.#opened ??= openSession(this.#runtime, cutModel(this.#model!, { inputs, outputs }), {
      ...session,
      file: this.#file,
      externalFolder: this.#model!.beside?.folder,
    });
    return this.#opened;
  }

  /**
   * Runs `count` samples in batches.
   * @throws FileFormatError where ONNX Runtime fails on them, as it does on a model that contradicts its own shapes
   */
  async *run(count: number, feeds: readonly PartFeed[]): AsyncGenerator<PartBatch> {
    const { outputs, type, batchSize, isBatchFixed, leading = BATCH } = this.#options;
    const { session } = await this.open();
    // A decoder may not need all that it could be given.
    const needed = feeds.filter(({ name }) => session.inputNames.includes(name));
    for (let start = 0; start < count; start += batchSize) {
      const rows = Math.min(batchSize, count - start);
      const ranCount = isBatchFixed ? batchSize : rows;
      const tensors = needed.map(({ name, sampleShape, read }) => {
        const data = filledUp(read(start, start + rows), ranCount * sizeOf(sampleShape));
        const before = Array.from({ length: leading.rank }, (_, axis) => (axis === leading.samplesAt ? ranCount : 1));
        return [name, toOrtTensor(this.#runtime, type, data, [...before, ...sampleShape])] as const;
      });
      const results = await session.run(Object.fromEntries(tensors), outputs).catch(cause => {
        if (cause instanceof DisposedError) throw cause;
        const file = this.#file;
        throw new FileFormatError(`ONNX Runtime cannot run the model: ${(cause as Error).message}`, { file, cause });
      });
      yield { outputs: results, start, count: rows, ranCount };
    }
  }

  /**
   * Runs `count` samples and gives each output whole, [count, ...sample].
   * @throws FileFormatError where an output does not have a row for each sample
   * @throws InvalidValueError where one is not finite
   */
  async collect(count: number, feeds: readonly PartFeed[]): Promise<Record<string, HostTensor>> {
    const collected = new Map<string, { readonly data: Float32Array; readonly sampleShape: Shape }>();
    for await (const batch of this.run(count, feeds)) {
      for (const name of this.#options.outputs) {
        const { values, sampleShape } = this.read(batch, name);
        const width = sizeOf(sampleShape);
        // Where one batch holds all samples, the array that ONNX Runtime gave is the result, without a copy.
        const isWhole = batch.count === count && batch.ranCount === count;
        const result = collected.get(name) ?? {
          data: isWhole ? values : new Float32Array(count * width),
          sampleShape,
        };
        collected.set(name, result);
        if (!sameShape(result.sampleShape, sampleShape)) {
          this.#refuse(`${name} came out with samples [${result.sampleShape}] and then [${sampleShape}]`);
        }
        if (!isWhole) result.data.set(values.subarray(0, batch.count * width), batch.start * width);
      }
    }
    const results = [...collected].map(([name, { data, sampleShape }]) => [
      name,
      { data, shape: [count, ...sampleShape] },
    ]);
    return Object.assign(Object.create(null), Object.fromEntries(results));
  }

  /**
   * One output of a batch as float32, [ranCount, ...sample].
   * @throws FileFormatError where it does not have a row for each sample, or its elements are no floats
   * @throws InvalidValueError where it is not finite
   */
  read(
    { outputs, start, count, ranCount }: PartBatch,
    name: string,
  ): { readonly values: Float32Array; readonly sampleShape: Shape } {
    const tensor = outputs[name]!;
    const { leading = BATCH } = this.#options;
    const sampleShape = tensor.dims.slice(leading.rank);
    const rows = tensor.dims.length < leading.rank ? 0 : sizeOf(tensor.dims.slice(0, leading.rank));
    if (rows !== ranCount) {
      this.#refuse(`${name} came out as [${tensor.dims}] for ${ranCount} samples; expected a row for each`);
    }
    const values = fromOrtTensor(tensor, name);
    const width = sizeOf(sampleShape);
    requireFinite(values, count * width, width, start, name);
    return { values, sampleShape };
  }

  #refuse(problem: string): never {
    throw new FileFormatError(problem, { file: this.#file });
  }

  /** Frees the session once its runs are done. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.session.dispose();
    this.#model = undefined;
  }
}

function filledUp(data: Float32Array, size: number): Float32Array {
  if (data.length === size) return data;
  const filled = new Float32Array(size);
  filled.set(data);
  return filled;
}
