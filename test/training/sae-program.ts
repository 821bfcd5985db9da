/** Step programs of autoencoders that a test has made, alone or side by side, as `trainSae` builds them. */
import type { StepProgram } from '../../src/engines/engine.ts';
import type { SaeReports } from '../../src/models/sae-trainable.ts';
import type { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import type { AdamOptions } from '../../src/training/optimizers.ts';
import { SAE_OPTIMIZER, type SaeStartSettings } from '../../src/training/sae-settings.ts';
import type { Schedules } from '../../src/training/schedules.ts';
import { type StepNumbers, stepNumbers } from '../../src/training/step-numbers.ts';
import { saeStep } from '../../src/training/train-sae.ts';

export interface SaeProgramSettings {
  readonly batchSize: number;
  readonly steps?: number;
  readonly optimizer?: AdamOptions;
  readonly start?: SaeStartSettings;
  readonly schedules?: Schedules;
  readonly clip?: number;
  readonly reportsGradientNorm?: boolean;
  readonly reports?: SaeReports;
}

/** The step, and the numbers that it is given. */
export function saeProgram(
  settings: SaeProgramSettings,
  saes: readonly SparseAutoencoder[],
): { readonly program: StepProgram; readonly numbers: StepNumbers } {
  const { batchSize, steps = 10, optimizer = SAE_OPTIMIZER, start = {}, schedules = {}, clip = 0 } = settings;
  const { reportsGradientNorm = false, reports } = settings;
  const { learningRate = SAE_OPTIMIZER.learningRate } = optimizer;
  const numbers = stepNumbers(
    saes.map(({ architecture }) => ({ batchSize, steps, learningRate, schedules, numbers: architecture.scalars })),
  );
  return {
    program: saeStep({ batchSize, optimizer, start, clip, reportsGradientNorm, reports }, saes, numbers).program,
    numbers,
  };
}

/** The scalar inputs of `steps` steps from the first, as the training loop gives them. */
export function scalarInputs({ at }: StepNumbers, steps: number): Record<string, Float32Array> {
  return Object.fromEntries(
    Object.entries(at).map(([name, number]) => [
      name,
      Float32Array.from(Array.from({ length: steps }, (_, step) => number(step)).flat()),
    ]),
  );
}
