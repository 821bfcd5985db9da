/** The settings of toy-model experiments as options. */
import type { Command } from 'commander';
import { TOY_MODEL_DEFAULTS, type ToyModelSettings } from '../../experiments/toy-model-run.ts';
import { fraction, positiveInteger, positiveNumber } from '../options.ts';
import type { CommonOptions } from './command.ts';

/** Options of `monosemantic train toy`. */
export type ToyModelOptions = CommonOptions & ToyModelSettings;

/** Adds an option for each setting of a toy model. */
export function addToyModelOptions(command: Command, defaults: ToyModelSettings = TOY_MODEL_DEFAULTS): Command {
  return command
    .option('--n-features <n>', 'features', positiveInteger, defaults.nFeatures)
    .option('--n-hidden <n>', 'hidden dimensions', positiveInteger, defaults.nHidden)
    .option(
      '--restarts <n>',
      'models trained side by side; the lowest loss is kept',
      positiveInteger,
      defaults.restarts,
    )
    .option('--sparsity <p>', 'probability that a feature is zero', fraction, defaults.sparsity)
    .option('--importance-ratio <r>', 'importance of feature i is r^i', positiveNumber, defaults.importanceRatio)
    .option('--batch-size <n>', 'samples per step', positiveInteger, defaults.batchSize)
    .option('--steps <n>', 'training steps', positiveInteger, defaults.steps);
}
