/** An autoencoder whose sessions are in this thread. Encoder and decoder are cut out of the graph at the code. */
import { DisposedError, FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import { analyseCut } from '../onnx/cut.ts';
import { readInitializerAnywhere } from '../onnx/external-data.ts';
import { requireNoNaN } from '../onnx/finite-weights.ts';
import type { ModelKind, ModelMetadata } from '../onnx/metadata.ts';
import type { OnnxModel } from '../onnx/read.ts';
import type { Provider, Runtime } from '../sessions/runtime.ts';
import { type HostTensor, type HostTensors, type Shape, sameShape, sizeOf } from '../tensor.ts';
import type { Autoencoder, AutoencoderInfo, CodeSamples } from './autoencoder.ts';
import { fromInt64Tensor } from './float-tensor.ts';
import { defaultBatchSize, type RunOptions } from './model-options.ts';
import { ModelPart, type PartBatch, type PartFeed } from './model-part.ts';
import { readSamples, type SampleRows, type Samples } from './samples.ts';
import { listCandidates, type Signature } from './signature.ts';
import { SparseBuilder, type SparseFeatures, toDense } from './sparse-features.ts';

/** The words that a kind of model has for its tensors, for messages. */
const WORDS: Readonly<Record<ModelKind, { readonly input: string; readonly code: string }>> = {
  'sparse-autoencoder': { input: 'activations', code: 'features' },
  'toy-model': { input: 'features', code: 'hidden activations' },
  'parallel-toy-model': { input: 'features', code: 'hidden activations' },
};

/** Assumed number of values of one sample while the shapes are not known yet; only batch sizes depend on it. */
const ASSUMED_CODE_SIZE = 2 ** 14;

/** Most values, inputs and results together, in a batch whose size the file fixes: 1 GiB. */
const MAX_BATCH_VALUES = 2 ** 28;

type PartName = 'encoder' | 'decoder' | 'decoderInputs';

const isSparse = (code: CodeSamples): code is SparseFeatures =>
  typeof code === 'object' && code !== null && 'offsets' in code && 'indices' in code;

function feed(name: string, { data }: SampleRows, sampleShape: Shape): PartFeed {
  const width = sizeOf(sampleShape);
  return { name, sampleShape, read: (start, end) => data.subarray(start * width, end * width) };
}

const withLeading = ({ data, shape }: HostTensor, leading: Shape): HostTensor => ({
  data,
  shape: [...leading, ...shape.slice(1)],
});

/** A model whose sessions are in this thread. */
export class LocalAutoencoder implements Autoencoder {
  readonly info: AutoencoderInfo;
  /** `undefined` after `dispose`, so that who keeps this object does not keep the weights. */
  #model: OnnxModel | undefined;
  readonly #signature: Signature;
  readonly #parts: Readonly<Record<PartName, ModelPart>>;
  /** Calls that have not ended: `dispose` waits for them. */
  readonly #running = new Set<Promise<unknown>>();
  #disposal: Promise<void> | undefined;

  constructor(
    model: OnnxModel,
    signature: Signature,
    info: AutoencoderInfo,
    parts: Readonly<Record<PartName, ModelPart>>,
  ) {
    this.#model = model;
    this.#signature = signature;
    this.info = info;
    this.#parts = parts;
  }

  /** Runs a call, and keeps it in `#running` until it ends. */
  async #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#disposal) throw new DisposedError(`${this.info.file ?? 'this model'} was disposed of`);
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  encode(input: Samples, shape?: Shape): Promise<HostTensor> {
    return this.#call(() => this.#encode(input, shape));
  }

  encodeSparse(input: Samples, shape?: Shape): Promise<SparseFeatures> {
    return this.#call(() => this.#encodeSparse(input, shape));
  }

  decode(code: CodeSamples, shape?: Shape, inputs?: HostTensors): Promise<HostTensor> {
    return this.#call(() => this.#decode(code, shape, inputs));
  }

  forward(input: Samples, shape?: Shape): Promise<{ readonly code: HostTensor; readonly reconstruction: HostTensor }> {
    return this.#call(() => this.#forward(input, shape));
  }

  decoderInputs(input: Samples, shape?: Shape): Promise<HostTensors> {
    return this.#call(() => this.#readDecoderInputs(input, shape));
  }

  featureDirections(): Promise<HostTensor> {
    return this.#call(() => this.#readDirections());
  }

  dispose(): Promise<void> {
    this.#disposal ??= Promise.allSettled(this.#running).then(async () => {
      await Promise.all(Object.values(this.#parts).map(part => part.dispose()));
      this.#model = undefined;
    });
    return this.#disposal;
  }

  #readInput(input: Samples, shape: Shape | undefined): { readonly rows: SampleRows; readonly feeds: PartFeed[] } {
    const { inputShape, kind } = this.info;
    const rows = readSamples(input, inputShape, WORDS[kind].input, shape);
    return { rows, feeds: [feed(this.#signature.input, rows, inputShape)] };
  }

  /** One tensor of a part's results; an empty one where there were no samples to run. */
  #take(results: Record<string, HostTensor>, name: string, sampleShape: Shape, leading: Shape): HostTensor {
    const result = results[name] ?? { data: new Float32Array(0), shape: [0, ...sampleShape] };
    this.#requireSample(name, result.shape.slice(1), sampleShape);
    return withLeading(result, leading);
  }

  #requireSample(name: string, shape: Shape, expected: Shape): void {
    if (sameShape(shape, expected)) return;
    throw new FileFormatError(
      `${name} came out as [batch, ${shape.join(', ')}]; the file says [batch, ${expected.join(', ')}]`,
      { file: this.info.file },
    );
  }

  async #encode(input: Samples, shape?: Shape): Promise<HostTensor> {
    const { rows, feeds } = this.#readInput(input, shape);
    if (this.#signature.sparse) return this.#encodeSelected(rows, feeds);
    const results = await this.#parts.encoder.collect(rows.count, feeds);
    return this.#take(results, this.#signature.code, this.info.codeShape, rows.leading);
  }

  /**
   * Dense features from the entries that a TopK graph gives. Both forms so share one session and one copy of the
   * weights.
   */
  async #encodeSelected(rows: SampleRows, feeds: readonly PartFeed[]): Promise<HostTensor> {
    const width = sizeOf(this.info.codeShape);
    const data = new Float32Array(rows.count * width);
    for await (const batch of this.#parts.encoder.run(rows.count, feeds)) {
      const { indices, values, k } = this.#selected(batch);
      for (let i = 0; i < batch.count * k; i++) {
        data[(batch.start + Math.floor(i / k)) * width + indices[i]!] = values[i]!;
      }
    }
    return { data, shape: [...rows.leading, ...this.info.codeShape] };
  }

  /** The entries that a TopK graph names for each sample. They are checked: a file can hold anything. */
  #selected(batch: PartBatch): { readonly indices: Uint32Array; readonly values: Float32Array; readonly k: number } {
    const { codeShape, file } = this.info;
    const width = sizeOf(codeShape);
    const names = this.#signature.sparse!;
    const { values, sampleShape } = this.#parts.encoder.read(batch, names.values);
    const indices = fromInt64Tensor(batch.outputs[names.indices]!, names.indices);
    if (indices.length !== values.length) {
      const shapes = [names.indices, names.values].map(name => `${name} [${batch.outputs[name]!.dims}]`);
      throw new FileFormatError(`${shapes.join(' and ')} came out of different shapes`, { file });
    }
    const wrong = indices.findIndex(index => index >= width);
    if (wrong >= 0) {
      throw new FileFormatError(`${names.indices} names the feature ${indices[wrong]}; there are ${width}`, { file });
    }
    return { indices, values, k: sizeOf(sampleShape) };
  }

  async #encodeSparse(input: Samples, shape?: Shape): Promise<SparseFeatures> {
    const { rows, feeds } = this.#readInput(input, shape);
    const { sparse, code } = this.#signature;
    const { codeShape } = this.info;
    const builder = new SparseBuilder(sizeOf(codeShape));
    const { encoder } = this.#parts;
    for await (const batch of encoder.run(rows.count, feeds)) {
      if (sparse) {
        const { indices, values, k } = this.#selected(batch);
        builder.addSelected(indices, values, batch.count, k);
      } else {
        const { values, sampleShape } = encoder.read(batch, code);
        this.#requireSample(code, sampleShape, codeShape);
        builder.addDense(values, batch.count);
      }
    }
    return builder.build(rows.leading);
  }

  #readCode(
    code: CodeSamples,
    shape: Shape | undefined,
  ): { readonly count: number; readonly leading: Shape; readonly feed: PartFeed } {
    const { codeShape, kind } = this.info;
    const { code: name } = this.#signature;
    if (!isSparse(code)) {
      const rows = readSamples(code, codeShape, WORDS[kind].code, shape);
      return { ...rows, feed: feed(name, rows, codeShape) };
    }
    const leading = code.shape.slice(0, -1);
    const count = sizeOf(leading);
    if (code.shape.at(-1) !== sizeOf(codeShape) || code.offsets.length !== count + 1) {
      throw new InvalidShapeError(
        `sparse features have the shape [${code.shape.join(', ')}] and ${code.offsets.length} offsets; ` +
          `expected [..., ${codeShape.join(', ')}] and one offset more than samples`,
      );
    }
    return {
      count,
      leading,
      feed: { name, sampleShape: codeShape, read: (start, end) => toDense(code, start, end) },
    };
  }

  async #decode(code: CodeSamples, shape?: Shape, inputs: HostTensors = {}): Promise<HostTensor> {
    const { count, leading, feed: codeFeed } = this.#readCode(code, shape);
    const extra = this.info.decoderInputs.map((name): PartFeed => {
      const tensor = inputs[name];
      if (!tensor) {
        const needed = this.info.decoderInputs.join(', ');
        throw new InvalidValueError(
          `this decoder needs ${needed} beside ${WORDS[this.info.kind].code}: pass { inputs: await decoderInputs(...) } of the same samples`,
        );
      }
      const sampleShape = tensor.shape.slice(leading.length);
      if (!sameShape(tensor.shape.slice(0, leading.length), leading)) {
        throw new InvalidShapeError(
          `${name} has the shape [${tensor.shape.join(', ')}]; expected [${[...leading, '...'].join(', ')}], as the features'`,
        );
      }
      return feed(name, readSamples(tensor, sampleShape, name), sampleShape);
    });
    const results = await this.#parts.decoder.collect(count, [codeFeed, ...extra]);
    return this.#take(results, this.#signature.reconstruction, this.info.reconstructionShape, leading);
  }

  async #forward(
    input: Samples,
    shape?: Shape,
  ): Promise<{ readonly code: HostTensor; readonly reconstruction: HostTensor }> {
    // Runs encoder and decoder in turn, whose sessions `encode` and `decode` share: a session of the whole model would
    // hold the weights a second time.
    const code = await this.#encode(input, shape);
    const inputs = this.info.decoderInputs.length > 0 ? await this.#readDecoderInputs(input, shape) : {};
    return { code, reconstruction: await this.#decode(code, undefined, inputs) };
  }

  async #readDecoderInputs(input: Samples, shape?: Shape): Promise<HostTensors> {
    const { rows, feeds } = this.#readInput(input, shape);
    const { inputShape, decoderInputs } = this.info;
    const { input: inputName } = this.#signature;
    const inner = decoderInputs.filter(name => name !== inputName);
    const results = inner.length > 0 ? await this.#parts.decoderInputs.collect(rows.count, feeds) : {};
    return Object.fromEntries(
      decoderInputs.map(name => {
        const own = { data: rows.data, shape: [rows.count, ...inputShape] };
        const none = { data: new Float32Array(0), shape: [0, 1] };
        return [name, withLeading(name === inputName ? own : (results[name] ?? none), rows.leading)];
      }),
    );
  }

  async #readDirections(): Promise<HostTensor> {
    const { directions } = this.#signature;
    if (!directions) {
      throw new FileFormatError(
        'it is not certain which initializer holds the feature directions: name it with the option featureDirections. ' +
          `Candidates:\n  ${listCandidates(this.#model!)}`,
        { file: this.info.file },
      );
    }
    const matrix = await readInitializerAnywhere(this.#model!, directions.name);
    return directions.isTransposed ? transpose(matrix) : matrix;
  }
}

function transpose({ data, shape }: HostTensor): HostTensor {
  const [rows = 0, columns = 0] = shape;
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column]!;
  }
  return { data: result, shape: [columns, rows] };
}

/** Shapes of one sample as they come out of a run, for files that do not state them. */
async function measureShapes(whole: ModelPart, { input, inputShape, code, reconstruction }: Signature) {
  const measured = whole.collect(1, [
    // Neither zeros nor all the same: a model may divide by norm or deviation.
    {
      name: input,
      sampleShape: inputShape,
      read: () => Float32Array.from({ length: sizeOf(inputShape) }, (_, i) => 1 + (i % 5)),
    },
  ]);
  // This session is opened for the measurement alone and closed after it: it holds the weights of encoder and decoder a
  // second time.
  const results = await measured.finally(() => whole.dispose());
  return { codeShape: results[code]!.shape.slice(1), reconstructionShape: results[reconstruction]!.shape.slice(1) };
}

/**
 * Names of the tensors that the decoder needs beside the code: those that the metadata name, otherwise the graph's
 * input where the decoder still reads it after the cut.
 */
function findDecoderInputs(model: OnnxModel, { code, reconstruction, decoderInputs }: Signature): readonly string[] {
  const { used, missing } = analyseCut(model, { inputs: [code, ...decoderInputs], outputs: [reconstruction] });
  if (!used.includes(code)) {
    throw new FileFormatError(`${reconstruction} does not depend on ${code}: they are not an SAE's or toy model's`, {
      file: model.file,
    });
  }
  return [...decoderInputs, ...missing].filter(name => name !== code);
}

/**
 * Opens the encoder of `model` and measures the shapes that `signature` leaves open.
 * @throws EngineUnavailableError or InvalidValueError as `openSession`
 * @throws FileFormatError where the reconstruction does not depend on the code
 */
export async function openAutoencoder(
  runtime: Runtime,
  model: OnnxModel,
  signature: Signature,
  metadata: ModelMetadata,
  options: RunOptions = {},
): Promise<LocalAutoencoder> {
  const { input, code, reconstruction, inputShape, sparse, fixedBatch } = signature;
  const { batchSize } = options;
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && batchSize > 0)) {
    throw new InvalidValueError(`batchSize ${batchSize}: expected a positive integer`);
  }
  requireNoNaN(model);
  const decoderInputs = findDecoderInputs(model, signature);
  const knownSize = [
    inputShape,
    signature.codeShape ?? [ASSUMED_CODE_SIZE],
    signature.reconstructionShape ?? inputShape,
  ];
  const valuesPerSample = knownSize.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const batchValues = (fixedBatch ?? 1) * valuesPerSample;
  if (batchValues > MAX_BATCH_VALUES) {
    throw new FileFormatError(
      `its batches take ${batchValues} values, inputs and results together: absurd, more than ${MAX_BATCH_VALUES}`,
      { file: model.file },
    );
  }
  const part = (
    inputs: readonly string[],
    outputs: readonly string[],
    provider: Provider | 'auto' = options.provider ?? 'auto',
  ) =>
    new ModelPart(runtime, model, {
      inputs,
      outputs,
      type: signature.inputType,
      leading: signature.leading,
      batchSize: fixedBatch ?? batchSize ?? defaultBatchSize(valuesPerSample),
      isBatchFixed: fixedBatch !== undefined,
      session: { provider, ...(options.threads !== undefined && { threads: options.threads }) },
    });

  const encoder = part([input], sparse ? [sparse.indices, sparse.values] : [code]);
  const { provider, attempts } = await encoder.open();
  const parts = {
    encoder,
    decoder: part([code, ...decoderInputs], [reconstruction], provider),
    decoderInputs: part(
      [input],
      decoderInputs.filter(name => name !== input),
      provider,
    ),
  };
  const { codeShape, reconstructionShape } =
    signature.codeShape && signature.reconstructionShape
      ? (signature as { readonly codeShape: Shape; readonly reconstructionShape: Shape })
      : await measureShapes(part([input], [code, reconstruction], provider), signature);
  const info: AutoencoderInfo = {
    file: model.file,
    kind: signature.kind,
    metadata,
    provider,
    attempts,
    inputShape,
    codeShape,
    reconstructionShape,
    decoderInputs,
  };
  return new LocalAutoencoder(model, signature, info, parts);
}
