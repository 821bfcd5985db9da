/**
 * Where so many latents are active that products of whole matrices are cheaper than lists, ONNX Runtime multiplies; here entries become
 * matrices and products become gradients. The results are those of the lists but for rounding.
 */
import { sumOfSquares } from './adam.ts';
import {
  alongs,
  batch,
  columns,
  decoder,
  decoderBiasGradient,
  decoderGradients,
  encoder,
  encoderBiasGradients,
  encoderGradients,
  entryLatents,
  entryValues,
  inverseNorms,
  latents,
  norms,
  preActivations,
  products,
  rowStarts,
  termDots,
  thresholdGradients,
  thresholds,
  valueSums,
  width,
} from './layout.ts';
import { bandwidth, keepsNorms, l1, reachesInput } from './objective.ts';
import { addScaled, sumLanes } from './rows.ts';
import { estimateAt, radialOf } from './update.ts';

/** preActivations = the entries' values, times what makes W_dec of a decoder row, and zeros: the matrix that multiplies decoder rows. */
export function spreadValues(): void {
  const rowBytes = (<usize>columns) << 2;
  for (let row = 0; row < batch; row++) {
    const out = preActivations + <usize>row * rowBytes;
    memory.fill(out, 0, rowBytes);
    for (let entry = startOf(row), end = startOf(row + 1); entry < end; entry++) {
      const offset = (<usize>entry) << 2;
      const index = (<usize>load<i32>(entryLatents + offset)) << 2;
      store<f32>(out + index, load<f32>(entryValues + offset) * load<f32>(inverseNorms + index));
    }
  }
}

/** From products = gradients · decoderᵀ to the gradients of the pre-activations, in place; sums over the batch for each latent beside it. */
export function scoreGradients(): void {
  const rowBytes = (<usize>columns) << 2;
  memory.fill(alongs, 0, rowBytes);
  memory.fill(valueSums, 0, rowBytes);
  memory.fill(encoderBiasGradients, 0, rowBytes);
  if (bandwidth > 0) memory.fill(thresholdGradients, 0, rowBytes);
  for (let row = 0; row < batch; row++) {
    const out = products + <usize>row * rowBytes;
    const first = startOf(row);
    const end = startOf(row + 1);
    for (let entry = first; entry < end; entry++) {
      const offset = (<usize>entry) << 2;
      const index = (<usize>load<i32>(entryLatents + offset)) << 2;
      const value = load<f32>(entryValues + offset);
      const featureGradient = load<f32>(inverseNorms + index) * load<f32>(out + index);
      let scoreGradient = featureGradient;
      if (l1 !== 0) scoreGradient += l1 * (keepsNorms ? load<f32>(norms + index) : 1);
      if (bandwidth > 0) {
        const estimate = estimateAt(value, load<f32>(thresholds + index), scoreGradient);
        add(thresholdGradients + index, -estimate);
        scoreGradient = (value > 0 ? scoreGradient : 0) + (reachesInput ? estimate : 0);
      }
      add(alongs + index, value * featureGradient);
      add(valueSums + index, value);
      add(encoderBiasGradients + index, scoreGradient);
      store<f32>(termDots + ((<usize>(entry - first)) << 2), scoreGradient);
    }
    memory.fill(out, 0, rowBytes);
    for (let entry = first; entry < end; entry++) {
      const index = (<usize>load<i32>(entryLatents + ((<usize>entry) << 2))) << 2;
      store<f32>(out + index, load<f32>(termDots + ((<usize>(entry - first)) << 2)));
    }
  }
}

/** Takes from the products of decoder rows what `radialOf` says, and gives b_dec's gradient its part; the sum of squares of all. */
export function finishGradients(): f64 {
  const rowBytes = (<usize>width) << 2;
  let total: f64 = 0;
  for (let latent: usize = 0, end = <usize>latents; latent < end; latent++) {
    const index = latent << 2;
    const decoderGradient = decoderGradients + latent * rowBytes;
    const radial = radialOf(latent, load<f32>(alongs + index), load<f32>(valueSums + index));
    if (radial !== 0) addScaled(decoderGradient, decoder + latent * rowBytes, -radial);
    const biasGradient = load<f32>(encoderBiasGradients + index);
    if (biasGradient !== 0) addScaled(decoderBiasGradient, encoder + latent * rowBytes, -biasGradient);
    const thresholdGradient = bandwidth > 0 ? load<f32>(thresholdGradients + index) : 0;
    total += <f64>sumLanes(sumOfSquares(decoderGradient, rowBytes));
    total += <f64>sumLanes(sumOfSquares(encoderGradients + latent * rowBytes, rowBytes));
    total += <f64>biasGradient * <f64>biasGradient + <f64>thresholdGradient * <f64>thresholdGradient;
  }
  return total;
}

function startOf(row: i32): i32 {
  return load<i32>(rowStarts + ((<usize>row) << 2));
}

function add(address: usize, amount: f32): void {
  store<f32>(address, load<f32>(address) + amount);
}
