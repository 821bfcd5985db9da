/** Where training's batches come from: host arrays, the same for a seed whatever the engine, and a position that can be saved. */
import { type RandomSource, type RandomState, restoreRandomSource } from '../data/random-source.ts';
import { FileFormatError, InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

export interface BatchSource {
  /** Fills the inputs of `steps` steps, [steps, ...batch] each, with what comes next. */
  fill(inputs: Readonly<Record<string, Float32Array>>, steps: number): void | Promise<void>;
  /** Where the source stands: JSON. */
  state(): unknown;
  /** Goes to where `state()` was taken. */
  restore(state: unknown): void | Promise<void>;
}

/** Anything that overwrites an array with its next samples. */
export interface SampleGenerator {
  fill(into: Float32Array): void;
}

/** Batches of a generator that draws from `random`; `make` builds it, again when a run is resumed. */
export function generatedBatches(
  inputName: string,
  random: RandomSource,
  make: (random: RandomSource) => SampleGenerator,
): BatchSource {
  let source = random;
  let generator = make(random);
  return {
    fill: inputs => generator.fill(inputs[inputName]!),
    state: () => source.state(),
    restore(state) {
      if (!Array.isArray(state)) throw new FileFormatError('the checkpoint holds no random state');
      source = restoreRandomSource(state as RandomState);
      generator = make(source);
    },
  };
}

/** Samples joined from several generators, one an instance: [instance 0's batch, instance 1's batch, …] for every step. */
export function sideBySide(inputName: string, sources: readonly BatchSource[]): BatchSource {
  return {
    async fill(inputs, steps) {
      const all = inputs[inputName]!;
      const size = all.length / steps / sources.length;
      const own = new Float32Array(steps * size);
      for (const [i, source] of sources.entries()) {
        await source.fill({ [inputName]: own }, steps);
        for (let step = 0; step < steps; step++) {
          all.set(own.subarray(step * size, (step + 1) * size), (step * sources.length + i) * size);
        }
      }
    },
    state: () => sources.map(source => source.state()),
    async restore(state) {
      if (!Array.isArray(state) || state.length !== sources.length) {
        throw new FileFormatError(`the checkpoint does not hold the states of ${sources.length} sources`);
      }
      for (const [i, source] of sources.entries()) await source.restore(state[i]);
    },
  };
}

/** A toy model's hidden activations of the features that `generator` draws: x W, on the host, zeros skipped. */
export function hiddenActivations(weight: HostTensor, generator: SampleGenerator): SampleGenerator {
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const w = weight.data;
  let features = new Float32Array(0);
  return {
    fill(into) {
      const samples = into.length / nHidden;
      if (!Number.isInteger(samples)) {
        throw new InvalidShapeError(`${into.length} values are no whole number of activations of ${nHidden}`);
      }
      if (features.length !== samples * nFeatures) features = new Float32Array(samples * nFeatures);
      generator.fill(features);
      if (nHidden === 2) projectToPlane(features, w, into);
      else project(features, w, nHidden, into);
    },
  };
}

/** features W for W [n_features, n_hidden]. */
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

/** The same, to the bit, for two hidden dimensions: adding zeros costs less than asking which entries are zero. */
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

/** Adds a learning rate for each step, as `schedule` gives it for the number of steps completed, to another source's batches. */
export function withLearningRate(
  inputName: string,
  source: BatchSource,
  schedule: (completedSteps: number) => number,
): BatchSource {
  let completed = 0;
  return {
    async fill(inputs, steps) {
      const rates = inputs[inputName]!;
      for (let step = 0; step < steps; step++) rates[step] = schedule(completed++);
      await source.fill(inputs, steps);
    },
    state: () => ({ completed, source: source.state() }),
    async restore(state) {
      const saved = state as { completed: number; source: unknown };
      completed = saved.completed;
      await source.restore(saved.source);
    },
  };
}
