/**
 * Which of a graph's tensors are input, code and reconstruction. SAEs and toy models have this one form: the code is an
 * SAE's features, or a toy model's hidden activations. resolve-signature.ts finds out which is which.
 */
import { FileFormatError } from '../errors.ts';
import type { Dimension } from '../onnx/graph.ts';
import {
  describeInitializers,
  describeInputs,
  describeOutputs,
  describeValue,
  type TensorDescription,
} from '../onnx/inspect.ts';
import type { ModelKind } from '../onnx/metadata.ts';
import type { OnnxModel } from '../onnx/read.ts';
import type { Shape } from '../tensor.ts';
import { type FloatType, isFloatType } from './float-tensor.ts';
import type { LeadingAxes } from './model-part.ts';

/** Which of a graph's tensors are input, code and reconstruction, and their shapes. */
export interface Signature {
  readonly kind: ModelKind;
  readonly input: string;
  readonly inputType: FloatType;
  /** Shape of one sample. */
  readonly inputShape: Shape;
  /** The dimensions before a sample's own, where there are more than the batch: a sequence's positions are samples of their own. */
  readonly leading?: LeadingAxes | undefined;
  /** The batch size that the graph fixes; `undefined` where its batch dimension is open. */
  readonly fixedBatch: number | undefined;
  readonly code: string;
  /** Shape of one sample's code; `undefined` where the file does not state it. A run then measures it. */
  readonly codeShape: Shape | undefined;
  readonly reconstruction: string;
  readonly reconstructionShape: Shape | undefined;
  /** The initializer that holds the feature directions. `isTransposed` says that they are its columns, not its rows. */
  readonly directions: { readonly name: string; readonly isTransposed: boolean } | undefined;
  /** The tensors of a TopK graph that hold the code's entries, [batch, k]. */
  readonly sparse: { readonly indices: string; readonly values: string } | undefined;
  /** Names of the tensors that the decoder needs beside the code. */
  readonly decoderInputs: readonly string[];
}

/** The names that a caller gave, in the terms of `Signature`. */
export interface GivenNames {
  readonly kind?: ModelKind | undefined;
  readonly input?: string | undefined;
  readonly code?: string | undefined;
  readonly reconstruction?: string | undefined;
  readonly featureDirections?: string | undefined;
}

/**
 * The shape of one sample of a tensor: its shape without the first `rank` dimensions. `undefined` unless all others are
 * numbers.
 */
export function sampleShapeOf({ shape }: TensorDescription, rank = 1): Shape | undefined {
  const sample = shape?.slice(rank);
  return sample?.length && sample.every(dimension => typeof dimension === 'number') ? (sample as number[]) : undefined;
}

/** What the file states about each of its tensors, by name: inputs, outputs, and the tensors between them. */
export function describeTensors(model: OnnxModel): Map<string, TensorDescription> {
  const { graph } = model.proto;
  const named: Map<string, TensorDescription> = new Map();
  for (const node of graph.node ?? []) {
    for (const name of node.output ?? []) if (name) named.set(name, { name, type: 'unknown', shape: undefined });
  }
  for (const value of graph.valueInfo ?? []) named.set(value.name ?? '', describeValue(value));
  for (const value of [...describeInputs(model), ...describeOutputs(model)]) named.set(value.name, value);
  return named;
}

/** Every tensor that an option could name, as lines for an error's message. */
export function listCandidates(model: OnnxModel): string {
  const line = ({ name, type, shape }: TensorDescription) => `${name} ${type} [${shape?.join(', ') ?? '?'}]`;
  const section = (title: string, tensors: readonly TensorDescription[]) =>
    `${title}: ${tensors.map(line).join('; ') || 'none'}`;
  const inner = [...describeTensors(model).values()].filter(({ shape }) => shape !== undefined);
  const ends = new Set([...describeInputs(model), ...describeOutputs(model)].map(({ name }) => name));
  return [
    section('inputs', describeInputs(model)),
    section('outputs', describeOutputs(model)),
    section(
      'tensors between',
      inner.filter(({ name }) => !ends.has(name)),
    ),
    section('initializers', describeInitializers(model)),
  ].join('\n  ');
}

/**
 * The input's type and shape.
 * @throws FileFormatError where the graph has no such input, or one that samples cannot be fed to
 */
export function describeInput(
  model: OnnxModel,
  name: string,
): Pick<Signature, 'input' | 'inputType' | 'inputShape' | 'fixedBatch' | 'leading'> {
  const { file } = model;
  const input = describeInputs(model).find(candidate => candidate.name === name);
  if (!input) {
    throw new FileFormatError(`the graph has no input ${name}; candidates:\n  ${listCandidates(model)}`, { file });
  }
  const leading = leadingAxes(input);
  const inputShape = sampleShapeOf(input, leading?.rank);
  if (!isFloatType(input.type) || !inputShape) {
    throw new FileFormatError(
      `the input ${name} is ${input.type} [${input.shape?.join(', ') ?? '?'}]; expected floats [batch, width]`,
      { file },
    );
  }
  const batch = leading ? undefined : input.shape?.[0];
  return {
    ...(leading && { leading }),
    input: name,
    inputType: input.type,
    inputShape,
    fixedBatch: typeof batch === 'number' ? batch : undefined,
  };
}

/**
 * The dimensions before the last one where one of them beside the batch is open: [batch, seq, width]. `undefined` for a batch alone, and
 * where one of the others is fixed to more than 1, which says that they are not samples.
 */
function leadingAxes({ shape }: TensorDescription): LeadingAxes | undefined {
  const before = shape?.slice(0, -1) ?? [];
  const isOpen = (dimension: Dimension): boolean => typeof dimension === 'string';
  if (!before.slice(1).some(isOpen) || !before.every(dimension => isOpen(dimension) || dimension === 1))
    return undefined;
  return { rank: before.length, samplesAt: before.findIndex(isOpen) };
}
