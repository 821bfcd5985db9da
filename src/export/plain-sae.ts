/**
 * A frozen SAE in plain loops and float64, without TensorFlow.js or ONNX. Converted files are compared with it, and it
 * measures small SAEs. The formulas are those of models/frozen-sae.ts, written a second time on purpose.
 */
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensor } from '../tensor.ts';

/** The results of `applyPlainSae`. */
export interface PlainAnswer {
  /** [rows, dSae] */
  readonly features: Float64Array;
  /** [rows, dOut] */
  readonly reconstruction: Float64Array;
  /**
   * [rows, dSae], or empty where margins are not asked for: how far the number that decides whether a latent fires (its
   * distance to a threshold, for example) is from deciding otherwise; infinite where nothing decides. Where the margin
   * is within rounding, another program may rightly decide otherwise.
   */
  readonly margins: Float64Array;
}

/** Added to the standard deviation, as in SAELens. */
const LAYER_NORM_EPSILON = 1e-5;

/** Features and reconstruction of `activations` [rows, dIn], and margins unless they are not wanted. */
export function applyPlainSae(
  sae: FrozenSae,
  { data, shape }: HostTensor,
  { wantsMargins = true }: { readonly wantsMargins?: boolean } = {},
): PlainAnswer {
  const { dIn, dSae, dOut, weights } = sae;
  const rows = shape[0]!;
  const features = new Float64Array(rows * dSae);
  const reconstruction = new Float64Array(rows * dOut);
  const margins = wantsMargins ? new Float64Array(rows * dSae).fill(Number.POSITIVE_INFINITY) : undefined;
  const [bDec, wEnc, wDec, wSkip] = ['b_dec', 'W_enc', 'W_dec', 'W_skip'].map(name => weights[name]?.data);
  const [x, projected] = [new Float64Array(dIn), new Float64Array(dSae)];
  const activate = activation(sae);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < dIn; i++) x[i] = data[row * dIn + i]!;
    const { mean, scale } = normalize(sae, x);
    projected.fill(0);
    for (let i = 0; i < dIn; i++) {
      const value = sae.applyBDecToInput ? x[i]! - bDec![i]! : x[i]!;
      if (value === 0) continue;
      for (let j = 0; j < dSae; j++) projected[j]! += value * wEnc![i * dSae + j]!;
    }
    activate(projected, features, margins, row * dSae);

    const at = row * dOut;
    for (let i = 0; i < dOut; i++) reconstruction[at + i] = bDec![i]!;
    for (let j = 0; j < dSae; j++) {
      const value = features[row * dSae + j]!;
      if (value === 0) continue;
      for (let i = 0; i < dOut; i++) reconstruction[at + i]! += value * wDec![j * dOut + i]!;
    }
    if (!sae.transcoder) {
      for (let i = 0; i < dOut; i++) reconstruction[at + i] = reconstruction[at + i]! * scale + mean;
    }
    if (wSkip) {
      for (let o = 0; o < dOut; o++) {
        for (let i = 0; i < dIn; i++) reconstruction[at + o]! += data[row * dIn + i]! * wSkip[o * dIn + i]!;
      }
    }
  }
  return { features, reconstruction, margins: margins ?? new Float64Array(0) };
}

/**
 * Normalises `x` in place, (x − mean) / (scale + ε).
 * @returns a function that undoes it: scale · x̂ + mean
 */
function normalize(
  { normalizeActivations, dIn }: FrozenSae,
  x: Float64Array,
): { readonly mean: number; readonly scale: number } {
  if (normalizeActivations === 'none') return NOT_NORMALIZED;
  if (normalizeActivations === 'constant_norm_rescale') {
    const scale = Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / dIn);
    for (let i = 0; i < dIn; i++) x[i]! /= scale;
    return { mean: 0, scale };
  }
  const mean = x.reduce((sum, value) => sum + value, 0) / dIn;
  const scale = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (dIn - 1));
  for (let i = 0; i < dIn; i++) x[i] = (x[i]! - mean) / (scale + LAYER_NORM_EPSILON);
  return { mean, scale };
}

const NOT_NORMALIZED = { mean: 0, scale: 1 } as const;

/** Fills a row of features and margins, from `at` on, from x̃ W_enc. */
type Activation = (
  projected: Float64Array,
  features: Float64Array,
  margins: Float64Array | undefined,
  at: number,
) => void;

function activation(sae: FrozenSae): Activation {
  const { dSae } = sae;
  const weight = (name: string): Float32Array => sae.weights[name]!.data;
  switch (sae.architecture) {
    case 'gated': {
      const [gate, gain, bias] = [weight('b_gate'), weight('r_mag'), weight('b_mag')];
      return (projected, features, margins, at) => {
        for (let j = 0; j < dSae; j++) {
          const decides = projected[j]! + gate[j]!;
          if (margins) margins[at + j] = Math.abs(decides);
          if (decides > 0) features[at + j] = Math.max(0, projected[j]! * Math.exp(gain[j]!) + bias[j]!);
        }
      };
    }
    case 'topk': {
      const bias = weight('b_enc');
      const k = sae.k!;
      const largest = new Float64Array(k + 1);
      return (projected, features, margins, at) => {
        largest.fill(Number.NEGATIVE_INFINITY);
        for (let j = 0; j < dSae; j++) {
          const value = projected[j]! + bias[j]!;
          projected[j] = value;
          if (!(value > largest[k]!)) continue;
          let place = k;
          for (; place > 0 && value > largest[place - 1]!; place--) largest[place] = largest[place - 1]!;
          largest[place] = value;
        }
        const [last, next] = [largest[k - 1]!, largest[k]!];
        for (let j = 0; j < dSae; j++) {
          const value = projected[j]!;
          // An entry that stays could fall below the first one that does not, and the other way round.
          if (margins) margins[at + j] = value >= last ? value - next : last - value;
          if (value >= last) features[at + j] = Math.max(0, value);
        }
      };
    }
    default: {
      const bias = weight('b_enc');
      const threshold = sae.architecture === 'jumprelu' ? weight('threshold') : undefined;
      return (projected, features, margins, at) => {
        for (let j = 0; j < dSae; j++) {
          const pre = projected[j]! + bias[j]!;
          if (threshold && margins) margins[at + j] = Math.abs(pre - threshold[j]!);
          if (threshold === undefined || pre > threshold[j]!) features[at + j] = Math.max(0, pre);
        }
      };
    }
  }
}
