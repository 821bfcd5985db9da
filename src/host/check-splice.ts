/**
 * Tries a splice before anybody relies on it. Three things must hold: replacing the tensor by itself gives the model's
 * own outputs; the merged model gives what results when the reconstruction of the autoencoder, run by itself, replaces
 * the tensor; and replacing the tensor by its mean changes the outputs. It is also determined whether the outputs
 * depend on the input by a way that does not pass the tensor.
 */
import { createRandomSource } from '../data/random-source.ts';
import { SpliceError } from '../errors.ts';
import type { SaeNames } from '../inference/model-options.ts';
import { encodeProto } from '../onnx/cut.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { openSession } from '../sessions/session.ts';
import { type HostTensor, sizeOf } from '../tensor.ts';
import { keptPositions } from './activation-rows.ts';
import { fromTensor, type HostInputs, isMaskName, isTokenInput, toTensor } from './feeds.ts';
import { withGraph } from './graph-parts.ts';
import type { HostModel } from './host-model.ts';
import { channelsLast } from './layout.ts';
import { madeUpInputs, OPEN_SIZES } from './made-up-inputs.ts';
import { dependsOn, type Spliced, saeSignature } from './merge-sae.ts';

/** The measurements of a tried splice. Differences are those of outputs, as a share of their range. */
export interface SpliceCheck {
  /** The difference between the model with the tensor replaced by itself and the model. */
  readonly identity: number;
  /**
   * The difference between the merged model and the autoencoder run by itself; `undefined` where no merged model was
   * given.
   */
  readonly merged?: number;
  /** The difference that the tensor's mean in its place makes. */
  readonly meanEffect: number;
  /** Whether outputs that depend on the tensor also depend on the input by ways that do not pass the tensor. */
  readonly bypassed: boolean;
  /** The largest difference that is accepted. */
  readonly tolerance: number;
}

/**
 * The accepted share of the outputs' range: for float32 computed twice in different fusions, and for types or operators
 * that round more.
 */
const TOLERANCE = 1e-4;
const LOOSE_TOLERANCE = 2e-2;
const ROUNDING = /Quantize|MatMulInteger|ConvInteger|QLinear|MatMulNBits|QAttention|MatMulBnb4/;

/** The share of rows in which ties may fall the other way between two computations of one autoencoder. */
const MOST_TIED_ROWS = 0.02;

function toleranceOf(host: HostModel, type: string): number {
  const isRounding = (host.model.proto.graph.node ?? []).some(({ opType }) => ROUNDING.test(opType ?? ''));
  return isRounding || type === 'float16' || type === 'bfloat16' ? LOOSE_TOLERANCE : TOLERANCE;
}

type Results = readonly HostTensor<ArrayLike<number>>[];

/**
 * The largest difference of all outputs, each as a share of its own range; infinite where one is NaN and the other is
 * not.
 */
function difference(a: Results, b: Results): number {
  let worst = 0;
  a.forEach(({ data }, output) => {
    const other = b[output]!.data;
    let [low, high, most] = [Infinity, -Infinity, 0];
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [data[i]!, other[i]!];
      if (Number.isFinite(x)) {
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
      const gap = Object.is(x, y) || x === y ? 0 : Math.abs(x - y);
      most = Math.max(most, Number.isNaN(gap) ? Infinity : gap);
    }
    if (most > 0) worst = Math.max(worst, most / Math.max(high - low, 1e-30));
  });
  return worst;
}

/** Names of the model's outputs that are floats and so can be compared. */
function comparableOutputs(host: HostModel): string[] {
  return host.outputs.filter(({ type }) => type.startsWith('float') || type === 'bfloat16').map(({ name }) => name);
}

/** The whole model's outputs and the tensor, for inputs that are given or made up until the model runs on them. */
async function firstRun(host: HostModel, target: string, given: HostInputs | undefined) {
  const outputs = comparableOutputs(host);
  if (outputs.length === 0) throw new SpliceError('the model has no output of floats: nothing to compare');
  const variant = await host.openVariant({ outputs: [...outputs, target].map(tensor => ({ tensor })) });
  try {
    const reasons: string[] = [];
    const candidates = given ? [given] : OPEN_SIZES.map(size => madeUpInputs(host.model, host.inputs, size));
    for (const inputs of candidates) {
      try {
        const results = await host.runVariant(variant, inputs);
        return { inputs, outputs, results: results.slice(0, -1), value: results.at(-1)! };
      } catch (error) {
        if (given) throw error;
        reasons.push((error as Error).message);
      }
    }
    throw new SpliceError(
      `the splice cannot be tried, as the model runs on no inputs made up for it (${reasons[0]}): give some (--input)`,
    );
  } finally {
    await variant.session.dispose();
  }
}

/** Other inputs of the same shapes; masks stay. */
function otherInputs(host: HostModel, inputs: HostInputs): HostInputs {
  const random = createRandomSource(1);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => {
      const described = host.inputs.find(candidate => candidate.name === name);
      if (!described || isMaskName(name)) return [name, input];
      if (isTokenInput(described)) {
        // The same tokens, each at another place.
        const tokens = Array.from(input.data as ArrayLike<number>, Number);
        const distinct = [...new Set(tokens)];
        return [
          name,
          { ...input, data: tokens.map(token => distinct[(distinct.indexOf(token) + 1) % distinct.length]!) },
        ];
      }
      if (!described.type.startsWith('float')) return [name, input];
      return [name, { ...input, data: Float32Array.from({ length: input.data.length }, () => random.normal()) }];
    }),
  );
}

/** The tensor's mean over its rows, in the tensor's own shape and layout. */
function meanOf(value: HostTensor, channelsAxis: number): HostTensor {
  const { data, shape } = value;
  const inner = sizeOf(shape.slice(channelsAxis + 1));
  const width = shape[channelsAxis]!;
  const sums = new Float64Array(width);
  for (let i = 0; i < data.length; i++) sums[Math.floor(i / inner) % width]! += data[i]!;
  const rows = data.length / width;
  return { shape, data: Float32Array.from(data, (_, i) => sums[Math.floor(i / inner) % width]! / rows) };
}

/**
 * Tries a seam, and a merged model where one is given.
 * @param inputs inputs to try it on. Default: inputs made up from the model's shapes
 * @throws SpliceError where one of the three conditions does not hold, or where it cannot be tried
 */
export async function checkSplice(
  host: HostModel,
  { target, channelsAxis }: { readonly target: string; readonly channelsAxis: number },
  { inputs: given, merged }: { readonly inputs?: HostInputs | undefined; readonly merged?: MergedCheck } = {},
): Promise<SpliceCheck> {
  const tolerance = toleranceOf(host, (await host.describe(target)).type);
  const { inputs, outputs, results, value } = await firstRun(host, target, given);
  const variant = await host.openVariant({
    outputs: outputs.map(tensor => ({ tensor })),
    replace: [{ tensor: target }],
  });
  try {
    const replacedBy = (by: HostTensor, fed = inputs) => host.runVariant(variant, fed, [by]);
    const own: HostTensor = { data: value.data as Float32Array, shape: value.shape };
    const identity = difference(results, await replacedBy(own));
    if (!(identity <= tolerance)) {
      throw new SpliceError(
        `${target} replaced by itself changes the outputs by ${percent(identity)} of their range; expected at most ${percent(tolerance)}: not spliced`,
      );
    }
    const mean = meanOf(own, channelsAxis);
    const withMean = await replacedBy(mean);
    const meanEffect = difference(results, withMean);
    if (meanEffect <= identity) {
      throw new SpliceError(`the outputs do not depend on ${target}: its mean in its place changes nothing`);
    }
    const elsewhere = await replacedBy(mean, otherInputs(host, inputs));
    // A cache of an earlier layer is an output that does not depend on the tensor.
    const behind = outputs.map(name => name === target || dependsOn(host.model, name, target));
    const bypassed =
      difference(
        withMean.filter((_, i) => behind[i]),
        elsewhere.filter((_, i) => behind[i]),
      ) > tolerance;
    const mergedDifference =
      merged && (await checkMerged(host, merged, { inputs, outputs, own, tolerance, replacedBy }));
    return {
      identity,
      meanEffect,
      bypassed,
      tolerance,
      ...(mergedDifference !== undefined && { merged: mergedDifference }),
    };
  } finally {
    await variant.session.dispose();
  }
}

const percent = (share: number): string => `${(100 * share).toPrecision(2)}%`;

/** A merged model to try, and the autoencoder in it. */
export interface MergedCheck {
  readonly spliced: Spliced;
  readonly sae: OnnxModel;
  readonly names?: SaeNames;
}

interface Tried {
  readonly inputs: HostInputs;
  readonly outputs: readonly string[];
  readonly own: HostTensor;
  readonly tolerance: number;
  replacedBy(by: HostTensor): Promise<Results>;
}

/**
 * Compares the merged model with the host whose tensor is replaced by hand, and that replacement with the autoencoder
 * run by itself.
 */
async function checkMerged(host: HostModel, { spliced, sae, names = {} }: MergedCheck, tried: Tried): Promise<number> {
  const { inputs, outputs, tolerance } = tried;
  const { target, tensor, features, delta, layout, targetLayout, mask } = spliced;
  const { graph } = spliced.model.proto;
  const types = await host.types();
  const type = types.get(target)!.type;
  const read = tensor === target ? `${target}/original` : tensor;
  const exposed = [target, read].filter(name => !(graph.output ?? []).some(value => value.name === name));
  const casts = exposed.map(name => (type === 'float32' ? name : `${name}/checked`));
  const watched = withGraph(spliced.model, {
    ...graph,
    node: [
      ...(graph.node ?? []),
      ...(type === 'float32'
        ? []
        : exposed.map((name, i) => ({
            opType: 'Cast',
            input: [name],
            output: [casts[i]!],
            attribute: [{ name: 'to', type: 2, i: 1 }],
          }))),
    ],
    output: [...(graph.output ?? []), ...casts.map(name => ({ name }))],
  });
  const { session } = await host.openModel(watched);
  try {
    const feeds = host.feeds(inputs, session);
    const leading = turnedShape(tried.own.shape, channelsLast(targetLayout)).slice(0, -1);
    if (delta !== undefined) {
      const shape = [...leading, spliced.dSae];
      feeds[delta] = toTensor(host.runtime, 'float32', { data: new Float32Array(sizeOf(shape)), shape }, delta);
    }
    const wanted = [...outputs, features, ...casts];
    const results = await session.run(
      feeds,
      wanted.filter((name, i) => wanted.indexOf(name) === i),
    );
    const of = (name: string) => fromTensor(results[name]!, name) as HostTensor;
    const replaced = of(type === 'float32' ? target : `${target}/checked`);
    const merged = difference(
      await tried.replacedBy(replaced),
      outputs.map(name => fromTensor(results[name]!, name)),
    );
    if (!(merged <= tolerance)) {
      throw new SpliceError(
        `the merged model's outputs differ by ${percent(merged)} of their range from those with the same tensor replaced; expected at most ${percent(tolerance)}: not written`,
      );
    }
    const source = of(type === 'float32' ? read : `${read}/checked`);
    await checkRows(host, sae, names, {
      read: turned(source, channelsLast(layout)),
      replaced: turned(replaced, channelsLast(targetLayout)),
      original: turned(tried.own, channelsLast(targetLayout)),
      kept: keptRows(inputs, mask, leading),
      keepError: JSON.parse(spliced.model.proto.metadataProps?.at(-1)?.value ?? '{}').keep_error === true,
      tolerance,
      target,
    });
    return merged;
  } finally {
    await session.dispose();
  }
}

function keptRows(inputs: HostInputs, mask: string | undefined, leading: readonly number[]): Uint8Array {
  const batch = leading[0]!;
  const given = mask === undefined ? undefined : inputs[mask];
  const values = given && Uint8Array.from(given.data as ArrayLike<number>, value => (Number(value) === 0 ? 0 : 1));
  return keptPositions(
    { ...(values && { mask: values }) },
    { batch, positions: sizeOf(leading.slice(1)) },
    { tensor: mask ?? '' },
  );
}

interface RowsToCheck {
  readonly read: HostTensor;
  readonly replaced: HostTensor;
  readonly original: HostTensor;
  readonly kept: Uint8Array;
  readonly keepError: boolean;
  readonly tolerance: number;
  readonly target: string;
}

/** Compares the replaced rows with those of the autoencoder's own session on its own file. */
async function checkRows(host: HostModel, sae: OnnxModel, names: SaeNames, rows: RowsToCheck): Promise<void> {
  const { read, replaced, original, kept, keepError, tolerance, target } = rows;
  const { input, inputType, reconstruction } = saeSignature(sae, names);
  const { session } = await openSession(host.runtime, encodeProto(withOutput(sae, reconstruction).proto), {
    provider: host.runtime.candidates.at(-1)!,
    file: sae.file,
  });
  try {
    const width = read.shape.at(-1)!;
    const shape = [read.data.length / width, width];
    const feeds = { [input]: toTensor(host.runtime, inputType, { data: read.data, shape }, input) };
    const result = (await session.run(feeds, [reconstruction]))[reconstruction]!;
    if (inputType !== 'float32') return;
    const expected = fromTensor(result, reconstruction).data;
    const outWidth = replaced.shape.at(-1)!;
    const range = spread(replaced.data);
    let wrong = 0;
    for (let row = 0; row < kept.length; row++) {
      let worst = 0;
      for (let i = row * outWidth; i < (row + 1) * outWidth; i++) {
        const right = kept[row] === 0 || keepError ? original.data[i]! : expected[i]!;
        worst = Math.max(worst, Math.abs(replaced.data[i]! - right));
      }
      if (!(worst <= tolerance * range)) wrong++;
    }
    if (wrong > Math.ceil(MOST_TIED_ROWS * kept.length)) {
      throw new SpliceError(
        `in ${wrong} of ${kept.length} rows ${target} is not what the autoencoder, run by itself, gives: not written`,
      );
    }
  } finally {
    await session.dispose();
  }
}

function spread(data: Float32Array): number {
  let [low, high] = [Infinity, -Infinity];
  for (const value of data) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return Math.max(high - low, 1e-30);
}

/** The model with one more output. */
function withOutput(model: OnnxModel, name: string): OnnxModel {
  const { graph } = model.proto;
  if ((graph.output ?? []).some(value => value.name === name)) return model;
  return withGraph(model, { ...graph, output: [...(graph.output ?? []), { name }] });
}

const turnedShape = (shape: readonly number[], permutation: readonly number[] | undefined): number[] =>
  permutation ? permutation.map(axis => shape[axis]!) : [...shape];

/** The tensor with its axes in another order. */
function turned({ data, shape }: HostTensor, permutation: readonly number[] | undefined): HostTensor {
  if (!permutation) return { data, shape };
  const to = turnedShape(shape, permutation);
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const result = new Float32Array(data.length);
  for (let i = 0; i < result.length; i++) {
    let rest = i;
    let from = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += (rest % to[axis]!) * strides[permutation[axis]!]!;
      rest = Math.floor(rest / to[axis]!);
    }
    result[i] = data[from]!;
  }
  return { data: result, shape: to };
}
