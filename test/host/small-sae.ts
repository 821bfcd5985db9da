/** A ReLU autoencoder of any width in the project's contract, with seeded weights, and what it gives, computed by hand. */
import { createRandomSource } from '../../src/data/random-source.ts';
import { encodeModel } from '../../src/onnx/write.ts';

export interface SmallSae {
  readonly bytes: Uint8Array;
  readonly dSae: number;
  encode(row: ArrayLike<number>): Float64Array;
  decode(features: ArrayLike<number>): Float64Array;
}

export function smallSae(dIn: number, dSae: number, seed = 0): SmallSae {
  const random = createRandomSource(seed);
  const draw = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random.normal());
  const encoder = draw(dIn * dSae, 1 / Math.sqrt(dIn));
  const decoder = draw(dIn * dSae, 1 / Math.sqrt(dSae));
  const encoderBias = draw(dSae, 0.1);
  const decoderBias = draw(dIn, 0.1);
  const node = (op: string, inputs: string[], output: string) => ({ op, inputs, outputs: [output], attributes: {} });
  const bytes = encodeModel(
    {
      name: 'sae',
      inputs: [{ name: 'activations', type: 'float32', shape: ['batch', dIn] }],
      outputs: [
        { name: 'reconstruction', type: 'float32', shape: ['batch', dIn] },
        { name: 'features', type: 'float32', shape: ['batch', dSae] },
      ],
      initializers: [
        { name: 'W_enc', type: 'float32', shape: [dIn, dSae], data: encoder },
        { name: 'b_enc', type: 'float32', shape: [dSae], data: encoderBias },
        { name: 'W_dec', type: 'float32', shape: [dSae, dIn], data: decoder },
        { name: 'b_dec', type: 'float32', shape: [dIn], data: decoderBias },
      ],
      nodes: [
        node('Sub', ['activations', 'b_dec'], 'centred'),
        node('MatMul', ['centred', 'W_enc'], 'product'),
        node('Add', ['product', 'b_enc'], 'pre_activations'),
        node('Relu', ['pre_activations'], 'features'),
        node('MatMul', ['features', 'W_dec'], 'decoded'),
        node('Add', ['decoded', 'b_dec'], 'reconstruction'),
      ],
    },
    {
      'monosemantic.schema': '1',
      'monosemantic.kind': 'sparse-autoencoder',
      'monosemantic.feature_directions': 'W_dec',
      'monosemantic.config': JSON.stringify({ architecture: 'standard', d_in: dIn, d_sae: dSae }),
    },
  );
  return {
    bytes,
    dSae,
    encode: row =>
      Float64Array.from({ length: dSae }, (_, j) => {
        let sum = encoderBias[j]!;
        for (let i = 0; i < dIn; i++) sum += (row[i]! - decoderBias[i]!) * encoder[i * dSae + j]!;
        return Math.max(sum, 0);
      }),
    decode: features =>
      Float64Array.from({ length: dIn }, (_, i) => {
        let sum = decoderBias[i]!;
        for (let j = 0; j < dSae; j++) sum += features[j]! * decoder[j * dIn + i]!;
        return sum;
      }),
  };
}
