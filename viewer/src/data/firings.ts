/** What the latents of an autoencoder did on rows: the blocks that encoding gives, and the summaries made of them. */

/** Which latents fired on each row of a block, and how strongly, as compressed sparse rows. */
export interface FiringBlock {
  readonly first: number;
  readonly count: number;
  /** [count + 1]. */
  readonly offsets: Uint32Array;
  readonly indices: Uint32Array;
  readonly values: Float32Array;
  /** Squared norm of each row. */
  readonly squares: Float64Array;
  /** Squared error of each row's reconstruction; undefined where input and output are not the same thing. */
  readonly errors: Float64Array | undefined;
  /** Sum of the rows, [width]. */
  readonly sum: Float64Array;
}

/** Bins of equal width over [from, to]. */
export interface Histogram {
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

/** How every latent behaved on the rows that were run so far. */
export interface FiringSummary {
  /** How many rows were run so far. */
  readonly rows: number;
  /** How many rows there are to run. */
  readonly of: number;
  /** Share of rows on which each latent fired, [d_sae]. */
  readonly density: Float32Array;
  /** Each latent's mean activation over the rows on which it fired, [d_sae]; 0 where it never fired. */
  readonly mean: Float32Array;
  readonly max: Float32Array;
  /** Mean number of latents that fire on a row. */
  readonly l0: number;
  /**
   * How many rows have how many active latents. The bins begin at −½, so that whole numbers lie in the middle of their
   * bins.
   */
  readonly l0Histogram: Histogram;
  /**
   * The explained variance 1 − Σ‖x − x̂‖² / Σ‖x − mean‖²; undefined where no error is known or the rows do not vary.
   */
  readonly explainedVariance: number | undefined;
  /** The explained variance over all rows but those whose norm is above ten times the median. */
  readonly explainedVarianceWithoutSinks: number | undefined;
  /** How many rows have a norm above ten times the median. */
  readonly sinks: number;
  /** Latents that fired on none of the rows. */
  readonly silent: number;
  /**
   * Where rows have labels: for each latent the label that it detects best, as an index into `names` or −1 for none,
   * and the F1 of that.
   */
  readonly labels:
    | { readonly names: readonly string[]; readonly best: Int32Array; readonly f1: Float32Array }
    | undefined;
}

/** A row on which a latent fired, and its activation there. */
export interface Example {
  readonly row: number;
  readonly value: number;
}

/** What one latent did on the rows that were run. */
export interface LatentFirings {
  readonly latent: number;
  readonly rows: number;
  readonly count: number;
  readonly max: number;
  readonly mean: number;
  /** A histogram of the latent's activations above 0. */
  readonly histogram: Histogram;
  /** The rows on which the latent fired most strongly, strongest first; rows of equal activation in their own order. */
  readonly top: readonly Example[];
  /** Bins of equal width from the strongest down, with a few examples each, drawn at random from a seed. */
  readonly groups: readonly {
    readonly low: number;
    readonly high: number;
    readonly count: number;
    readonly examples: readonly Example[];
  }[];
  /**
   * The latents whose activations correlate most with this one's over the rows, by Pearson's r, and on how many rows
   * both fire.
   */
  readonly together: readonly { readonly latent: number; readonly correlation: number; readonly rows: number }[];
  readonly labels: readonly {
    readonly name: string;
    readonly rows: number;
    readonly of: number;
    readonly f1: number;
  }[];
}

/** A latent of a near direction, and the cosine of the two directions. */
export interface Neighbour {
  readonly latent: number;
  readonly cosine: number;
}

/** The mean number of firings a latent must have had before one that never fired is worth mentioning. */
export const FEWEST_FIRINGS = 10;

/**
 * Whether too few rows were run for a latent's silence to mean anything: rows · L0 / d_sae, the mean number of firings
 * of a latent, is below ten.
 */
export const tooFewRows = (rows: number, l0: number, dSae: number): boolean => (rows * l0) / dSae < FEWEST_FIRINGS;
