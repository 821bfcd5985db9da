/** Whether latents read along the direction that they write: the cosine of encoder and decoder. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/** How each latent's encoder column is aligned with its decoder row. */
export interface EncoderAlignment {
  /** cos(W_enc[:, i], W_dec[i]) of each latent, [dSae]; 0 where one of them is zero. */
  readonly cosines: Float32Array;
  /** ‖W_enc[:, i]‖ of each latent, [dSae]. */
  readonly encoderNorms: Float32Array;
  /** Mean of the cosines. */
  readonly mean: number;
}

/**
 * The cosine of each latent's encoder column with its decoder row, `encoder_decoder_cosine_sim` of SAELens's evals.
 * @param encoder W_enc, [d, dSae]
 * @param decoder W_dec, [dSae, d]
 * @throws InvalidShapeError where one shape is not the transpose of the other: a transcoder between spaces of different
 *   width has no alignment
 */
export function encoderAlignment(encoder: HostTensor, decoder: HostTensor): EncoderAlignment {
  const [width, dSae] = encoder.shape;
  if (
    encoder.shape.length !== 2 ||
    decoder.shape.length !== 2 ||
    decoder.shape[0] !== dSae ||
    decoder.shape[1] !== width
  ) {
    throw new InvalidShapeError(
      `encoder [${encoder.shape.join(', ')}] and decoder [${decoder.shape.join(', ')}]: expected [d, dSae] and [dSae, d]`,
    );
  }
  const products = new Float64Array(dSae!);
  const ofEncoder = new Float64Array(dSae!);
  const ofDecoder = new Float64Array(dSae!);
  for (let k = 0; k < width!; k++) {
    for (let latent = 0; latent < dSae!; latent++) {
      const [e, d] = [encoder.data[k * dSae! + latent]!, decoder.data[latent * width! + k]!];
      products[latent]! += e * d;
      ofEncoder[latent]! += e * e;
      ofDecoder[latent]! += d * d;
    }
  }
  const cosines = Float32Array.from(products, (product, latent) => {
    const norms = Math.sqrt(ofEncoder[latent]! * ofDecoder[latent]!);
    return norms > 0 ? product / norms : 0;
  });
  return {
    cosines,
    encoderNorms: Float32Array.from(ofEncoder, Math.sqrt),
    mean: cosines.length === 0 ? 0 : cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length,
  };
}
