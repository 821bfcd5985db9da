/** What latents did on rows: the blocks that encoders give, and what is made of them. */

/** Which latents fired on a block of rows: compressed sparse rows. */
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
  /** Rows that were run, */
  readonly rows: number;
  /** of so many. */
  readonly of: number;
  /** Share of rows on which each latent fired, [d_sae]. */
  readonly density: Float32Array;
  /** Mean over the rows on which it fired; 0 where it never did. */
  readonly mean: Float32Array;
  readonly max: Float32Array;
  /** Mean number of latents that fire on a row. */
  readonly l0: number;
  /** From −½ on, so that whole numbers lie in the middle of their bins. */
  readonly l0Histogram: Histogram;
  /** 1 − Σ‖x − x̂‖² / Σ‖x − mean‖²; undefined where there is no error or nothing varies. */
  readonly explainedVariance: number | undefined;
  /** The same without rows of norm above ten times the median. */
  readonly explainedVarianceWithoutSinks: number | undefined;
  /** How many rows those are. */
  readonly sinks: number;
  /** Latents that fired on none of the rows. */
  readonly silent: number;
  /** The label that each latent detects best, as an index into `labelNames`, −1 for none, and its F1; where rows have labels. */
  readonly labels:
    | { readonly names: readonly string[]; readonly best: Int32Array; readonly f1: Float32Array }
    | undefined;
}

export interface Example {
  readonly row: number;
  readonly value: number;
}

/** What one latent did. */
export interface LatentFirings {
  readonly latent: number;
  readonly rows: number;
  readonly count: number;
  readonly max: number;
  readonly mean: number;
  /** Of the activations above 0. */
  readonly histogram: Histogram;
  /** Strongest first; rows of equal value in their order. */
  readonly top: readonly Example[];
  /** Bins of equal width from the strongest down, with a few examples each, drawn at random from a seed. */
  readonly groups: readonly {
    readonly low: number;
    readonly high: number;
    readonly count: number;
    readonly examples: readonly Example[];
  }[];
  /** Latents whose activations go with this one's: Pearson's r over the rows. */
  readonly together: readonly { readonly latent: number; readonly correlation: number; readonly rows: number }[];
  readonly labels: readonly {
    readonly name: string;
    readonly rows: number;
    readonly of: number;
    readonly f1: number;
  }[];
}

/** A neighbour by the cosine of two directions. */
export interface Neighbour {
  readonly latent: number;
  readonly cosine: number;
}

/** Fewest firings that each latent should have had on average before silence says anything. */
export const FEWEST_FIRINGS = 10;

/** Whether so few rows were run that a latent's silence says nothing: N · L0 / d_sae below ten. */
export const tooFewRows = (rows: number, l0: number, dSae: number): boolean => (rows * l0) / dSae < FEWEST_FIRINGS;
