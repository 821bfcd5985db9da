/**
 * Rows of sparse features cut into stretches: a block of rows with enough of its neighbours that every row's context is
 * whole, sorted by latent. Blocks have a fixed size, so that the results do not depend on how the rows arrived.
 */
import type { LatentRun, Stretch } from './held-examples.ts';

/** Features of consecutive rows, compressed by row: entries `offsets[r]` to `offsets[r + 1]` are row r's, by ascending latent, all above 0. */
export interface SparseRows {
  readonly offsets: Uint32Array;
  readonly latents: Uint32Array;
  readonly values: Float32Array;
  /** Sequence of each row; −1 where rows do not belong to sequences. */
  readonly sequences: Float64Array;
}

/** A stretch with its activations sorted by latent: entries `starts[i]` to `starts[i + 1]` are latent i's, by ascending row. */
export interface SortedStretch extends Stretch {
  readonly starts: Uint32Array;
  readonly rows: Int32Array;
  readonly values: Float32Array;
}

/** Cuts rows into stretches. */
export class Stretches {
  readonly #dSae: number;
  readonly #before: number;
  readonly #after: number;
  readonly #blocks: { readonly first: number; readonly rows: number; readonly data: SparseRows }[] = [];
  /** How many rows have arrived, and how many have been offered. */
  #received = 0;
  #offered = 0;

  /** Contexts reach `before` rows back and `after` rows ahead, within a sequence. */
  constructor(dSae: number, before: number, after: number) {
    this.#dSae = dSae;
    this.#before = before;
    this.#after = after;
  }

  /**
   * Takes the next rows.
   * @returns the stretches whose contexts are now whole
   */
  add(data: SparseRows): SortedStretch[] {
    const rows = data.offsets.length - 1;
    this.#blocks.push({ first: this.#received, rows, data });
    this.#received += rows;
    return this.#ready(this.#received - this.#after);
  }

  /** The remaining stretches, once all rows came. */
  end(): SortedStretch[] {
    return this.#ready(this.#received);
  }

  /** The whole blocks that end at or before `limit`; at the end of all rows also the rest. */
  #ready(limit: number): SortedStretch[] {
    const stretches: SortedStretch[] = [];
    for (const { first, rows } of [...this.#blocks]) {
      if (first < this.#offered || first + rows > limit) continue;
      stretches.push(this.#stretch(first, first + rows));
      this.#offered = first + rows;
    }
    while (this.#blocks.length > 0 && this.#blocks[0]!.first + this.#blocks[0]!.rows <= this.#offered - this.#before) {
      this.#blocks.shift();
    }
    return stretches;
  }

  #stretch(offerStart: number, offerEnd: number): SortedStretch {
    const firstRow = Math.max(this.#blocks[0]!.first, offerStart - this.#before);
    const endRow = Math.min(this.#received, offerEnd + this.#after);
    const sequences = new Float64Array(endRow - firstRow);
    const counts = new Uint32Array(this.#dSae + 1);
    const parts: { readonly data: SparseRows; readonly from: number; readonly to: number; readonly at: number }[] = [];
    for (const { first, rows, data } of this.#blocks) {
      const from = Math.max(firstRow - first, 0);
      const to = Math.min(endRow - first, rows);
      if (from >= to) continue;
      parts.push({ data, from, to, at: first + from - firstRow });
      sequences.set(data.sequences.subarray(from, to), first + from - firstRow);
      for (let entry = data.offsets[from]!; entry < data.offsets[to]!; entry++) counts[data.latents[entry]! + 1]!++;
    }
    for (let latent = 0; latent < this.#dSae; latent++) counts[latent + 1]! += counts[latent]!;
    const starts = counts.slice();
    const rows = new Int32Array(starts[this.#dSae]!);
    const values = new Float32Array(rows.length);
    for (const { data, from, to, at } of parts) {
      for (let row = from; row < to; row++) {
        for (let entry = data.offsets[row]!; entry < data.offsets[row + 1]!; entry++) {
          const slot = counts[data.latents[entry]!]!++;
          rows[slot] = at + row - from;
          values[slot] = data.values[entry]!;
        }
      }
    }
    return {
      firstRow,
      offerStart: offerStart - firstRow,
      offerEnd: offerEnd - firstRow,
      ...this.#contexts(sequences),
      starts,
      rows,
      values,
    };
  }

  /** Contexts end where the sequence does; a row outside any sequence is its own context. */
  #contexts(sequences: Float64Array): Pick<Stretch, 'contextStart' | 'contextEnd'> {
    const count = sequences.length;
    const contextStart = new Int32Array(count);
    const contextEnd = new Int32Array(count);
    for (let start = 0; start < count; ) {
      const sequence = sequences[start]!;
      let end = start + 1;
      while (end < count && sequence >= 0 && sequences[end] === sequence) end++;
      for (let row = start; row < end; row++) {
        contextStart[row] = Math.max(start, row - this.#before);
        contextEnd[row] = Math.min(end, row + this.#after + 1);
      }
      start = end;
    }
    return { contextStart, contextEnd };
  }
}

/** Calls `use` with each latent's run of a stretch; the run is valid during the call. */
export function forEachRun(stretch: SortedStretch, use: (latent: number, run: LatentRun) => void): void {
  const { starts, rows, values } = stretch;
  const run = { rows, values, start: 0, end: 0 };
  for (let latent = 0; latent + 1 < starts.length; latent++) {
    run.start = starts[latent]!;
    run.end = starts[latent + 1]!;
    if (run.start < run.end) use(latent, run);
  }
}
