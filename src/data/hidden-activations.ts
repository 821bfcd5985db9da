/** Activations of a toy model for the features that a generator draws. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';
import type { PresentEntries, SampleGenerator } from './sample-generator.ts';

/**
 * How many samples are projected at once where the generator draws them one by one: features of 100 entries then fit
 * into a core's cache.
 */
const DENSE_SAMPLES = 1024;

/**
 * The hidden activations x W + b of a toy model for the features x that `generator` draws, computed on the host; zeros
 * of x are skipped.
 * @param weight W, [n_features, n_hidden]
 * @param bias b, [n_hidden]. Default: no bias
 * @throws InvalidShapeError where the shapes do not fit
 */
export function hiddenActivations(weight: HostTensor, generator: SampleGenerator, bias?: HostTensor): SampleGenerator {
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const w = weight.data;
  let room = new Float32Array(0);
  const fillDense = (into: Float32Array, samples: number): void => {
    const length = samples * nFeatures;
    if (room.length < length) room = new Float32Array(length);
    const features = room.subarray(0, length);
    generator.fill(features);
    if (nHidden === 2) projectToPlane(features, w, into);
    else project(features, w, nHidden, into);
  };
  return {
    ...(generator.recipe && {
      recipe: { kind: 'hidden', weight, features: generator.recipe, ...(bias && { bias }) },
    }),
    ...(generator.batchSize !== undefined && { batchSize: generator.batchSize }),
    ...(generator.skip && { skip: samples => generator.skip!(samples) }),
    get begun() {
      return generator.begun;
    },
    fill(into) {
      const samples = into.length / nHidden;
      if (!Number.isInteger(samples)) {
        throw new InvalidShapeError(`${into.length} values are no whole number of activations of ${nHidden}`);
      }
      // A position among features of all samples is an int32.
      const most = Math.max(1, Math.min(DENSE_SAMPLES, Math.floor(2 ** 31 / nFeatures)));
      const { batchSize = most } = generator;
      for (let start = 0; start < samples; ) {
        const count = Math.min(batchSize - (generator.begun?.taken ?? 0), samples - start);
        const part = into.subarray(start * nHidden, (start + count) * nHidden);
        const present = generator.drawPresent?.(count);
        if (present) projectPresent(present, nFeatures, w, nHidden, part);
        else fillDense(part, count);
        if (bias) addToRows(part, bias.data);
        start += count;
      }
    },
  };
}

/**
 * Projects features of which only the entries that are present are given: the same sums in the same order as `project`.
 */
function projectPresent(
  { count, positions, values }: PresentEntries,
  nFeatures: number,
  w: ArrayLike<number>,
  nHidden: number,
  into: Float32Array,
): void {
  into.fill(0);
  for (let entry = 0; entry < count; entry++) {
    const at = positions[entry]!;
    const sample = Math.floor(at / nFeatures);
    const row = (at - sample * nFeatures) * nHidden;
    const value = values[entry]!;
    for (let i = 0, out = sample * nHidden; i < nHidden; i++, out++) into[out]! += value * w[row + i]!;
  }
}

/** Computes features · W for W [n_features, n_hidden]. */
function project(features: Float32Array, w: ArrayLike<number>, nHidden: number, into: Float32Array): void {
  const nFeatures = w.length / nHidden;
  into.fill(0);
  for (let at = 0, out = 0; at < features.length; at += nFeatures, out += nHidden) {
    for (let feature = 0; feature < nFeatures; feature++) {
      const value = features[at + feature]!;
      if (value === 0) continue;
      const row = feature * nHidden;
      for (let i = 0; i < nHidden; i++) into[out + i]! += value * w[row + i]!;
    }
  }
}

/**
 * `project` for two hidden dimensions, to the same bits: adding zeros costs less than asking which entries are zero.
 */
function projectToPlane(features: Float32Array, w: ArrayLike<number>, into: Float32Array): void {
  const nFeatures = w.length / 2;
  for (let at = 0, out = 0; at < features.length; out += 2) {
    let x = 0;
    let y = 0;
    for (let weight = 0; weight < 2 * nFeatures; weight += 2) {
      const value = features[at++]!;
      x = Math.fround(x + value * w[weight]!);
      y = Math.fround(y + value * w[weight + 1]!);
    }
    into[out] = x;
    into[out + 1] = y;
  }
}

function addToRows(rows: Float32Array, bias: Float32Array): void {
  for (let row = 0; row < rows.length; row += bias.length) {
    for (let i = 0; i < bias.length; i++) rows[row + i]! += bias[i]!;
  }
}
