/**
 * Reads what a bundle needs of an SAE's weights: decoder directions and norms, and how each latent's encoder and
 * decoder agree.
 */
import type { OnnxModel } from '../onnx/read.ts';
import { readInitializer } from '../onnx/tensor-values.ts';
import type { HostTensor } from '../tensor.ts';

/** The encoder's name in the contract, and in most files of others. */
const ENCODER = 'W_enc';

/**
 * The cosine of each latent's encoder column and decoder row, [d_sae], or `undefined` where the file has no `W_enc`
 * [d_in, d_sae] whose columns are as long as the decoder's rows. NaN where one of them is zero.
 * @param directions W_dec, [d_sae, d_out]
 */
export function encoderDecoderCosines(model: OnnxModel, directions: HostTensor): Float32Array | undefined {
  const [dSae = 0, dOut = 0] = directions.shape;
  if (!(model.proto.graph.initializer ?? []).some(({ name }) => name === ENCODER)) return undefined;
  const encoder = readInitializer(model, ENCODER);
  if (encoder.shape.length !== 2 || encoder.shape[0] !== dOut || encoder.shape[1] !== dSae) return undefined;
  const dot = new Float64Array(dSae);
  const encoderSquares = new Float64Array(dSae);
  const decoderSquares = new Float64Array(dSae);
  for (let i = 0; i < dOut; i++) {
    for (let latent = 0; latent < dSae; latent++) {
      const e = encoder.data[i * dSae + latent]!;
      const d = directions.data[latent * dOut + i]!;
      dot[latent]! += e * d;
      encoderSquares[latent]! += e * e;
      decoderSquares[latent]! += d * d;
    }
  }
  return Float32Array.from(dot, (value, i) => value / Math.sqrt(encoderSquares[i]! * decoderSquares[i]!));
}
