/** Records of a training while it goes on: means over some steps, by name. */

/**
 * Means over some steps of a training. For models side by side every number is the mean over the models. A number that
 * is not finite is null in files.
 */
export interface MetricsRecord {
  /** How many steps are complete at the end of the record. */
  readonly step: number;
  /** How many samples each model has learned from by then. */
  readonly samples: number;
  /** The mean loss of the steps since the record before. */
  readonly loss: number;
  /** The mean of each term of the loss over these steps, by name. The terms sum to `loss`. */
  readonly losses: Readonly<Record<string, number>>;
  /**
   * The number of active latents of a sample, mean over these steps. Absent where it is not counted, as for toy models.
   */
  readonly l0?: number;
  /**
   * 1 − E‖x − x̂‖² / (E‖x‖² − ‖E x‖²). The error is that of these steps' training batches, the variance that of a
   * sample taken before training. Null where those rows do not vary; absent for toy models, and where no sample of the
   * reconstructed tensor was available.
   */
  readonly explained_variance?: number | null;
  /**
   * The number of latents that fired in none of the last `dead_window` samples before the last step. Absent where that
   * is not counted, and before so many samples.
   */
  readonly dead?: number;
  readonly dead_window?: number;
  /**
   * The numbers that change over training, as the last step had them: `learning_rate`, and those of the architecture.
   */
  readonly schedule?: Readonly<Record<string, number>>;
  /**
   * Seconds since 1970 at which the record was written, and samples per second of each model since the record before.
   * Absent where the record was restored from a checkpoint.
   */
  readonly time?: number;
  readonly rows_per_second?: number;
}

/** What a trainer knows of its loss beyond its terms. */
export interface MeasuredLoss {
  /** The factor between `mse` and the squared error of a sample, summed over d_out. */
  readonly squaredError: number;
  /** E‖y‖² − ‖E y‖² of the tensor that each model reconstructs; `undefined` where it is not known. */
  readonly variances: readonly (number | undefined)[];
  /** How many samples a latent is silent before it is reported as dead. */
  readonly deadWindow?: number | undefined;
}
