/** The experiments that train toy models at many sparsities side by side. */
import {
  runSuperposition,
  type Solution,
  type SuperpositionSettings,
  unexpectedSolutions,
} from '../../experiments/superposition-run.ts';
import { textTable } from '../../experiments/text-table.ts';
import { fraction, positiveInteger, positiveNumber } from '../options.ts';
import { type CommonOptions, type Experiment, experimentCommand } from './command.ts';

/** Options of the experiment on superposition. */
export type SuperpositionOptions = CommonOptions & SuperpositionSettings;

/** From this many restarts on, the lowest loss is known to be the one that theory predicts. */
const ENOUGH_RESTARTS = 20;

/** The experiment under `name`, which is also its folder in `runs/`. */
export function superpositionExperiment(
  name: string,
  defaults: SuperpositionSettings,
): Experiment<SuperpositionOptions> {
  const { nFeatures, nHidden, models, minSparsity, maxSparsity, restarts } = defaults;
  const command = experimentCommand(
    name,
    'Trains toy models of superposition side by side, from dense to sparse features, and draws what each represents.',
  )
    .option('--n-features <n>', 'features', positiveInteger, nFeatures)
    .option('--n-hidden <n>', 'hidden dimensions', positiveInteger, nHidden)
    .option('--models <n>', 'sparsities', positiveInteger, models)
    .option('--min-sparsity <p>', 'the lowest probability that a feature is zero', fraction, minSparsity)
    .option('--max-sparsity <p>', 'the highest', fraction, maxSparsity)
    .option('--restarts <n>', 'models of each sparsity; the lowest loss is kept', positiveInteger, restarts)
    .option('--importance-ratio <r>', 'importance of feature i is r^i', positiveNumber, defaults.importanceRatio)
    .option('--batch-size <n>', 'samples per step', positiveInteger, defaults.batchSize)
    .option('--lr, --learning-rate <rate>', "AdamW's learning rate", positiveNumber, defaults.learningRate)
    .option('--steps <n>', 'training steps', positiveInteger, defaults.steps);
  return {
    command,
    run: async (options, context) => {
      const solutions = await runSuperposition(options, context);
      context.log(solutionTable(solutions));
      const unexpected = options.restarts < ENOUGH_RESTARTS ? [] : unexpectedSolutions(solutions);
      if (unexpected.length > 0) throw new Error(`the lowest loss is unlike theory ${unexpected.join('; ')}`);
    },
  };
}

function solutionTable(solutions: readonly Solution[]): string {
  const total = (values: readonly number[]): string => values.reduce((sum, value) => sum + value, 0).toFixed(3);
  const planar = solutions.some(({ arrangement }) => arrangement !== undefined);
  const header = ['sparsity', 'loss', 'represented', 'Σ D', ...(planar ? ['D', 'arrangement', 'expected'] : [])];
  const rows = solutions.map(({ sparsity, loss, represented, dimensionalities, arrangement, expected }) => [
    sparsity.toFixed(3),
    loss.toExponential(3),
    String(represented),
    total(dimensionalities),
    ...(planar ? [dimensionalities.map(d => d.toFixed(2)).join(' '), arrangement ?? '', expected ?? '–'] : []),
  ]);
  return textTable(header, rows);
}
