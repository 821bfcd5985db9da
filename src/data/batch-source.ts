/** Where training's batches come from: host arrays, the same for a seed whatever the engine, and a position that can be saved. */
import { FileFormatError } from '../errors.ts';
import { generatorFrom } from './generator-from.ts';
import { type RandomSource, type RandomState, restoreRandomSource } from './random-source.ts';
import type { SampleGenerator, SampleRecipe } from './sample-generator.ts';

export interface BatchSource {
  /** Fills the inputs of `steps` steps, [steps, ...batch] each, with what comes next. */
  fill(inputs: Readonly<Record<string, Float32Array>>, steps: number): void | Promise<void>;
  /** Where the source stands: JSON. */
  state(): unknown;
  /** Goes to where `state()` was taken. */
  restore(state: unknown): void | Promise<void>;
  /** What comes next as plain data, from which another thread draws the same; undefined where only this one can. */
  recipe?(): BatchRecipe | undefined;
}

/** A generated source as plain data. */
export interface BatchRecipe {
  /** The step's input that it fills. */
  readonly input: string;
  /** How members lie in a batch: one alone; a batch of each, one after the other; or samples of this many numbers side by side. */
  readonly layout: 'alone' | 'batches' | { readonly sampleSize: number };
  /** Which member each instance reads; several may read the same. One alone for `alone`. */
  readonly readers: readonly number[];
  readonly members: readonly { readonly samples: SampleRecipe; readonly random: RandomState }[];
}

/** A generator and what it draws from. */
interface Member {
  readonly random: RandomSource;
  readonly generator: SampleGenerator;
}

/** Generators that each draw from a source of their own. */
class GeneratedBatches implements BatchSource {
  readonly #input: string;
  readonly #layout: Exclude<BatchRecipe['layout'], 'batches'>;
  readonly #makers: readonly ((random: RandomSource) => SampleGenerator)[];
  #members: readonly Member[];

  constructor(
    input: string,
    layout: Exclude<BatchRecipe['layout'], 'batches'>,
    makers: readonly ((random: RandomSource) => SampleGenerator)[],
    randoms: readonly RandomSource[],
  ) {
    this.#input = input;
    this.#layout = layout;
    this.#makers = makers;
    this.#members = makers.map((make, i) => ({ random: randoms[i]!, generator: make(randoms[i]!) }));
  }

  fill(inputs: Readonly<Record<string, Float32Array>>, steps: number): void {
    const all = inputs[this.#input]!;
    const layout = this.#layout;
    const generators = this.#members.map(({ generator }) => generator);
    if (layout === 'alone') {
      generators[0]!.fill(all);
      return;
    }
    const size = all.length / steps;
    for (let start = 0; start < all.length; start += size) {
      fillColumns(all.subarray(start, start + size), generators, layout.sampleSize);
    }
  }

  state(): RandomState | RandomState[] {
    const states = this.#members.map(({ random }) => random.state());
    return this.#layout === 'alone' ? states[0]! : states;
  }

  restore(state: unknown): void {
    if (!Array.isArray(state)) throw new FileFormatError('the checkpoint holds no random state');
    const states = (this.#layout === 'alone' ? [state] : state) as RandomState[];
    if (states.length !== this.#makers.length) {
      throw new FileFormatError(`the checkpoint does not hold the states of ${this.#makers.length} sources`);
    }
    this.#members = this.#makers.map((make, i) => {
      const random = restoreRandomSource(states[i]!);
      return { random, generator: make(random) };
    });
  }

  recipe(): BatchRecipe | undefined {
    const members: BatchRecipe['members'][number][] = [];
    for (const { random, generator } of this.#members) {
      if (!generator.recipe) return undefined;
      members.push({ samples: generator.recipe, random: random.state() });
    }
    return { input: this.#input, layout: this.#layout, readers: members.map((_, i) => i), members };
  }
}

/** [samples, instances, sampleSize] */
function fillColumns(batch: Float32Array, generators: readonly SampleGenerator[], sampleSize: number): void {
  const stride = generators.length * sampleSize;
  const samples = batch.length / stride;
  const own = new Float32Array(samples * sampleSize);
  batch.fill(0);
  for (const [i, generator] of generators.entries()) {
    const first = i * sampleSize;
    const present = generator.drawPresent?.(samples);
    if (present) {
      const { count, positions, values } = present;
      for (let entry = 0; entry < count; entry++) {
        const at = positions[entry]!;
        const sample = Math.floor(at / sampleSize);
        batch[first + at + sample * (stride - sampleSize)] = values[entry]!;
      }
      continue;
    }
    generator.fill(own);
    for (let from = 0, to = first; from < own.length; to += stride - sampleSize) {
      for (let column = 0; column < sampleSize; column++) batch[to++] = own[from++]!;
    }
  }
}

/** Batches of a generator that draws from `random`; `make` builds it, again when a run is resumed. */
export function generatedBatches(
  inputName: string,
  random: RandomSource,
  make: (random: RandomSource) => SampleGenerator,
): BatchSource {
  return new GeneratedBatches(inputName, 'alone', [make], [random]);
}

/** Batches [batch, n_instances, sample] of generators, one for each instance, each with a source of its own. */
export function generatedSamples(
  inputName: string,
  sampleSize: number,
  makers: readonly ((random: RandomSource) => SampleGenerator)[],
  randoms: readonly RandomSource[],
): BatchSource {
  return new GeneratedBatches(inputName, { sampleSize }, makers, randoms);
}

/** The source that a recipe describes. */
export function batchesFrom({ input, layout, readers, members }: BatchRecipe): BatchSource {
  if (layout === 'batches') {
    const alone = members.map(member => batchesFrom({ input, layout: 'alone', readers: [0], members: [member] }));
    return sideBySide(input, alone, readers);
  }
  return new GeneratedBatches(
    input,
    layout,
    members.map(
      ({ samples }) =>
        (random: RandomSource) =>
          generatorFrom(samples, random),
    ),
    members.map(({ random }) => restoreRandomSource(random)),
  );
}

/** The recipe of instances `start` to `end` of those that a recipe has, and which of its members they read. */
export function partOf({ readers, members, ...recipe }: BatchRecipe, start: number, end: number) {
  const own = readers.slice(start, end);
  const read = [...new Set(own)];
  const part = { ...recipe, readers: own.map(member => read.indexOf(member)), members: read.map(i => members[i]!) };
  return { read, part };
}

/**
 * Batches joined from several sources: [instance 0's batch, instance 1's batch, …] for every step. Instance i reads source `readers[i]`, by
 * default source i; what several read is drawn once.
 */
export function sideBySide(
  inputName: string,
  sources: readonly BatchSource[],
  readers: readonly number[] = sources.map((_, i) => i),
): BatchSource {
  const firstReader = sources.map((_, source) => readers.indexOf(source));
  return {
    async fill(inputs, steps) {
      const all = inputs[inputName]!;
      const size = all.length / steps / readers.length;
      for (let step = 0; step < all.length; step += size * readers.length) {
        for (const [i, source] of readers.entries()) {
          const at = step + i * size;
          const first = step + firstReader[source]! * size;
          if (first < at) {
            all.copyWithin(at, first, first + size);
            continue;
          }
          const filling = sources[source]!.fill({ [inputName]: all.subarray(at, at + size) }, 1);
          if (filling) await filling;
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
    recipe() {
      const members: BatchRecipe['members'][number][] = [];
      for (const source of sources) {
        const recipe = source.recipe?.();
        if (recipe?.layout !== 'alone' || recipe.input !== inputName) return undefined;
        members.push(...recipe.members);
      }
      return { input: inputName, layout: 'batches', readers, members };
    },
  };
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
