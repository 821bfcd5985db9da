/** Training batches as host arrays. A seed gives the same ones whatever the engine, and the position can be saved. */
import { FileFormatError } from '../errors.ts';
import { generatorFrom } from './generator-from.ts';
import { type RandomSource, type RandomState, restoreRandomSource } from './random-source.ts';
import type { BegunBatch, SampleGenerator, SampleRecipe } from './sample-generator.ts';

/**
 * Gives one training batch after another. Its position can be kept and restored; it then goes on with the same numbers.
 */
export interface BatchSource {
  /**
   * Fills the inputs of the next `steps` steps.
   * @param inputs [steps, ...batch] each
   */
  fill(inputs: Readonly<Record<string, Float32Array>>, steps: number): void | Promise<void>;
  /** The position, as JSON. */
  state(): unknown;
  /**
   * Goes to a position that `state()` gave.
   * @throws FileFormatError where `state` is no position of this source
   */
  restore(state: unknown): void | Promise<void>;
  /**
   * The following batches as plain data, from which another thread draws the same. `undefined` where only this object
   * can draw them.
   */
  recipe?(): BatchRecipe | undefined;
}

/** A generated source as plain data. */
export interface BatchRecipe {
  /** The step's input that it fills. */
  readonly input: string;
  /** `alone`: [batch, ...sample]. `batches`: [instance, batch, ...sample]. `{ sampleSize }`: [batch, instance, ...sample]. */
  readonly layout: 'alone' | 'batches' | { readonly sampleSize: number };
  /** The index of the member that each instance reads; several instances may read the same one. [0] for `alone`. */
  readonly readers: readonly number[];
  readonly members: readonly MemberRecipe[];
}

/** A generator and its position, as plain data. */
export interface MemberRecipe {
  readonly samples: SampleRecipe;
  /** The state of its random source before it drew the batch of which `taken` samples have been given. */
  readonly random: RandomState;
  /** Samples of the current batch that have been given. Default 0: the position lies between two batches. */
  readonly taken?: number;
}

/**
 * A generator's position: the state of its random source between two batches, or a batch of which a part has been
 * given.
 */
type Position = RandomState | BegunBatch;

/** A generator with its position. */
class Member {
  readonly #make: (random: RandomSource) => SampleGenerator;
  #random: RandomSource;
  #generator: SampleGenerator;

  constructor(make: (random: RandomSource) => SampleGenerator, random: RandomSource) {
    this.#make = make;
    this.#random = random;
    this.#generator = make(random);
  }

  get generator(): SampleGenerator {
    return this.#generator;
  }

  position(): Position {
    return this.#generator.begun ?? this.#random.state();
  }

  restore(state: unknown): void {
    const { random, taken } = readPosition(state);
    const generator = this.#make(random);
    if (taken > 0) {
      if (!generator.skip || !(taken < (generator.batchSize ?? 0))) {
        throw new FileFormatError(
          `the checkpoint stands at sample ${taken} of a batch, this source has ${generator.batchSize ?? 'none'}`,
        );
      }
      generator.skip(taken);
    }
    this.#random = random;
    this.#generator = generator;
  }

  recipe(): MemberRecipe | undefined {
    const samples = this.#generator.recipe;
    if (!samples) return undefined;
    const { begun } = this.#generator;
    return begun ? { samples, ...begun } : { samples, random: this.#random.state() };
  }
}

function readPosition(state: unknown): { readonly random: RandomSource; readonly taken: number } {
  const isBegun = typeof state === 'object' && state !== null && !Array.isArray(state);
  const { random: words, taken } = isBegun ? (state as BegunBatch) : { random: state as RandomState, taken: 0 };
  if (!Array.isArray(words) || !Number.isSafeInteger(taken) || taken < 0) {
    throw new FileFormatError('the checkpoint holds no random state');
  }
  try {
    return { random: restoreRandomSource(words), taken };
  } catch (cause) {
    throw new FileFormatError(`the checkpoint holds no random state: ${(cause as Error).message}`, { cause });
  }
}

/** Batches of one generator. */
class GeneratedBatches implements BatchSource {
  readonly #input: string;
  readonly #member: Member;

  constructor(input: string, member: Member) {
    this.#input = input;
    this.#member = member;
  }

  get generator(): SampleGenerator {
    return this.#member.generator;
  }

  /** The same stream of batches, as another input. */
  named(input: string): GeneratedBatches {
    return new GeneratedBatches(input, this.#member);
  }

  fill(inputs: Readonly<Record<string, Float32Array>>): void {
    this.#member.generator.fill(inputs[this.#input]!);
  }

  state(): Position {
    return this.#member.position();
  }

  restore(state: unknown): void {
    this.#member.restore(state);
  }

  recipe(): BatchRecipe | undefined {
    const member = this.#member.recipe();
    return member && { input: this.#input, layout: 'alone', readers: [0], members: [member] };
  }
}

/**
 * Batches of a generator.
 * @param random the random source from which it draws
 * @param make builds the generator, and builds it again when a run is resumed
 */
export function generatedBatches(
  inputName: string,
  random: RandomSource,
  make: (random: RandomSource) => SampleGenerator,
): BatchSource {
  return new GeneratedBatches(inputName, new Member(make, random));
}

/** The source that a recipe describes. */
export function batchesFrom({ input, layout, readers, members }: BatchRecipe): BatchSource {
  const sources = members.map(({ samples, random, taken = 0 }) => {
    const member = new Member(own => generatorFrom(samples, own), restoreRandomSource(random));
    member.restore({ random, taken });
    return new GeneratedBatches(input, member);
  });
  if (layout === 'alone') return sources[0]!;
  return layout === 'batches'
    ? sideBySide(input, sources, readers)
    : samplesSideBySide(input, layout.sampleSize, sources, readers);
}

/**
 * The recipe of instances `start` up to, not including, `end` of a recipe, and the indices of the members that they
 * read.
 */
export function partOf({ readers, members, ...recipe }: BatchRecipe, start: number, end: number) {
  const own = readers.slice(start, end);
  const read = [...new Set(own)];
  const part = { ...recipe, readers: own.map(member => read.indexOf(member)), members: read.map(i => members[i]!) };
  return { read, part };
}

/**
 * The batches of a source under another name: the input `activations` becomes `inputName`; a `target` keeps its name.
 * Both are the same stream.
 */
export function renamed(batches: BatchSource, inputName: string): BatchSource {
  if (batches instanceof GeneratedBatches) return batches.named(inputName);
  return {
    fill({ [inputName]: activations, ...others }, steps) {
      return batches.fill({ ...others, ...(activations && { activations }) }, steps);
    },
    state: () => batches.state(),
    restore: state => batches.restore(state),
    recipe() {
      const recipe = batches.recipe?.();
      return recipe && { ...recipe, input: inputName };
    },
  };
}

/** Joins the positions of several sources to one, and their recipes to one. */
function joined(
  inputNames: readonly string[],
  layout: BatchRecipe['layout'],
  sources: readonly BatchSource[],
  readers: readonly number[],
) {
  return {
    state: () => sources.map(source => source.state()),
    async restore(state: unknown): Promise<void> {
      if (!Array.isArray(state) || state.length !== sources.length) {
        throw new FileFormatError(`the checkpoint does not hold the states of ${sources.length} sources`);
      }
      for (const [i, source] of sources.entries()) await source.restore(state[i]);
    },
    recipe(): BatchRecipe | undefined {
      const [input] = inputNames;
      const members: MemberRecipe[] = [];
      for (const source of sources) {
        const recipe = source.recipe?.();
        if (recipe?.layout !== 'alone' || recipe.input !== input || inputNames.length > 1) return undefined;
        members.push(...recipe.members);
      }
      return { input: input!, layout, readers, members };
    },
  };
}

/**
 * Batches [instance, batch, ...sample] joined from several sources, for every step. Instance i reads source
 * `readers[i]`, by default source i; a source that several instances read is drawn once. Pairs are joined under both
 * their names, `['activations', 'target']`.
 */
export function sideBySide(
  inputNames: string | readonly string[],
  sources: readonly BatchSource[],
  readers: readonly number[] = sources.map((_, i) => i),
): BatchSource {
  const names = typeof inputNames === 'string' ? [inputNames] : inputNames;
  const firstReader = sources.map((_, source) => readers.indexOf(source));
  return {
    async fill(inputs, steps) {
      const instance = (name: string, step: number, i: number): Float32Array => {
        const all = inputs[name]!;
        const size = all.length / steps / readers.length;
        const at = (step * readers.length + i) * size;
        return all.subarray(at, at + size);
      };
      for (let step = 0; step < steps; step++) {
        for (const [i, source] of readers.entries()) {
          const first = firstReader[source]!;
          if (first < i) {
            for (const name of names) instance(name, step, i).set(instance(name, step, first));
            continue;
          }
          const own = Object.fromEntries(names.map(name => [name, instance(name, step, i)]));
          const filling = sources[source]!.fill(own, 1);
          if (filling) await filling;
        }
      }
    },
    ...joined(names, 'batches', sources, readers),
  };
}

/**
 * Batches [batch, instance, sample] joined from several sources.
 * @param sampleSize numbers of one sample
 * @param readers instance i reads source `readers[i]`; a source that several instances read is drawn once. Default:
 *   instance i reads source i
 */
export function samplesSideBySide(
  inputName: string,
  sampleSize: number,
  sources: readonly BatchSource[],
  readers: readonly number[] = sources.map((_, i) => i),
): BatchSource {
  // The columns into which each source's samples go: the first number of each instance that reads it.
  const columns = sources.map((_, source) => readers.flatMap((read, i) => (read === source ? [i * sampleSize] : [])));
  const stride = readers.length * sampleSize;
  const generated = sources.filter(source => source instanceof GeneratedBatches);
  const fillEach = async (all: Float32Array, steps: number): Promise<void> => {
    const own = new Float32Array(all.length / steps / readers.length);
    for (let step = 0; step < steps; step++) {
      const batch = all.subarray(step * own.length * readers.length, (step + 1) * own.length * readers.length);
      for (const [i, source] of sources.entries()) {
        await source.fill({ [inputName]: own }, 1);
        for (const first of columns[i]!) scatterColumns(own, sampleSize, batch, first, stride);
      }
    }
  };
  return {
    fill(inputs, steps) {
      const all = inputs[inputName]!;
      if (generated.length < sources.length) return fillEach(all, steps);
      const size = all.length / steps;
      for (let at = 0; at < all.length; at += size) {
        fillColumns(all.subarray(at, at + size), generated, columns, sampleSize, stride);
      }
    },
    ...joined([inputName], { sampleSize }, sources, readers),
  };
}

/**
 * Fills a batch [samples, instances, sampleSize] from generators. Each is given with the first columns of the instances
 * that read it.
 */
function fillColumns(
  batch: Float32Array,
  sources: readonly { readonly generator: SampleGenerator }[],
  columns: readonly (readonly number[])[],
  sampleSize: number,
  stride: number,
): void {
  const samples = batch.length / stride;
  const own = new Float32Array(samples * sampleSize);
  batch.fill(0);
  for (const [i, { generator }] of sources.entries()) {
    const present = generator.drawPresent?.(samples);
    if (!present) generator.fill(own);
    for (const first of columns[i]!) {
      if (!present) {
        scatterColumns(own, sampleSize, batch, first, stride);
        continue;
      }
      const { count, positions, values } = present;
      for (let entry = 0; entry < count; entry++) {
        const at = positions[entry]!;
        const sample = Math.floor(at / sampleSize);
        batch[first + at + sample * (stride - sampleSize)] = values[entry]!;
      }
    }
  }
}

/** Copies consecutive samples to columns that begin at `first`, one sample every `stride` numbers. */
function scatterColumns(
  own: Float32Array,
  sampleSize: number,
  batch: Float32Array,
  first: number,
  stride: number,
): void {
  for (let from = 0, to = first; from < own.length; to += stride - sampleSize) {
    for (let column = 0; column < sampleSize; column++) batch[to++] = own[from++]!;
  }
}
