/**
 * A frozen SAE in plain loops, float64, with nothing of TensorFlow.js or ONNX: what a converted file is held against. The formulas are those of
 * models/frozen-sae.ts, written a second time on purpose.
 */
import type { FrozenSae } from '../models/frozen-sae.ts';
import type { HostTensor } from '../tensor.ts';

export interface PlainAnswer {
  /** [rows, dSae] */
  readonly features: Float64Array;
  /** [rows, dOut] */
  readonly reconstruction: Float64Array;
  /**
   * [rows, dSae]: how far what decides over a latent, such as a threshold, is from deciding otherwise; infinite where nothing decides.
   * Where it is within rounding another program may rightly decide otherwise.
   */
  readonly margins: Float64Array;
}

/** As SAELens: added to the standard deviation. */
const LAYER_NORM_EPSILON = 1e-5;

/** Features and reconstruction of `activations` [rows, dIn]. */
export function applyPlainSae(sae: FrozenSae, { data, shape }: HostTensor): PlainAnswer {
  const { dIn, dSae, dOut, weights } = sae;
  const rows = shape[0]!;
  const features = new Float64Array(rows * dSae);
  const reconstruction = new Float64Array(rows * dOut);
  const margins = new Float64Array(rows * dSae).fill(Number.POSITIVE_INFINITY);
  const [bDec, wEnc, wDec, wSkip] = ['b_dec', 'W_enc', 'W_dec', 'W_skip'].map(name => weights[name]?.data);
  for (let row = 0; row < rows; row++) {
    const given = Float64Array.from(data.subarray(row * dIn, (row + 1) * dIn));
    const { x, mean, scale } = normalized(sae, given);
    const centred = sae.applyBDecToInput ? x.map((value, i) => value - bDec![i]!) : x;
    const projected = new Float64Array(dSae);
    for (let i = 0; i < dIn; i++) {
      const value = centred[i]!;
      if (value === 0) continue;
      for (let j = 0; j < dSae; j++) projected[j]! += value * wEnc![i * dSae + j]!;
    }
    const f = features.subarray(row * dSae, (row + 1) * dSae);
    activate(sae, projected, f, margins.subarray(row * dSae, (row + 1) * dSae));

    const out = reconstruction.subarray(row * dOut, (row + 1) * dOut);
    out.set(bDec!);
    for (let j = 0; j < dSae; j++) {
      const value = f[j]!;
      if (value === 0) continue;
      for (let i = 0; i < dOut; i++) out[i]! += value * wDec![j * dOut + i]!;
    }
    if (!sae.transcoder) for (let i = 0; i < dOut; i++) out[i] = out[i]! * scale + mean;
    if (wSkip) {
      for (let o = 0; o < dOut; o++) for (let i = 0; i < dIn; i++) out[o]! += given[i]! * wSkip[o * dIn + i]!;
    }
  }
  return { features, reconstruction, margins };
}

/** x = (activations − mean) / (scale + ε), and what undoes it: scale · x̂ + mean. */
function normalized(
  { normalizeActivations, dIn }: FrozenSae,
  given: Float64Array,
): { readonly x: Float64Array; readonly mean: number; readonly scale: number } {
  if (normalizeActivations === 'none') return { x: given, mean: 0, scale: 1 };
  if (normalizeActivations === 'constant_norm_rescale') {
    const scale = Math.sqrt(given.reduce((sum, value) => sum + value ** 2, 0) / dIn);
    return { x: given.map(value => value / scale), mean: 0, scale };
  }
  const mean = given.reduce((sum, value) => sum + value, 0) / dIn;
  const scale = Math.sqrt(given.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (dIn - 1));
  return { x: given.map(value => (value - mean) / (scale + LAYER_NORM_EPSILON)), mean, scale };
}

/** Fills features and margins from x̃ W_enc. */
function activate(sae: FrozenSae, projected: Float64Array, features: Float64Array, margins: Float64Array): void {
  const weight = (name: string): Float32Array => sae.weights[name]!.data;
  switch (sae.architecture) {
    case 'gated': {
      const [gate, gain, bias] = [weight('b_gate'), weight('r_mag'), weight('b_mag')];
      projected.forEach((value, j) => {
        margins[j] = Math.abs(value + gate[j]!);
        if (value + gate[j]! > 0) features[j] = Math.max(0, value * Math.exp(gain[j]!) + bias[j]!);
      });
      return;
    }
    case 'topk': {
      const bias = weight('b_enc');
      const pre = projected.map((value, j) => value + bias[j]!);
      const sorted = pre.toSorted().reverse();
      const [last, next] = [sorted[sae.k! - 1]!, sorted[sae.k!] ?? Number.NEGATIVE_INFINITY];
      pre.forEach((value, j) => {
        // Those that stay could fall below the first that does not, and the other way round.
        margins[j] = value >= last ? value - next : last - value;
        if (value >= last) features[j] = Math.max(0, value);
      });
      return;
    }
    default: {
      const bias = weight('b_enc');
      const threshold = sae.architecture === 'jumprelu' ? weight('threshold') : undefined;
      projected.forEach((value, j) => {
        const pre = value + bias[j]!;
        if (threshold) margins[j] = Math.abs(pre - threshold[j]!);
        if (threshold === undefined || pre > threshold[j]!) features[j] = Math.max(0, pre);
      });
    }
  }
}
