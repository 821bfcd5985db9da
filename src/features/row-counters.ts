/** Everything that the builder counts while rows stream by. */
import { createHash } from 'node:crypto';
import type { LoadedSae } from '../inference/loaded-sae.ts';
import type { SparseFeatures } from '../inference/sparse-features.ts';
import type { HostTensor } from '../tensor.ts';
import type { BundleSettings } from './bundle-manifest.ts';
import { EXACT_COACTIVATION_LATENTS, PairCounts } from './coactivation.ts';
import { HeldExamples } from './held-examples.ts';
import { LatentStatistics } from './latent-statistics.ts';
import { priorityKey } from './priority.ts';
import { type Reconstruct, reconstructor } from './reconstruction.ts';
import { RECORD, type RowBlock } from './row-blocks.ts';
import { RowSample } from './row-sample.ts';
import type { Stopwatch } from './stopwatch.ts';
import { forEachRun, type SortedStretch, Stretches } from './stretches.ts';
import { VarianceByNorm } from './variance-by-norm.ts';

/** The most activations above 0 of the sampled rows: 64 MiB. */
const SAMPLE_ENTRIES = 2 ** 24;

/** Separates the random choices of a seed. */
export const PURPOSE = { examples: 1, sample: 2, halves: 3 } as const;

/** What is counted. */
export interface RowCounterOptions {
  /** The width of the reconstruction: of the targets where rows have them, otherwise of the rows. */
  readonly measuredWidth: number;
  readonly dSae: number;
  readonly settings: BundleSettings;
  /** Factor of each latent's activations. */
  readonly scale: Float64Array | undefined;
  readonly labelColumns: number;
  readonly sampleRows: number;
  readonly time: Stopwatch;
  /** W_dec; only where reconstructions are measured. */
  readonly decoder: HostTensor | undefined;
  readonly sae: LoadedSae;
}

/** Statistics, examples, pairs, a sample and explained variance of the rows added. */
export class RowCounters {
  readonly statistics: LatentStatistics;
  readonly examples: HeldExamples;
  readonly pairs: PairCounts | undefined;
  readonly sample: RowSample;
  readonly variance: VarianceByNorm;
  /** Rows by number of latents that fire. */
  readonly l0: Float64Array;
  readonly hash = createHash('sha256');
  rows = 0;
  sequences = 0;
  negatives = 0;
  readonly #options: RowCounterOptions;
  readonly #stretches: Stretches;
  #lastSequence = -1;
  #lastToken = -1;
  #reconstruct: Reconstruct | undefined;

  constructor(options: RowCounterOptions) {
    const { measuredWidth, dSae, settings } = options;
    this.#options = options;
    this.statistics = new LatentStatistics(dSae);
    this.examples = new HeldExamples({
      dSae,
      top: settings.top_examples,
      intervals: settings.intervals,
      perInterval: settings.interval_examples,
      key: priorityKey(settings.seed, PURPOSE.examples),
    });
    this.pairs = dSae <= EXACT_COACTIVATION_LATENTS && settings.neighbours > 0 ? new PairCounts(dSae) : undefined;
    this.sample = new RowSample({
      rows: options.sampleRows,
      entries: SAMPLE_ENTRIES,
      key: priorityKey(settings.seed, PURPOSE.sample),
    });
    this.variance = new VarianceByNorm(measuredWidth);
    this.l0 = new Float64Array(dSae + 1);
    this.#stretches = new Stretches(dSae, settings.context_before, settings.context_after);
  }

  async add(block: RowBlock, features: SparseFeatures): Promise<void> {
    const { time, decoder, sae } = this.#options;
    const { activations, target } = block;
    this.hash.update(new Uint8Array(activations.buffer, activations.byteOffset, activations.byteLength));
    time.add('hashing');
    let reconstruction: Float32Array | undefined;
    if (decoder) {
      this.#reconstruct ??= await reconstructor(sae, decoder, features, activations);
      reconstruction = await this.#reconstruct(features, activations);
    }
    this.variance.add(target ?? activations, reconstruction);
    time.add('variance');
    const positive = this.#positive(features);
    for (const stretch of this.#stretches.add({ ...positive, sequences: block.sequences })) this.#count(stretch);
    time.add('examples');
    this.#countRows(block, positive.offsets, positive.latents);
    time.add('co-activation');
  }

  end(): void {
    for (const stretch of this.#stretches.end()) this.#count(stretch);
    this.#options.time.add('examples');
  }

  #count(stretch: SortedStretch): void {
    const { offerStart, offerEnd } = stretch;
    forEachRun(stretch, (latent, run) => {
      let [start, end] = [run.start, run.end];
      while (start < end && run.rows[start]! < offerStart) start++;
      while (end > start && run.rows[end - 1]! >= offerEnd) end--;
      if (start === end) return;
      this.statistics.add(latent, run.values, start, end);
      this.examples.offer(latent, run, stretch);
    });
  }

  /** The activations above 0, scaled. */
  #positive({ offsets, indices, values }: SparseFeatures) {
    const { scale } = this.#options;
    let kept = 0;
    const keptOffsets = new Uint32Array(offsets.length);
    const latents = new Uint32Array(values.length);
    const positive = new Float32Array(values.length);
    for (let row = 0; row + 1 < offsets.length; row++) {
      for (let entry = offsets[row]!; entry < offsets[row + 1]!; entry++) {
        const latent = indices[entry]!;
        const value = scale ? values[entry]! * scale[latent]! : values[entry]!;
        positive[kept] = value;
        // Activations are rounded to float32, as they are stored: one that is too small for it does not fire.
        if (positive[kept]! > 0) latents[kept++] = latent;
        else if (value < 0) this.negatives++;
      }
      keptOffsets[row + 1] = kept;
    }
    return { offsets: keptOffsets, latents: latents.subarray(0, kept), values: positive.subarray(0, kept) };
  }

  #countRows({ firstRow, rows, sequences, records }: RowBlock, offsets: Uint32Array, latents: Uint32Array): void {
    const { labelColumns } = this.#options;
    const columns = RECORD.labels + labelColumns;
    for (let row = 0; row < rows; row++) {
      const [start, end] = [offsets[row]!, offsets[row + 1]!];
      this.l0[end - start]!++;
      if (this.pairs?.isBearable) this.pairs.add(latents, start, end);
      const sequence = sequences[row]!;
      const isSame = sequence >= 0 && sequence === this.#lastSequence;
      if (sequence >= 0 && !isSame) this.sequences++;
      const record = row * columns;
      const token = records[record + RECORD.token]!;
      const number = firstRow + row;
      if (this.sample.wants(number)) {
        this.sample.offer({
          row: number,
          sequence,
          token,
          previousToken: isSame ? this.#lastToken : -1,
          position: records[record + RECORD.position]!,
          labels: records.slice(record + RECORD.labels, record + columns),
          latents: latents.slice(start, end),
        });
      }
      this.#lastSequence = sequence;
      this.#lastToken = token;
    }
    this.rows += rows;
  }
}
