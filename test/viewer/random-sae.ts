/** Autoencoders that learned nothing, of any size. */
import { createRandomSource } from '../../src/data/random-source.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';

/** A TopK autoencoder with random weights, or with these directions, [d_sae, d_in]. */
export function randomSae(dIn: number, dSae: number, k: number, seed: number, wDec?: Float32Array): Uint8Array {
  const random = createRandomSource(seed);
  const tensor = (shape: number[], scale: number) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (random.float32() - 0.5) * scale),
  });
  const weights = {
    W_enc: tensor([dIn, dSae], 1),
    b_enc: tensor([dSae], 0.1),
    W_dec: wDec ? { shape: [dSae, dIn], data: wDec } : tensor([dSae, dIn], 1),
    b_dec: tensor([dIn], 0.1),
  };
  const options = { applyBDecToInput: true, normalizeActivations: 'none', transcoder: false } as const;
  return frozenSaeToOnnx({ architecture: 'topk', k, dIn, dSae, dOut: dIn, ...options, weights });
}
