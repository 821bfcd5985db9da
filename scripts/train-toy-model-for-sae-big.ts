/** Trains the larger toy model for autoencoders: 100→25→100, its features clustered in topics. */
import { type CommonOptions, experimentCommand } from '../src/cli/experiment/command.ts';
import { describeRun } from '../src/cli/experiment/report.ts';
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { fraction, positiveInteger, positiveNumber } from '../src/cli/options.ts';
import {
  type ClusteredToyModelSettings,
  CLUSTERED_TOY_MODEL_DEFAULTS as DEFAULTS,
  runClusteredToyModel,
} from '../src/experiments/clustered-toy-model-run.ts';

type Options = CommonOptions & Omit<ClusteredToyModelSettings, 'beta'>;

const command = experimentCommand(
  'train-toy-model-for-sae-big',
  'Trains a toy model on features that occur together in topics, and freezes it, topics included, to toy-model.onnx.',
)
  .option('--n-features <n>', 'features', positiveInteger, DEFAULTS.nFeatures)
  .option('--n-hidden <n>', 'hidden dimensions', positiveInteger, DEFAULTS.nHidden)
  .option('--topics <n>', 'topics', positiveInteger, DEFAULTS.topics)
  .option('--alpha <a>', 'concentration of the topics in a sample', positiveNumber, DEFAULTS.alpha)
  .option('--min-importance <i>', 'importance falls from 1 to this', fraction, DEFAULTS.minImportance)
  .option('--restarts <n>', 'models trained side by side; the lowest loss is kept', positiveInteger, DEFAULTS.restarts)
  .option('--batch-size <n>', 'samples per step', positiveInteger, DEFAULTS.batchSize)
  .option('--steps <n>', 'training steps', positiveInteger, DEFAULTS.steps);

await runExperiment<Options>(command, async (options, context) => {
  const { represented, loss, file, run } = await runClusteredToyModel({ ...options, beta: DEFAULTS.beta }, context);
  context.log(`toy model: ${represented} of ${options.nFeatures} features represented, loss ${loss.toExponential(3)}`);
  context.log(`  ${file}; ${describeRun(run)}`);
});
