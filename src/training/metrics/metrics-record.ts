/** What a training says of itself while it goes on: means over some steps, by name. */

/** A training over some of its steps. Side by side every number is the mean over the models. Numbers that are not finite stand as null in files. */
export interface MetricsRecord {
  /** Completed steps at its end. */
  readonly step: number;
  /** Samples that each model has learned from by then. */
  readonly samples: number;
  /** Mean loss of the steps since the record before. */
  readonly loss: number;
  /** The same of each term of the loss, by name. They sum to `loss`. */
  readonly losses: Readonly<Record<string, number>>;
  /** Active latents of a sample, the mean over the same steps. Absent where it is not counted, as for toy models. */
  readonly l0?: number;
  /**
   * 1 − E‖x − x̂‖² / (E‖x‖² − ‖E x‖²): the error over the same steps, in the training's batches; the variance of a sample taken beforehand. Null where those
   * rows do not vary; absent for toy models, and where no sample of what is reconstructed could be had.
   */
  readonly explained_variance?: number | null;
  /** Latents that fired in none of the last `dead_window` samples before the last step; absent where that is not counted, and before so many samples. */
  readonly dead?: number;
  readonly dead_window?: number;
  /** Numbers that change over training, as the last step had them: `learning_rate`, and those of the architecture. */
  readonly schedule?: Readonly<Record<string, number>>;
  /** Seconds since 1970 when it was written, and samples a second of each model since the record before; absent where it was made up from a checkpoint. */
  readonly time?: number;
  readonly rows_per_second?: number;
}

/** What a trainer knows of its loss beyond its terms. */
export interface MeasuredLoss {
  /** What `mse` times this is: the squared error of a sample, summed over d_out. */
  readonly squaredError: number;
  /** E‖y‖² − ‖E y‖² of what each model reconstructs; undefined where that is not known. */
  readonly variances: readonly (number | undefined)[];
  /** Samples without firing after which a latent is reported as dead. */
  readonly deadWindow?: number | undefined;
}
