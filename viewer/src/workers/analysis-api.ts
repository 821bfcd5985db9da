/**
 * The interface of the analysis worker, which computes everything about directions and firings without ONNX Runtime.
 */
import type { HostTensor } from '../../../src/tensor.ts';
import type { FiringBlock, FiringSummary, LatentFirings, Neighbour } from '../data/firings.ts';
import type { Matching, TrainingEvent } from '../data/matching.ts';
import type { History } from '../data/model.ts';
import type { PlaneBasis } from '../data/plane-basis.ts';

/** How a table is sorted and which entries it lists. */
export interface Order {
  readonly column: Float32Array;
  readonly descending: boolean;
  /** 1 for each entry that is listed; undefined lists all. */
  readonly keep: Uint8Array | undefined;
}

/** The sizes of a run over rows, and the rows' labels. */
export interface RunSettings {
  readonly rows: number;
  readonly width: number;
  readonly dSae: number;
  /** A label for every row, as an index into `names`. */
  readonly labels?: { readonly names: readonly string[]; readonly of: Int32Array } | undefined;
}

/** What one autoencoder's latents find in another. */
export interface OneWay {
  /** Nearest latent of the other and its cosine, one entry a latent. */
  readonly nearest: Int32Array;
  readonly cosines: Float32Array;
  /** Latents that have no counterpart: whose cosine is not above the one asked for, the loneliest first. */
  readonly alone: Int32Array;
}

/** How the latents of two autoencoders stand to each other. */
export interface Comparison {
  readonly forward: OneWay;
  readonly backward: OneWay;
  /** Latents of the first, the closest to its partner first, that are the nearest of their own nearest. */
  readonly mutual: Int32Array;
}

/** Where latents lie on the map. */
export interface LatentMap {
  /** x and y in turn, along the first two principal components of the unit decoder rows. */
  readonly points: Float32Array;
  /** The share of the variance along each of the two components. */
  readonly shares: readonly [number, number];
}

/** The methods of the analysis worker. */
export interface AnalysisApi {
  /** Keeps the directions of a model until `forget`. */
  add(id: string, directions: HostTensor): void;
  /** Frees the directions of a model. */
  forget(id: string): void;
  /** One direction of a model, [width]. */
  directionOf(id: string, latent: number): Float32Array;
  /** Directions `first` to `first + count`, [count, width]. */
  directionsOf(id: string, first: number, count: number): HostTensor;
  /** All directions of a model, as they were given. */
  allDirections(id: string): HostTensor;
  /** Latents of the nearest directions, nearest first, itself left out. */
  nearest(id: string, latent: number, count: number): Neighbour[];
  /** Cosines of the given latents with each other, [n, n]. */
  cosines(id: string, latents: readonly number[]): Float32Array;
  /** The optimal matching of a model's latents to true directions, those that are not alive left out. */
  match(id: string, trueDirections: HostTensor, alive: readonly boolean[] | undefined): Matching;
  /** A matching for each snapshot of a history, and what happened between them. */
  matchHistory(
    history: History,
    trueDirections: HostTensor,
  ): Promise<{ matchings: Matching[]; events: TrainingEvent[] }>;
  /** The plane of the first two principal components of `rows`, [n, width]. */
  principalPlane(rows: HostTensor): PlaneBasis;
  /** The map of a model's latents. */
  map(id: string): LatentMap;
  /**
   * Completes a comparison of two models from their nearest latents: computes the cosines in float64, the latents that have
   * no counterpart, and the pairs that are nearest to each other.
   * @param forward - For each latent of `a`, its nearest in `b`.
   * @param backward - For each latent of `b`, its nearest in `a`.
   * @param same - The cosine above which a latent counts as having a counterpart.
   */
  pairs(a: string, b: string, forward: Int32Array, backward: Int32Array, same: number): Comparison;
  /** The latents that a table lists, in its order. */
  order(wanted: Order): Int32Array;

  /** Begins a run over rows under a name that the page chooses. An earlier run of the same name is dropped. */
  begin(run: string, settings: RunSettings): void;
  /** Adds a block of rows to a run. A block that arrives after its run was dropped is ignored. */
  addFirings(run: string, block: FiringBlock): void;
  /**
   * The rows whose norm is above ten times the median. The page fetches their values to leave them out of the explained
   * variance.
   */
  sinkRows(run: string): number[];
  /** The sum of the values of `sinkRows`, [width]. */
  setSinks(run: string, rows: readonly number[], sum: Float64Array): void;
  /** What the rows that have run so far say of the autoencoder and of every latent. */
  summary(run: string): FiringSummary;
  /** What the rows that have run so far say of one latent. */
  latent(run: string, latent: number): LatentFirings;
  /** A latent's activations on ranges of rows, one after the other. */
  activations(run: string, latent: number, ranges: readonly (readonly [number, number])[]): Float32Array;
  /** Every latent that fires on a row, strongest first. */
  row(run: string, row: number): { latents: Int32Array; values: Float32Array; error: number | undefined };
  /**
   * Counts the rows on which both of two latents fire, and those on which either does. The two runs must be over the
   * same rows.
   */
  together(runA: string, a: number, runB: string, b: number): { both: number; either: number };
  /** Drops a run and frees its firings. */
  end(run: string): void;
}
