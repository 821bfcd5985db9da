/** Scores an autoencoder by its weights, without any true features. */
import { DecoderProjection } from '../analysis/decoder-projection.ts';
import { dictionaryCosine } from '../analysis/dictionary-cosine.ts';
import { encoderAlignment } from '../analysis/encoder-alignment.ts';
import type { FrozenSae } from '../models/frozen-sae.ts';
import { unitRows } from '../models/unit-rows.ts';
import type { HostTensor } from '../tensor.ts';

/** Scores of an autoencoder's weights; docs/metrics.md explains each. */
export interface DictionaryScore {
  /** c_dec, and the number of latents among which the pairs were taken; null for a single latent. */
  readonly c_dec: { readonly mean: number | null; readonly latents: number };
  /**
   * s_n^dec by n, and the number of samples that it was computed from; absent where there were none, and where each
   * sample is normalised.
   */
  readonly s_dec?: { readonly by_n: Readonly<Record<string, number>>; readonly samples: number };
  /** Cosines of encoder columns and decoder rows; absent for a transcoder. */
  readonly encoder_decoder_cosine?: {
    readonly mean: number;
    readonly p5: number;
    readonly median: number;
    readonly p95: number;
  };
}

/** How many latents c_dec is computed from: half a second of one core at 768 dimensions. */
const MOST_LATENTS = 1024;
/** The most products that s_n^dec may take: a third of a second of one core. */
const MOST_PRODUCTS = 5e8;

/** How many samples of a batch s_n^dec is computed from. */
export function projectedSamples({ dOut, dSae }: Pick<FrozenSae, 'dOut' | 'dSae'>): number {
  return Math.max(16, Math.min(1024, Math.floor(MOST_PRODUCTS / (dOut * dSae))));
}

/**
 * Scores a frozen autoencoder.
 * @param rows some rows of the reconstructed tensor, [n, d_out]; only the first `projectedSamples` are read
 */
export function scoreDictionary(sae: FrozenSae, rows?: HostTensor): DictionaryScore {
  const { weights, dOut, transcoder, normalizeActivations } = sae;
  const directions = unitRows(weights['W_dec']!);
  const { mean, latents } = dictionaryCosine(directions, { mostLatents: MOST_LATENTS });
  // Where each sample is normalised, b_dec lies in another space than the rows.
  const samples = normalizeActivations === 'none' ? Math.min(rows?.shape[0] ?? 0, projectedSamples(sae)) : 0;
  return {
    c_dec: { mean: mean ?? null, latents },
    ...(samples > 0 && { s_dec: { by_n: projections(directions, weights['b_dec']!, rows!, samples, dOut), samples } }),
    ...(!transcoder && {
      encoder_decoder_cosine: spread(encoderAlignment(weights['W_enc']!, weights['W_dec']!).cosines),
    }),
  };
}

function projections(
  directions: HostTensor,
  bias: HostTensor,
  rows: HostTensor,
  samples: number,
  width: number,
): Record<string, number> {
  const projection = new DecoderProjection({ directions, bias: bias.data });
  projection.add({ data: rows.data.subarray(0, samples * width), shape: [samples, width] });
  return Object.fromEntries(projection.compute().map(({ n, value }) => [String(n), value]));
}

function spread(values: Float32Array): { mean: number; p5: number; median: number; p95: number } {
  const sorted = values.slice().sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, p5: at(0.05), median: at(0.5), p95: at(0.95) };
}
