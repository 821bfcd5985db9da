/** The places of a shard's arrays in its WebAssembly memory. */
import type { KernelAddress } from './kernel.ts';
import {
  asksForNorms,
  isChosenTogether,
  keepsGradients,
  largestDeadSelection,
  largestSelection,
  largestShared,
  latentsAtOnce,
  mostCandidates,
  mostDeadApart,
  paddedColumns,
  paddedSamples,
  paddedWidth,
  poolSize,
  type SparsePlan,
} from './plan.ts';

const PAGE = 65_536;
/** The first address that is free: the compiler uses those below. */
const FIRST_ADDRESS = 1_024;

/** Byte offset of each array of a shard. Several of no length may share one. */
export type Layout = Readonly<Record<KernelAddress | 'byteProducts' | 'received' | 'zeros', number>>;

/** A shard's memory, and the arrays in it. */
export class ShardMemory {
  readonly layout: Layout;
  readonly memory: WebAssembly.Memory;
  /** For how many entries there is room. */
  readonly capacity: number;
  /** Candidates that there is room for. */
  readonly candidates: number;
  /** Latents, rounded up; d_in, rounded up; samples, rounded up. */
  readonly columns: number;
  readonly width: number;
  readonly samples: number;
  /** Shape of each array that is a matrix. */
  readonly shapes: Readonly<Record<Matrix, readonly [number, number]>>;
  readonly #dIn: number;
  readonly #latents: number;

  /**
   * Memory for a shard of `latents` latents.
   * @throws RangeError of WebAssembly where it cannot be had
   */
  constructor(plan: SparsePlan, latents: number) {
    const { layout, bytes, capacity } = layoutOf(plan, latents);
    this.layout = layout;
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
    this.capacity = capacity;
    this.#dIn = plan.dIn;
    this.#latents = latents;
    this.width = paddedWidth(plan);
    this.columns = paddedColumns(latents);
    this.samples = paddedSamples(plan);
    this.candidates = mostCandidates(plan, this.columns);
    const ofSamples = [plan.batchSize, this.width] as const;
    const ofLatents = [paddedColumns(latents), this.width] as const;
    const ofScores = [plan.batchSize, paddedColumns(latents)] as const;
    this.shapes = {
      centred: ofSamples,
      gradients: ofSamples,
      preActivations: ofScores,
      products: ofScores,
      encoder: ofLatents,
      decoder: ofLatents,
      encoderGradients: ofLatents,
      decoderGradients: ofLatents,
    };
  }

  floats(name: keyof Layout, length: number): Float32Array<ArrayBuffer> {
    return this.floatsAt(this.layout[name], length);
  }

  floatsAt(address: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.memory.buffer as ArrayBuffer, address, length);
  }

  doubles(name: keyof Layout, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.memory.buffer as ArrayBuffer, this.layout[name], length);
  }

  bytesAt(address: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.memory.buffer as ArrayBuffer, address, length);
  }

  integers(name: keyof Layout, length: number): Int32Array<ArrayBuffer> {
    return this.integersAt(this.layout[name], length);
  }

  integersAt(address: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.memory.buffer as ArrayBuffer, address, length);
  }

  /** Copies rows of d_in floats into an array of rows of `width`; the padding stays zero. */
  placeRows(name: KernelAddress, rows: Float32Array): void {
    const width = this.width;
    const count = rows.length / this.#dIn;
    const out = this.floats(name, count * width);
    if (this.#dIn === width) out.set(rows);
    else
      for (let row = 0; row < count; row++) out.set(rows.subarray(row * this.#dIn, (row + 1) * this.#dIn), row * width);
  }

  /** The latents' rows of an array, without padding. */
  takeRows(name: KernelAddress): Float32Array<ArrayBuffer> {
    const [dIn, width, latents] = [this.#dIn, this.width, this.#latents];
    const padded = this.floats(name, latents * width);
    if (dIn === width) return padded.slice();
    const rows = new Float32Array(latents * dIn);
    for (let row = 0; row < latents; row++) rows.set(padded.subarray(row * width, row * width + dIn), row * dIn);
    return rows;
  }
}

/** Names of the arrays that take part in products. */
export type Matrix = Extract<
  KernelAddress,
  | 'centred'
  | 'gradients'
  | 'preActivations'
  | 'products'
  | 'encoder'
  | 'decoder'
  | 'encoderGradients'
  | 'decoderGradients'
>;

function layoutOf(
  plan: SparsePlan,
  latents: number,
): { readonly layout: Layout; readonly bytes: number; readonly capacity: number } {
  const width = paddedWidth(plan);
  const columns = paddedColumns(latents);
  const samples = paddedSamples(plan);
  const { batchSize, shards, optimizer, selection, auxK, prefixes } = plan;
  const isNested = prefixes.length > 1;
  const entries = largestSelection(plan);
  const dead = largestDeadSelection(plan);
  const isTogether = isChosenTogether(plan);
  // Room for twice the batch's selection lets BatchTopK drop what lost only now and then.
  const candidates = mostCandidates(plan, columns);
  const capacity = Math.max(isTogether ? (selection.kind === 'topk' ? 1 : 2) * entries + columns : entries, candidates);
  // A row's candidates are entered before the largest are kept.
  const deadCapacity = auxK ? dead + columns : 0;
  const shared = shards * largestShared(plan);
  const matrix = columns * width;
  const firstMoment = optimizer.betas[0] === 0 ? 0 : 1;
  const thresholds = isTogether ? 0 : columns;
  const trainedThresholds = selection.kind === 'jumprelu' ? columns : 0;
  const kept = keepsGradients(plan) ? 1 : 0;
  const bytes = plan.estimates ? 1 : 0;
  const pools = Math.ceil(columns / poolSize(plan, columns));
  const deadApart = mostDeadApart(plan, columns);
  const terms = Math.max(auxK ? 2 * batchSize : batchSize, latents);
  const lengths: Record<keyof Layout, number> = {
    centred: batchSize * width,
    preActivations: samples * columns,
    depths: isNested ? columns : 0,
    gradients: prefixes.length * batchSize * width,
    // In float64.
    squaredErrors: 2 * prefixes.length,
    prefixRow: isNested ? width : 0,
    decoder: matrix,
    decoderM: firstMoment * matrix,
    decoderV: matrix,
    inverseNorms: columns,
    norms: asksForNorms(plan) ? columns : 0,
    encoder: matrix,
    encoderM: firstMoment * matrix,
    encoderV: matrix,
    encoderBytes: (bytes * matrix) / 4,
    activationBytes: (bytes * samples * width) / 4,
    byteProducts: bytes * latentsAtOnce(plan, columns) * samples,
    mostScales: bytes * samples,
    mostSteps: bytes * samples,
    leastOfMost: (bytes * samples) / 2,
    most: 0,
    latentScales: bytes * columns,
    latentNorms: bytes * columns,
    latentErrors: bytes * columns,
    rowScales: bytes * samples,
    rowNorms: bytes * samples,
    rowErrors: bytes * samples,
    bounds: bytes * samples,
    ownBounds: bytes * samples,
    byteMaxima: bytes * samples * Math.max(2, pools),
    byteTile: bytes * 4 * width,
    candidateRows: candidates,
    candidateLatents: candidates,
    candidateValues: candidates,
    deadEncoder: deadApart * width,
    deadDecoder: deadApart * width,
    deadInverseNorms: deadApart,
    deadBiasGradients: deadApart,
    scoreBias: 0,
    thresholds,
    thresholdsM: firstMoment * trainedThresholds,
    thresholdsV: trainedThresholds,
    lowest: thresholds,
    encoderBias: columns,
    encoderBiasM: firstMoment * columns,
    encoderBiasV: columns,
    decoderBias: width,
    decoderBiasM: firstMoment * width,
    decoderBiasV: width,
    decoderBiasGradient: width,
    entryRows: capacity,
    entryLatents: capacity,
    entryValues: capacity,
    rowStarts: batchSize + 1,
    latentSteps: latents,
    latentStarts: latents + 1,
    latentEntries: entries,
    deadRows: deadCapacity,
    deadLatents: deadCapacity,
    deadValues: deadCapacity,
    deadRowStarts: auxK ? batchSize + 1 : 0,
    deadLatentStarts: auxK ? latents + 1 : 0,
    deadLatentEntries: deadCapacity,
    deadGradients: auxK ? batchSize * width : 0,
    silent: plan.silence === undefined ? 0 : latents,
    firingRate: auxK?.byRate ? latents : 0,
    fired: auxK?.byRate ? latents : 0,
    dead: auxK ? latents : 0,
    products: isTogether ? 0 : batchSize * columns,
    alongs: thresholds,
    valueSums: thresholds,
    decoderGradients: kept * matrix,
    encoderGradients: kept * matrix,
    encoderBiasGradients: kept * columns,
    thresholdGradients: kept * trainedThresholds,
    termRows: terms,
    termFactors: terms,
    termDots: terms + 3,
    sumRow: width,
    encoderRow: width,
    maxima: columns / 16,
    // Entries are ranked, or candidates put in the order of their rows.
    ranked: Math.max(columns, isTogether ? capacity : candidates, shared, bytes * 4 * pools),
    mergedStarts: shards * (batchSize + 1),
    mergedValues: shared,
    zeros: columns,
    // Parts of each prefix's reconstruction of this shard's rows, then parts of the gradient of b_dec.
    received: shards === 1 ? 0 : shards * prefixes.length * Math.ceil(batchSize / shards) * width,
  };
  let end = FIRST_ADDRESS;
  const layout = Object.fromEntries(
    Object.entries(lengths).map(([name, length]) => {
      const offset = Math.ceil(end / 64) * 64;
      end = offset + 4 * length;
      return [name, offset];
    }),
  ) as Record<keyof Layout, number>;
  // All pre-activations are computed where these have come to nothing.
  layout.most = layout.preActivations;
  // Where the norms take part in the choice, the bias is added with them, before it.
  layout.scoreBias = 'weighsByNorm' in selection && selection.weighsByNorm ? layout.zeros : layout.encoderBias;
  return { layout, bytes: end, capacity };
}
