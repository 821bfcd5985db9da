/**
 * Independent sparse features, the data of "Toy Models of Superposition" (Elhage et al. 2022): each feature is 0 with its
 * own probability (its sparsity), else uniform on [0, 1).
 *
 * Rare features are placed by geometric skipping: the number of zeros up to the next feature that is present is drawn at
 * once, so the cost follows the features present, not all entries. Columns of equal sparsity are skipped through together.
 * Skipping starts afresh with every batch (the geometric distribution has no memory, so this is exact). Batches are always drawn whole:
 * what a call leaves of one is kept and given first in the next, so that a seed and a batch size give the same samples however they are cut
 * into calls.
 */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { fromNested, type HostTensor, type NestedArray, type Shape, sizeOf } from '../tensor.ts';
import type { RandomSource, RandomState } from './random-source.ts';
import type { BegunBatch, PresentEntries, SampleGenerator, SampleRecipe } from './sample-generator.ts';

/** From this probability of presence on, one draw per entry is cheaper than a logarithm per feature present. */
const SKIP_BELOW = 0.2;

/** Columns of one sample that share a sparsity. */
interface ColumnGroup {
  /** Probability that a feature is present: 1 − sparsity. */
  readonly presence: number;
  readonly columns: Int32Array;
}

/**
 * Draws features that are 0 with their own probability, otherwise uniform on [0, 1): the data of Elhage et al. 2022.
 */
export class SyntheticSparseDataGenerator implements SampleGenerator {
  readonly batchSize: number;
  /** S: the shape of one sample. */
  readonly sampleShape: Shape;
  readonly #random: RandomSource;
  readonly #sampleSize: number;
  readonly #groups: readonly ColumnGroup[];
  readonly #sparsity: ArrayLike<number>;
  /** Scratch for the entries of a batch, which every batch uses again. */
  #positions = new Int32Array(0);
  #values = new Float32Array(0);
  /** The batch of which a part has been given. It is out of date once all of it has. */
  #batch = new Float32Array(0);
  /** How many of its samples have been given; 0 between two batches. */
  #taken = 0;
  #beforeBatch: RandomState = [];

  /**
   * @param batchSize samples per batch, at least 1
   * @param sparsity the probability that an entry of a sample is 0, in [0, 1]: one number for each entry, of any shape
   *   S
   * @param random where all draws come from
   * @throws InvalidValueError for a batch size below 1 or a probability outside [0, 1]
   * @throws InvalidShapeError where `sparsity` is empty or its data do not fill its shape
   */
  constructor(batchSize: number, sparsity: HostTensor<ArrayLike<number>> | NestedArray | number, random: RandomSource) {
    if (!Number.isSafeInteger(batchSize) || batchSize < 1) {
      throw new InvalidValueError(`batch size is ${batchSize}: it must be positive, and an integer`);
    }
    const { shape, data } = isTensor(sparsity) ? sparsity : fromNested(sparsity);
    if (data.length === 0 || data.length !== sizeOf(shape)) {
      throw new InvalidShapeError(
        `sparsity holds ${data.length} values in shape [${shape.join(', ')}]: every size must be positive`,
      );
    }
    this.batchSize = batchSize;
    this.sampleShape = [...shape];
    this.#random = random;
    this.#sampleSize = data.length;
    this.#groups = groupColumns(data);
    this.#sparsity = data;
  }

  /**
   * The generator as plain data, from which another thread builds it. `undefined` for a subclass, which may draw
   * otherwise.
   */
  get recipe(): SampleRecipe | undefined {
    if (!this.#isOurs) return undefined;
    const { batchSize, sampleShape } = this;
    return { kind: 'sparse', batchSize, sparsity: { data: this.#sparsity, shape: sampleShape } };
  }

  /** The next batch, [batchSize, ...S]. */
  generateBatch(): HostTensor {
    const data = new Float32Array(this.batchSize * this.#sampleSize);
    this.fill(data);
    return { data, shape: [this.batchSize, ...this.sampleShape] };
  }

  /**
   * Overwrites `into` with the next samples, any number of them.
   * @throws InvalidShapeError where the length is not a multiple of the sample's size
   */
  fill(into: Float32Array): void {
    if (into.length % this.#sampleSize !== 0) {
      throw new InvalidShapeError(
        `an array of ${into.length} values cannot be filled with samples of ${this.#sampleSize} values, ` +
          `shape [${this.sampleShape.join(', ')}]`,
      );
    }
    const size = this.batchSize * this.#sampleSize;
    let at = this.#taken > 0 ? this.#giveRest(into, 0) : 0;
    for (; into.length - at >= size; at += size) this.#drawBatch(into, at, at + size);
    if (at === into.length) return;
    this.#beginBatch();
    this.#giveRest(into, at);
  }

  /**
   * The entries of the next `samples` samples that are not zero, which cost less than all entries. The arrays are the
   * generator's own, valid until it draws again. `undefined`, with nothing drawn, where `samples` are not one whole
   * batch, where most entries are present or sparsities differ, and for a subclass.
   */
  drawPresent(samples: number): PresentEntries | undefined {
    const [group] = this.#groups;
    if (samples !== this.batchSize || this.#taken > 0) return undefined;
    if (!this.#isOurs || this.#groups.length > 1 || !group || group.presence >= SKIP_BELOW) return undefined;
    const count = this.#skipThrough(samples * this.#sampleSize, group.presence);
    return { count, positions: this.#positions, values: this.#values };
  }

  /** The batch of which a part has been given; `undefined` between two batches. */
  get begun(): BegunBatch | undefined {
    return this.#taken > 0 ? { random: this.#beforeBatch, taken: this.#taken } : undefined;
  }

  /** Skips the next samples, as if `fill` had given them. */
  skip(samples: number): void {
    for (let left = samples; left > 0; ) {
      if (this.#taken === 0) this.#beginBatch();
      const count = Math.min(left, this.batchSize - this.#taken);
      this.#taken = (this.#taken + count) % this.batchSize;
      left -= count;
    }
  }

  #drawBatch(into: Float32Array, start: number, end: number): void {
    into.fill(0, start, end);
    for (const group of this.#groups) this.#fillGroup(into, start, end, group);
  }

  /** Draws the batch that the next call of `#giveRest` begins to give. */
  #beginBatch(): void {
    const size = this.batchSize * this.#sampleSize;
    if (this.#batch.length === 0) this.#batch = new Float32Array(size);
    this.#beforeBatch = this.#random.state();
    this.#drawBatch(this.#batch, 0, size);
  }

  /**
   * Copies what is left of the begun batch to `into` from `at` on, as far as there is room.
   * @returns where the copy ends
   */
  #giveRest(into: Float32Array, at: number): number {
    const from = this.#taken * this.#sampleSize;
    const count = Math.min(this.#batch.length - from, into.length - at);
    into.set(this.#batch.subarray(from, from + count), at);
    this.#taken = (this.#taken + count / this.#sampleSize) % this.batchSize;
    return at + count;
  }

  get #isOurs(): boolean {
    return this.constructor === SyntheticSparseDataGenerator;
  }

  #fillGroup(into: Float32Array, start: number, end: number, { presence, columns }: ColumnGroup): void {
    const random = this.#random;
    const width = columns.length;
    const sampleSize = this.#sampleSize;
    const contiguous = width === sampleSize;
    if (presence >= SKIP_BELOW) {
      // Given u ≥ absence, (u − absence) / presence is uniform on [0, 1): one draw says whether and how much, no branch.
      const absence = 1 - presence;
      const scale = 1 / presence;
      if (contiguous) {
        for (let i = start; i < end; i++) into[i] = positivePart(random.float32() - absence) * scale;
        return;
      }
      for (let row = start; row < end; row += sampleSize) {
        for (let column = 0; column < width; column++) {
          into[row + columns[column]!] = positivePart(random.float32() - absence) * scale;
        }
      }
      return;
    }
    const present = this.#skipThrough(((end - start) / sampleSize) * width, presence);
    for (let i = 0; i < present; i++) {
      const at = this.#positions[i]!;
      const row = contiguous ? 0 : Math.floor(at / width);
      const position = contiguous ? start + at : start + row * sampleSize + columns[at - row * width]!;
      into[position] = this.#values[i]!;
    }
  }

  /**
   * Draws which of `count` entries are present, and their values.
   * @returns how many are present
   */
  #skipThrough(count: number, presence: number): number {
    if (presence === 0) return 0;
    if (this.#positions.length < count) {
      this.#positions = new Int32Array(count);
      this.#values = new Float32Array(count);
    }
    const random = this.#random;
    const positions = this.#positions;
    const values = this.#values;
    const inverseLogAbsence = 1 / Math.log1p(-presence);
    let present = 0;
    // 1 − u lies in (0, 1]: P(⌊ln(1 − u) / ln(1 − presence)⌋ ≥ zeros) = (1 − presence)^zeros.
    let at = Math.floor(Math.log(1 - random.uniform()) * inverseLogAbsence);
    while (at < count) {
      positions[present] = at;
      values[present++] = random.float32();
      at += 1 + Math.floor(Math.log(1 - random.uniform()) * inverseLogAbsence);
    }
    return present;
  }
}

/** max(0, x) without a branch: which entries are present is exactly what a processor cannot predict. */
function positivePart(x: number): number {
  return (x + Math.abs(x)) / 2;
}

function isTensor(value: HostTensor<ArrayLike<number>> | NestedArray | number): value is HostTensor<ArrayLike<number>> {
  return typeof value === 'object' && 'shape' in value;
}

/** Groups columns by sparsity, in the order in which each sparsity first appears. */
function groupColumns(sparsity: ArrayLike<number>): ColumnGroup[] {
  const bySparsity = new Map<number, number[]>();
  for (let column = 0; column < sparsity.length; column++) {
    const value = sparsity[column]!;
    if (!(value >= 0 && value <= 1)) {
      throw new InvalidValueError(`sparsity of entry ${column} is ${value}: it must be between 0 and 1`);
    }
    const columns = bySparsity.get(value);
    if (columns) columns.push(column);
    else bySparsity.set(value, [column]);
  }
  return Array.from(bySparsity, ([value, columns]) => ({ presence: 1 - value, columns: Int32Array.from(columns) }));
}
