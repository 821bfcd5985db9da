/** A model whose hidden tensors can be listed, read and replaced. */
import { DisposedError, FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import { analyseCut, encodeProto } from '../onnx/cut.ts';
import { elementType } from '../onnx/element-type.ts';
import { requireSelfContained } from '../onnx/every-tensor.ts';
import type { Dimension } from '../onnx/graph.ts';
import { describeInputs, describeOutputs, type TensorDescription } from '../onnx/inspect.ts';
import type { NodeMessage } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { readTensor } from '../onnx/tensor-values.ts';
import type { Provider, Runtime } from '../sessions/runtime.ts';
import { openSession, type Session } from '../sessions/session.ts';
import { type HostTensor, sameShape } from '../tensor.ts';
import {
  type ActivationBatch,
  activationBatches,
  collectActivations,
  type HostActivations,
  type RowOptions,
} from './activation-rows.ts';
import { type Evaluate, inlineConstantBranches } from './constant-branches.ts';
import { completeInputs, fromTensor, type HostInput, type HostInputs, toTensor } from './feeds.ts';
import { integerAttribute } from './graph-parts.ts';
import { type ArrayDataOptions, type ArrayInputs, arrayData, type HostData } from './input-batches.ts';
import { type Layout, layoutOf } from './layout.ts';
import { madeUpInputs, OPEN_SIZES } from './made-up-inputs.ts';
import { nearestNames } from './nearest-names.ts';
import { residualStream } from './residual-stream.ts';
import { requireFloat, whyNotParted } from './seam.ts';
import { inferTensors } from './tensor-types.ts';
import { makeVariant, type TensorTypes, type VariantRequest } from './variant.ts';
import { type HostFile, placeOf, wholePlace } from './weights-on-disk.ts';

/** Where a host model runs. */
export interface HostOptions {
  /** The execution provider. Default `auto`: the first of the runtime's providers that loads. */
  readonly provider?: Provider | 'auto';
  /** Threads of the provider cpu, at least 1. Default: one per core. */
  readonly threads?: number;
}

/** A tensor that a model computes. */
export interface HostTensorDescription {
  readonly name: string;
  /** ONNX's name of the element type, such as `float32`. */
  readonly type: string;
  /** For each dimension a number, the dimension's name, or `?`; `undefined` where the shape cannot be inferred. */
  readonly shape: readonly Dimension[] | undefined;
  /** The operator that computes it. */
  readonly op: string;
  /** The name of the node that computes it. */
  readonly node: string;
  /** Whether it is one of the sums that make up the likely residual stream. */
  readonly residual: boolean;
  /** Whether it is also an output of the model. */
  readonly output: boolean;
}

/** Which tensors a run gives, and which it replaces. */
export interface RunOptions {
  /** Names of the tensors to return. Default: the model's outputs. */
  readonly outputs?: readonly string[];
  /** Values that replace tensors, by the tensor's name and in its own shape. */
  readonly replace?: Readonly<Record<string, HostInput>>;
}

/** A variant with its open session. */
export interface OpenVariant {
  readonly session: Session;
  readonly outputs: readonly string[];
  readonly overrides: readonly string[];
  readonly notes: readonly string[];
}

/** Which positions of which tensor become rows. */
export interface ActivationOptions extends RowOptions, ArrayDataOptions {
  /** Rows whose norm is above this many times the median norm are left out, and counted. Default: no limit. */
  readonly dropNormAbove?: number | undefined;
}

const isData = (inputs: ArrayInputs | HostData): inputs is HostData => typeof inputs['batches'] === 'function';

/** How many variants `run` keeps open. */
const MOST_OPEN = 3;

/** How many rows of the identity matrix a product is given at once. */
const IDENTITY_ROWS = 256;

/** Element types that are numbers. */
const NUMBERS = /^(float(16|32|64)|bfloat16|u?int(8|16|32|64)|bool)$/;

/**
 * A host model. Its weights stay on disk; every session maps them from there.
 * All methods throw InvalidValueError for a tensor that the model does not have (the nearest names are listed) and DisposedError after
 * `dispose`.
 */
export class HostModel {
  readonly file: string | undefined;
  /** The inputs that the caller may feed. */
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  readonly runtime: Runtime;
  /** The graph, in which constant branches are resolved; its weights may lie in `folder`. */
  readonly model: OnnxModel;
  readonly folder: string | undefined;
  readonly #options: HostOptions;
  readonly #open = new Map<string, Promise<OpenVariant>>();
  #types: Promise<Map<string, TensorDescription>> | undefined;
  #isDisposed = false;

  private constructor(runtime: Runtime, { model, folder }: HostFile, options: HostOptions) {
    this.runtime = runtime;
    this.model = model;
    this.folder = folder;
    this.file = model.file;
    this.inputs = describeInputs(model);
    this.outputs = describeOutputs(model);
    this.#options = options;
  }

  /** Opens a model that was read. */
  static async open(runtime: Runtime, { model, folder }: HostFile, options: HostOptions = {}): Promise<HostModel> {
    const evaluate: Evaluate = async bytes => {
      const { session } = await openSession(runtime, bytes, {
        provider: runtime.candidates.at(-1)!,
        externalFolder: folder,
      });
      try {
        const result = await session.run({});
        return Number(Object.values(result)[0]!.data[0]);
      } finally {
        await session.dispose();
      }
    };
    const whole = await inlineConstantBranches(model, evaluate);
    return new HostModel(runtime, { model: whole, folder }, options);
  }

  /** Types and shapes of all tensors of the main graph. */
  types(): Promise<Map<string, TensorDescription>> {
    this.#types ??= inferTensors({ model: this.model, folder: this.folder }, async bytes => {
      const { session } = await openSession(this.runtime, bytes, {
        provider: this.runtime.candidates.at(-1)!,
        file: this.file,
        externalFolder: this.folder,
        sessionOptions: { graphOptimizationLevel: 'disabled' },
      });
      return session;
    });
    return this.#types;
  }

  /** Every tensor that the model computes, in the order of the graph; weights, constants and inputs are not among them. */
  async tensors(): Promise<HostTensorDescription[]> {
    this.#checkOpen();
    const types = await this.types();
    const stream = residualStream(this.model);
    const residual = new Set(stream);
    // Where a shape of the residual stream cannot be inferred, all shapes that cannot be inferred are measured.
    if (stream.some(name => !types.get(name)?.shape)) {
      await this.#measure(
        [...types.values()].filter(({ type, shape }) => type.startsWith('float') && !shape).map(({ name }) => name),
      );
    }
    const outputs = new Set(this.outputs.map(({ name }) => name));
    return (this.model.proto.graph.node ?? [])
      .filter(({ opType }) => opType !== 'Constant')
      .flatMap(node =>
        (node.output ?? [])
          .filter(name => name !== '')
          .map(name => ({
            name,
            type: types.get(name)?.type ?? 'unknown',
            shape: types.get(name)?.shape,
            op: node.domain ? `${node.domain}.${node.opType}` : (node.opType ?? ''),
            node: node.name ?? '',
            residual: residual.has(name),
            output: outputs.has(name),
          })),
      );
  }

  /**
   * The type and shape of a hidden tensor of floats.
   * @throws InvalidValueError where there is none of that name, where it is an input, a weight or inside a branch, or
   *   has no float type
   */
  async describe(tensor: string): Promise<TensorDescription> {
    this.#checkOpen();
    const types = await this.types();
    const nodes = this.model.proto.graph.node ?? [];
    const producer = nodes.find(node => (node.output ?? []).includes(tensor));
    if (!producer) {
      const reason = whyNotParted(this.model, tensor);
      const names = nodes
        .filter(({ opType }) => opType !== 'Constant')
        .flatMap(node => (node.output ?? []).filter(Boolean));
      const near = reason.startsWith('no tensor') ? `; the nearest are ${nearestNames(tensor, names).join(', ')}` : '';
      throw new InvalidValueError(`${this.file ?? 'the model'}: ${reason}${near}`);
    }
    if (producer.opType === 'Constant') throw new InvalidValueError(`${tensor} is a constant of the model`);
    requireFloat(tensor, types.get(tensor)?.type ?? 'unknown');
    if (!types.get(tensor)?.shape) await this.#measure([tensor]);
    return types.get(tensor)!;
  }

  /**
   * Shapes of tensors that cannot be inferred, from two runs over inputs that were made up: dimensions that differ
   * between them are open. Where the model runs on neither, the shapes stay unknown.
   */
  async #measure(names: readonly string[]): Promise<void> {
    const types = await this.types();
    const variant = await this.openVariant({ outputs: names.map(tensor => ({ tensor })) });
    try {
      const runs: (readonly number[])[][] = [];
      for (const size of OPEN_SIZES) {
        const inputs = madeUpInputs(this.model, this.inputs, size, 2 + runs.length);
        const results = await this.runVariant(variant, inputs).catch(() => undefined);
        if (results) runs.push(results.map(({ shape }) => shape));
        if (runs.length === 2) break;
      }
      const [first, second] = runs;
      if (!first) return;
      names.forEach((name, i) => {
        const shape = first[i]!.map((size, axis): Dimension => (second && second[i]![axis] === size ? size : '?'));
        types.set(name, { ...types.get(name)!, name, shape });
      });
    } finally {
      await variant.session.dispose();
    }
  }

  /**
   * The layout of a hidden tensor; where its shape cannot be inferred, that of `[batch, seq, d]`.
   * @throws InvalidValueError as `describe` and `layoutOf`
   */
  async layout(tensor: string, channelsAxis?: number): Promise<Layout> {
    const { shape } = await this.describe(tensor);
    return layoutOf(tensor, shape ?? ['?', '?', '?'], channelsAxis);
  }

  /** Opens a variant of this model. The caller disposes of its session. */
  async openVariant(request: VariantRequest, threads?: number): Promise<OpenVariant> {
    this.#checkOpen();
    const { model, outputs, overrides, notes } = makeVariant(this.model, await this.types(), request);
    const { session } = await this.openModel(model, threads);
    return { session, outputs, overrides, notes };
  }

  /** Opens a session on a model that was made of parts of this one. */
  async openModel(model: OnnxModel, threads = this.#options.threads) {
    // A device may lack float16, which only a run shows. For half-precision models `auto` therefore does not try it.
    const isHalf = [...(await this.types()).values()].some(({ type }) => type === 'float16');
    const { unlikely } = this.runtime;
    const runtime = isHalf
      ? { ...this.runtime, unlikely: { ...unlikely, webgpu: 'the model computes in float16, which some devices lack' } }
      : this.runtime;
    return openSession(runtime, sessionBytes(model), {
      provider: this.#options.provider ?? 'auto',
      ...(threads !== undefined && { threads }),
      file: this.file,
      externalFolder: this.folder,
    });
  }

  /** The inputs of a session: the caller's, and those that follow from them, as far as the session takes them. */
  feeds(inputs: HostInputs, { inputNames }: Pick<Session, 'inputNames'>) {
    const complete = completeInputs(this.inputs, inputs);
    return Object.fromEntries(
      this.inputs
        .filter(({ name }) => inputNames.includes(name))
        .map(({ name, type }) => [name, toTensor(this.runtime, type, complete[name]!, name)]),
    );
  }

  /**
   * Runs an opened variant.
   * @param values the replacing values, in the order of the request
   */
  async runVariant(variant: OpenVariant, inputs: HostInputs, values: readonly HostTensor[] = []) {
    const feeds = this.feeds(inputs, variant.session);
    variant.overrides.forEach((name, i) => {
      // A tensor that the outputs do not depend on was cut away.
      if (variant.session.inputNames.includes(name)) feeds[name] = toTensor(this.runtime, 'float32', values[i]!, name);
    });
    const results = await variant.session.run(feeds).catch((cause: Error) => {
      if (cause instanceof DisposedError) throw cause;
      throw new FileFormatError(`ONNX Runtime cannot run the model: ${cause.message.split('\n')[0]}`, {
        file: this.file,
        cause,
      });
    });
    return variant.outputs.map(name => fromTensor(results[name]!, name));
  }

  /**
   * Runs the model.
   * @param inputs values by input name, each [batch, …]. Masks, positions and caches that are not given are filled in
   *   (`completeInputs`)
   * @returns the outputs by name; floats as float32
   * @throws InvalidShapeError where a replacing value has another shape than the tensor
   */
  async run(
    inputs: HostInputs,
    { outputs, replace = {} }: RunOptions = {},
  ): Promise<Record<string, HostTensor<ArrayLike<number>>>> {
    this.#checkOpen();
    const wanted = outputs ?? this.outputs.map(({ name }) => name);
    const types = await this.types();
    for (const name of wanted) {
      if (!types.has(name)) await this.describe(name);
      const { type } = types.get(name)!;
      if (!NUMBERS.test(type)) throw new InvalidValueError(`${name} is ${type}; expected numbers`);
    }
    const replaced = Object.keys(replace);
    for (const name of replaced) await this.describe(name);
    const variant = await this.#keptVariant({
      outputs: wanted.map(tensor => ({ tensor })),
      replace: replaced.map(tensor => ({ tensor })),
    });
    const values = replaced.map((name): HostTensor => {
      const { data, shape } = replace[name]!;
      this.#checkReplacement(name, shape, types);
      return { data: data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>), shape };
    });
    const results = await this.runVariant(variant, inputs, values);
    return Object.fromEntries(wanted.map((name, i) => [name, results[i]!]));
  }

  /**
   * Activations of a hidden tensor, one row for each position that counts.
   * @param inputs arrays by input name, or any `HostData` such as text
   * @returns rows [n, d] with the sample, position and token of each
   */
  async activations(inputs: ArrayInputs | HostData, options: ActivationOptions): Promise<HostActivations> {
    this.#checkOpen();
    return collectActivations(this, this.data(inputs, options), options);
  }

  /**
   * The rows of `activations` one batch at a time, for data of any length. `dropNormAbove` needs all rows at once and
   * is no option here.
   */
  activationBatches(
    inputs: ArrayInputs | HostData,
    options: Omit<ActivationOptions, 'dropNormAbove'>,
  ): AsyncGenerator<ActivationBatch> {
    this.#checkOpen();
    return activationBatches(this, this.data(inputs, options), options);
  }

  /** Turns arrays into `HostData`; returns `HostData` unchanged. */
  data(inputs: ArrayInputs | HostData, options: ArrayDataOptions = {}): HostData {
    return isData(inputs) ? inputs : arrayData(this.inputs, inputs, options);
  }

  #checkReplacement(name: string, shape: readonly number[], types: TensorTypes): void {
    const expected = types.get(name)?.shape;
    if (!expected) return;
    const sizes = expected.map((size, i) => (typeof size === 'number' ? size : shape[i]!));
    if (expected.length !== shape.length || !sameShape(sizes, shape)) {
      throw new InvalidShapeError(
        `${name} is replaced by [${shape.join(', ')}]; the model has [${expected.join(', ')}]`,
      );
    }
  }

  /** A variant that is open, or is opened now; the one that was not used for the longest time is closed. */
  async #keptVariant(request: VariantRequest): Promise<OpenVariant> {
    const key = JSON.stringify(request);
    let variant = this.#open.get(key);
    this.#open.delete(key);
    variant ??= this.openVariant(request);
    this.#open.set(key, variant);
    variant.catch(() => this.#open.delete(key));
    const opened = await variant;
    for (const [old, other] of this.#open) {
      if (this.#open.size <= MOST_OPEN) break;
      this.#open.delete(old);
      await (await other).session.dispose();
    }
    return opened;
  }

  /**
   * The values of a weight, or of a tensor that the model computes from weights alone (a transpose, a cast, a
   * dequantised matrix), as float32. Of a weight on disk only its range is read. Integers are dequantised as the model
   * does it: by DequantizeLinear, in the weight's own shape, or by MatMulNBits, as [in, out].
   * @throws InvalidValueError where there is no weight of that name, where the tensor depends on the model's inputs,
   *   and for integers that nothing dequantises
   */
  async weight(name: string): Promise<HostTensor<ArrayLike<number>>> {
    this.#checkOpen();
    const initializer = this.model.proto.graph.initializer ?? [];
    const nodes = this.model.proto.graph.node ?? [];
    const tensor = initializer.find(candidate => candidate.name === name);
    if (tensor) {
      const type = elementType(tensor.dataType)?.name ?? 'unknown';
      if (!/^b?float/.test(type)) return this.#dequantised(name, type);
      const place = placeOf(tensor);
      if (!place) return readTensor(tensor, this.file);
      const { dataLocation: _, externalData: __, ...inGraph } = tensor;
      return readTensor({ ...inGraph, rawData: await wholePlace(this.folder!, place) }, this.file);
    }
    const about = this.file ?? 'the model';
    if (!nodes.some(({ output }) => output?.includes(name))) {
      const near = nearestNames(
        name,
        initializer.map(weight => weight.name ?? ''),
      );
      throw new InvalidValueError(`no weight named ${name} in ${about}; the nearest are ${near.join(', ')}`);
    }
    const { missing } = analyseCut(this.model, { inputs: [], outputs: [name] });
    if (missing.length > 0) {
      throw new InvalidValueError(`${name} of ${about} is no weight: it depends on the input ${missing.join(', ')}`);
    }
    const variant = await this.openVariant({ outputs: [{ tensor: name }] });
    try {
      const results = await variant.session.run({});
      return fromTensor(results[variant.outputs[0]!]!, name);
    } finally {
      await variant.session.dispose();
    }
  }

  /** A weight of integers as the numbers that it stands for. */
  async #dequantised(name: string, type: string): Promise<HostTensor<ArrayLike<number>>> {
    const readers = (this.model.proto.graph.node ?? []).filter(({ input }) => input?.includes(name));
    const linear = readers.find(({ opType, input }) => opType === 'DequantizeLinear' && input?.[0] === name);
    if (linear) return this.weight(linear.output![0]!);
    const product = readers.find(({ opType, input }) => opType === 'MatMulNBits' && input?.[1] === name);
    if (!product || product.input?.[5]) {
      const by = readers.map(({ opType }) => opType).join(' and ') || 'nothing';
      throw new InvalidValueError(
        `${name} of ${this.file ?? 'the model'} is ${type}, read by ${by}: what its numbers stand for is known only of DequantizeLinear, and of MatMulNBits without a bias`,
      );
    }
    return this.#matrixOf(product);
  }

  /**
   * The matrix [in, out] of a product whose first input is [..., in]: its results for the rows of the identity matrix.
   */
  async #matrixOf(node: NodeMessage): Promise<HostTensor> {
    const [from, to] = [node.input![0]!, node.output![0]!];
    const [inner, width] = [integerAttribute(node, 'K', 0), integerAttribute(node, 'N', 0)];
    const rank = (await this.types()).get(from)?.shape?.length ?? 3;
    const variant = await this.openVariant({ outputs: [{ tensor: to }], replace: [{ tensor: from }] });
    try {
      const data = new Float32Array(inner * width);
      for (let start = 0; start < inner; start += IDENTITY_ROWS) {
        const rows = Math.min(IDENTITY_ROWS, inner - start);
        const identity = new Float32Array(rows * inner);
        for (let row = 0; row < rows; row++) identity[row * inner + start + row] = 1;
        const shape = [...new Array<number>(rank - 2).fill(1), rows, inner];
        const feeds = { [variant.overrides[0]!]: toTensor(this.runtime, 'float32', { data: identity, shape }, from) };
        const results = await variant.session.run(feeds);
        data.set(fromTensor(results[variant.outputs[0]!]!, to).data, start * width);
      }
      return { data, shape: [inner, width!] };
    } finally {
      await variant.session.dispose();
    }
  }

  #checkOpen(): void {
    if (this.#isDisposed) throw new DisposedError(`${this.file ?? 'this host model'} was disposed of`);
  }

  /** Frees the sessions. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    for (const variant of this.#open.values()) await (await variant.catch(() => undefined))?.session.dispose();
    this.#open.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/**
 * A model's bytes for ONNX Runtime.
 * @throws FileFormatError where data that were not checked lie outside the model
 */
function sessionBytes({ proto, file, beside }: OnnxModel): Uint8Array {
  requireSelfContained(proto, file, beside?.tensors);
  // This entry holds options for ONNX Runtime itself, which an environment variable makes it follow.
  const metadataProps = (proto.metadataProps ?? []).filter(({ key }) => key !== 'ort_config');
  return encodeProto({ ...proto, metadataProps });
}
