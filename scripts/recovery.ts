/** How many of a star's directions autoencoders find, over many seeds of each initialisation. */
import { Option } from 'commander';
import { type CommonOptions, experimentCommand } from '../src/cli/experiment/command.ts';
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { positiveInteger } from '../src/cli/options.ts';
import { AT_ONCE, type RecoverySummary, runRecoveryStudy } from '../src/experiments/recovery-study.ts';
import { SAE_DEFAULTS } from '../src/experiments/sae-run.ts';
import { percent, textTable } from '../src/experiments/text-table.ts';
import { loadToyModel } from '../src/inference/node.ts';
import { INITIALISATIONS, type Initialisation } from '../src/models/initialisation.ts';

interface Options extends CommonOptions {
  readonly toyModel: string;
  readonly seeds: number;
  readonly init: readonly Initialisation[];
  readonly steps: number;
  readonly atOnce: number;
  readonly holdBias?: boolean;
}

const command = experimentCommand(
  'recovery',
  'Trains many autoencoders that differ in their seed alone, and counts the true directions that they find.',
)
  .option('--toy-model <file>', 'the frozen toy model', 'models/toy-model.onnx')
  .option('--seeds <n>', 'autoencoders of each initialisation', positiveInteger, 64)
  .addOption(
    new Option('--init <kind...>', 'initialisations to compare')
      .choices(INITIALISATIONS)
      .default(['gaussian', 'activations', 'spread']),
  )
  .option('--steps <n>', 'training steps', positiveInteger, SAE_DEFAULTS.steps)
  .option('--hold-bias', 'keep b_dec where it starts')
  .option('--at-once <n>', 'autoencoders trained side by side', positiveInteger, AT_ONCE);

await runExperiment<Options>(command, async (options, context) => {
  await using toyModel = await loadToyModel(options.toyModel, { provider: 'cpu' });
  const weight = await toyModel.featureDirections();
  const { init: inits, seed, seeds, steps, atOnce, holdBias = false } = options;
  const settings = { ...SAE_DEFAULTS, seed, steps, inits, seeds, atOnce, holdBias };
  const summaries = await runRecoveryStudy(settings, { file: options.toyModel, weight }, context);
  const header = ['init', 'step', 'found all', '95%', 'directions found', '95%', 'dead', 'duplicates'];
  context.log(`\n${textTable(header, summaries.map(cells))}`);
});

function cells({ init, step, all, each, dead, duplicates }: RecoverySummary): string[] {
  const rates = [all, each].flatMap(({ found, of, rate, low, high }) => [
    `${found}/${of} ${percent(rate)}`,
    `${percent(low)}–${percent(high)}`,
  ]);
  return [init, step.toLocaleString('en'), ...rates, dead.toFixed(2), duplicates.toFixed(2)];
}
