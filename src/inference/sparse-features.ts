/**
 * Features as those that are not zero: compressed sparse rows, in ascending order of the feature within each sample.
 */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { Shape } from '../tensor.ts';

/** The features of many samples that are not zero. */
export interface SparseFeatures {
  /** The shape that the dense features would have: any leading dimensions, then d_sae. */
  readonly shape: Shape;
  /** [n_samples + 1]: sample i has the entries offsets[i] to offsets[i + 1] of `indices` and `values`. */
  readonly offsets: Uint32Array;
  /** [n_entries]: the feature, 0 to d_sae − 1. */
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** Collects sparse rows batch by batch. */
export class SparseBuilder {
  readonly #width: number;
  readonly #offsets: number[] = [0];
  #indices = new Uint32Array(1024);
  #values = new Float32Array(1024);
  #length = 0;

  constructor(width: number) {
    this.#width = width;
  }

  #reserve(more: number): void {
    const capacity = this.#indices.length;
    if (this.#length + more <= capacity) return;
    const grown = Math.max(2 * capacity, this.#length + more);
    const indices = new Uint32Array(grown);
    const values = new Float32Array(grown);
    indices.set(this.#indices);
    values.set(this.#values);
    this.#indices = indices;
    this.#values = values;
  }

  /** Adds `count` dense rows, [count, width]. */
  addDense(features: Float32Array, count: number): void {
    for (let row = 0; row < count; row++) {
      const start = row * this.#width;
      this.#reserve(this.#width);
      for (let feature = 0; feature < this.#width; feature++) {
        const value = features[start + feature]!;
        if (value === 0) continue;
        this.#indices[this.#length] = feature;
        this.#values[this.#length++] = value;
      }
      this.#offsets.push(this.#length);
    }
  }

  /**
   * Adds `count` rows of k features each, in any order; features of value 0 are left out.
   * @param indices [≥ count, k]
   * @param values [≥ count, k]
   */
  addSelected(indices: ArrayLike<number>, values: ArrayLike<number>, count: number, k: number): void {
    this.#reserve(count * k);
    for (let row = 0; row < count; row++) {
      const first = this.#length;
      for (let at = row * k; at < (row + 1) * k; at++) {
        const value = values[at]!;
        if (value === 0) continue;
        // Insertion keeps the row sorted: k is small.
        let slot = this.#length++;
        for (; slot > first && this.#indices[slot - 1]! > indices[at]!; slot--) {
          this.#indices[slot] = this.#indices[slot - 1]!;
          this.#values[slot] = this.#values[slot - 1]!;
        }
        this.#indices[slot] = indices[at]!;
        this.#values[slot] = value;
      }
      this.#offsets.push(this.#length);
    }
  }

  /**
   * All rows that were added.
   * @param leading the dimensions that count them
   */
  build(leading: Shape): SparseFeatures {
    return {
      shape: [...leading, this.#width],
      offsets: Uint32Array.from(this.#offsets),
      indices: this.#indices.slice(0, this.#length),
      values: this.#values.slice(0, this.#length),
    };
  }
}

/**
 * Samples `start` up to, not including, `end` of `sparse` as a dense matrix, [end - start, d_sae].
 * @throws InvalidShapeError where the parts do not fit together
 * @throws InvalidValueError where a feature is not below d_sae or a value not finite
 */
export function toDense(sparse: SparseFeatures, start: number, end: number): Float32Array {
  const width = sparse.shape.at(-1) ?? 0;
  const { offsets, indices, values } = sparse;
  if (indices.length !== values.length || (offsets.at(-1) ?? 0) > values.length) {
    throw new InvalidShapeError(
      `sparse features have ${indices.length} indices and ${values.length} values; the offsets end at ${offsets.at(-1)}`,
    );
  }
  const dense = new Float32Array((end - start) * width);
  for (let row = start; row < end; row++) {
    for (let at = offsets[row]!; at < offsets[row + 1]!; at++) {
      const feature = indices[at]!;
      const value = values[at]!;
      if (feature >= width)
        throw new InvalidValueError(`sparse features name the feature ${feature}; there are ${width}`);
      if (!Number.isFinite(value))
        throw new InvalidValueError(`sparse features hold ${value}; expected finite numbers`);
      dense[(row - start) * width + feature] = value;
    }
  }
  return dense;
}
