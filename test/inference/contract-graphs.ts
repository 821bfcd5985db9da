/** Model files made by hand after the ONNX contract, with weights and answers that PyTorch computed (test/reference). */
import { readFileSync } from 'node:fs';
import type { Graph, GraphNode, GraphValue, Initializer } from '../../src/onnx/graph.ts';
import { METADATA_KEYS } from '../../src/onnx/metadata.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { fromNested, type HostTensor, type NestedArray } from '../../src/tensor.ts';

/** A figure file of test/reference. */
export function reference(name: string): {
  readonly inputs: Readonly<Record<string, never>>;
  readonly expected: Readonly<Record<string, never>>;
} {
  return JSON.parse(readFileSync(new URL(`../reference/${name}.json`, import.meta.url), 'utf8'));
}

export const tensor = (values: unknown): HostTensor => fromNested(values as NestedArray);

export const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: GraphNode['attributes'] = {},
): GraphNode => ({ op, inputs, outputs, attributes });

export const floats = (name: string, ...shape: (number | string)[]): GraphValue => ({ name, type: 'float32', shape });
export const weight = (name: string, { data, shape }: HostTensor): Initializer => ({
  name,
  type: 'float32',
  data,
  shape,
});
export const integers = (name: string, ...data: number[]): Initializer => ({
  name,
  type: 'int64',
  shape: [data.length],
  data,
});

/** Rows scaled to unit norm. */
export function unitRows({ data, shape }: HostTensor): HostTensor {
  const width = shape.at(-1)!;
  const norm = (row: number) => Math.hypot(...data.subarray(row * width, (row + 1) * width));
  return { shape, data: data.map((value, i) => value / norm(Math.floor(i / width))) };
}

const saeMetadata = {
  [METADATA_KEYS.schema]: '1',
  [METADATA_KEYS.kind]: 'sparse-autoencoder',
  [METADATA_KEYS.featureDirections]: 'W_dec',
};

function saeGraph(weights: Record<string, HostTensor>, activation: GraphNode[], more: Initializer[] = []): Graph {
  const [dIn, dSae] = weights['W_enc']!.shape as [number, number];
  return {
    name: 'sae',
    nodes: [
      node('Sub', ['activations', 'b_dec'], ['centred']),
      node('Gemm', ['centred', 'W_enc', 'b_enc'], ['pre']),
      ...activation,
      node('Gemm', ['features', 'W_dec', 'b_dec'], ['reconstruction']),
    ],
    initializers: [...Object.entries(weights).map(([name, value]) => weight(name, value)), ...more],
    inputs: [floats('activations', 'batch', dIn)],
    outputs: [floats('reconstruction', 'batch', dIn), floats('features', 'batch', dSae)],
  };
}

/** The weights of a trained SAE of test/reference, whose decoder is V with unit rows. */
export function trainedWeights(name: 'sae-topk' | 'sae-relu'): Record<string, HostTensor> {
  const { V, W_enc, b_enc, b_dec } = reference(name).inputs;
  return { W_enc: tensor(W_enc), b_enc: tensor(b_enc), W_dec: unitRows(tensor(V)), b_dec: tensor(b_dec) };
}

const topKActivation = [
  node('TopK', ['pre', 'k'], ['selected', 'feature_indices'], { axis: 1 }),
  node('Relu', ['selected'], ['feature_values']),
  node('Sub', ['pre', 'pre'], ['zeros']),
  node('ScatterElements', ['zeros', 'feature_indices', 'feature_values'], ['features'], { axis: 1 }),
];

/** TopK: 4 → 10 → 4, k = 3. */
export const topKSae = (): Uint8Array =>
  encodeModel(saeGraph(trainedWeights('sae-topk'), topKActivation, [integers('k', 3)]), {
    ...saeMetadata,
    [METADATA_KEYS.config]: JSON.stringify({ architecture: 'topk', d_in: 4, d_sae: 10, k: 3 }),
  });

/** ReLU: 4 → 10 → 4. */
export const reluSae = (): Uint8Array =>
  encodeModel(saeGraph(trainedWeights('sae-relu'), [node('Relu', ['pre'], ['features'])]), saeMetadata);

/** As reluSae, without metadata and with other names, as a stranger would have written it. */
export function foreignSae({ isUndercomplete = false, hasOther = false } = {}): Uint8Array {
  const { W_enc, b_enc, W_dec, b_dec } = trainedWeights('sae-relu') as Record<
    'W_enc' | 'b_enc' | 'W_dec' | 'b_dec',
    HostTensor
  >;
  const width = isUndercomplete ? 3 : 10;
  const rows = (t: HostTensor, n: number): HostTensor => ({
    data: t.data.slice(0, n * t.shape[1]!),
    shape: [n, t.shape[1]!],
  });
  const columns: HostTensor = {
    data: Float32Array.from({ length: 4 * width }, (_, i) => W_enc.data[Math.floor(i / width) * 10 + (i % width)]!),
    shape: [4, width],
  };
  return encodeModel({
    name: 'stranger',
    nodes: [
      node('Sub', ['x', 'pre_bias'], ['x0']),
      node('MatMul', ['x0', 'enc.weight'], ['h0']),
      node('Add', ['h0', 'enc.bias'], ['h1']),
      node('Relu', ['h1'], ['acts']),
      node('MatMul', ['acts', 'dec.weight'], ['y0']),
      node('Add', ['y0', 'pre_bias'], ['y']),
    ],
    initializers: [
      weight('pre_bias', b_dec),
      weight('enc.weight', columns),
      weight('enc.bias', { data: b_enc.data.slice(0, width), shape: [width] }),
      weight('dec.weight', rows(W_dec, width)),
      ...(hasOther ? [weight('other', { data: new Float32Array(21), shape: [7, 3] })] : []),
    ],
    inputs: [floats('x', 'n', 4)],
    outputs: [floats('y', 'n', 4), floats('acts', 'n', width)],
  });
}

/** JumpReLU: f = relu(pre) · [pre > threshold]. */
export function thresholdSae(): Uint8Array {
  const { W_enc, b_enc, W_dec, b_dec, threshold } = reference('sae-jumprelu').inputs;
  const weights = { W_enc, b_enc, W_dec, b_dec, threshold };
  return encodeModel(
    saeGraph(Object.fromEntries(Object.entries(weights).map(([name, value]) => [name, tensor(value)])), [
      node('Greater', ['pre', 'threshold'], ['fires']),
      node('Cast', ['fires'], ['gate'], { to: 1 }),
      node('Relu', ['pre'], ['positive']),
      node('Mul', ['positive', 'gate'], ['features']),
    ]),
    saeMetadata,
  );
}

/** A ReLU SAE that divides each sample by its norm and multiplies the reconstruction with it again: its decoder needs `norm`. */
export function normalisingSae({ isDeclared = true } = {}): Uint8Array {
  const { W_enc, W_dec, b_enc, b_dec } = trainedWeights('sae-relu') as Record<
    'W_enc' | 'b_enc' | 'W_dec' | 'b_dec',
    HostTensor
  >;
  return encodeModel(
    {
      name: 'normalising',
      nodes: [
        node('ReduceL2', ['activations'], ['norm'], { axes: [1], keepdims: 1 }),
        node('Div', ['activations', 'norm'], ['unit']),
        node('Gemm', ['unit', 'W_enc', 'b_enc'], ['pre']),
        node('Relu', ['pre'], ['features']),
        node('Gemm', ['features', 'W_dec', 'b_dec'], ['unit_reconstruction']),
        node('Mul', ['unit_reconstruction', 'norm'], ['reconstruction']),
      ],
      initializers: [weight('W_enc', W_enc), weight('b_enc', b_enc), weight('W_dec', W_dec), weight('b_dec', b_dec)],
      inputs: [floats('activations', 'batch', 4)],
      outputs: [floats('reconstruction', 'batch', 4), floats('features', 'batch', 10)],
    },
    { ...saeMetadata, ...(isDeclared && { [METADATA_KEYS.decoderInputs]: '["norm"]' }) },
  );
}

/** The toy model of test/reference, 5 → 2 → 5. */
export function toyModel({ hasMetadata = true } = {}): Uint8Array {
  const { W, b } = reference('toy-model').inputs;
  return encodeModel(
    {
      name: 'toy',
      nodes: [
        node('MatMul', ['features', 'weight'], ['hidden']),
        node('Gemm', ['hidden', 'weight', 'bias'], ['pre'], { transB: 1 }),
        node('Relu', ['pre'], ['reconstruction']),
      ],
      initializers: [weight('weight', tensor(W)), weight('bias', tensor(b))],
      inputs: [floats('features', 'batch', 5)],
      outputs: [floats('reconstruction', 'batch', 5), floats('hidden', 'batch', 2)],
    },
    hasMetadata
      ? { [METADATA_KEYS.schema]: '1', [METADATA_KEYS.kind]: 'toy-model', [METADATA_KEYS.featureDirections]: 'weight' }
      : {},
  );
}

/** The parallel toy model of test/reference, 3 instances of 4 → 2 → 4. */
export function parallelToyModel(): Uint8Array {
  const { W, b } = reference('parallel-toy-model').inputs;
  return encodeModel(
    {
      name: 'parallel',
      nodes: [
        node('Unsqueeze', ['features', 'axis'], ['rows']),
        node('MatMul', ['rows', 'weight'], ['hidden_rows']),
        node('Squeeze', ['hidden_rows', 'axis'], ['hidden']),
        node('Unsqueeze', ['hidden', 'axis'], ['hidden_again']),
        node('Transpose', ['weight'], ['transposed'], { perm: [0, 2, 1] }),
        node('MatMul', ['hidden_again', 'transposed'], ['out_rows']),
        node('Squeeze', ['out_rows', 'axis'], ['out']),
        node('Add', ['out', 'bias'], ['pre']),
        node('Relu', ['pre'], ['reconstruction']),
      ],
      initializers: [weight('weight', tensor(W)), weight('bias', tensor(b)), integers('axis', 2)],
      inputs: [floats('features', 'batch', 3, 4)],
      outputs: [floats('reconstruction', 'batch', 3, 4), floats('hidden', 'batch', 3, 2)],
    },
    {
      [METADATA_KEYS.schema]: '1',
      [METADATA_KEYS.kind]: 'parallel-toy-model',
      [METADATA_KEYS.featureDirections]: 'weight',
    },
  );
}
