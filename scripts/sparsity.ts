/** How many latents of an autoencoder should be active, and whether reviving dead ones helps. */
import { mean } from 'd3-array';
import { type CommonOptions, experimentCommand } from '../src/cli/experiment/command.ts';
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { SPARSITY_STUDY_DEFAULTS as DEFAULTS, runSparsityStudy } from '../src/experiments/sparsity-study.ts';
import { textTable } from '../src/experiments/text-table.ts';
import { loadToyModel } from '../src/inference/node.ts';

interface Options extends CommonOptions, Omit<typeof DEFAULTS, 'ks' | 'seed'> {
  readonly toyModel: string;
  readonly k: readonly number[];
}

const command = experimentCommand(
  'sparsity',
  'Trains TopK autoencoders that differ in k on a toy model of clustered features, side by side, with and without AuxK.',
)
  .option('--toy-model <file>', 'what train-toy-model-for-sae-big froze', 'models/toy-model-big.onnx')
  .option('--d-sae <n>', 'latents', positiveInteger, DEFAULTS.dSae)
  .option('--k <n...>', `active latents per sample (default: ${DEFAULTS.ks.join(' ')})`, eachK)
  .option('--lr, --learning-rate <rate>', "Adam's learning rate", positiveNumber, DEFAULTS.learningRate)
  .option('--batch-size <n>', 'activations per step', positiveInteger, DEFAULTS.batchSize)
  .option('--steps <n>', 'training steps', positiveInteger, DEFAULTS.steps)
  .option('--seeds <n>', 'seeds of each, from --seed on', positiveInteger, DEFAULTS.seeds);

function eachK(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, positiveInteger(text)];
}

await runExperiment<Options>(command, async (options, context) => {
  await using toyModel = await loadToyModel(options.toyModel, { provider: 'cpu' });
  const weight = await toyModel.featureDirections();
  const { k: ks = DEFAULTS.ks, dSae, batchSize, steps, learningRate, seed, seeds } = options;
  const settings = { dSae, ks, auxK: DEFAULTS.auxK, batchSize, steps, learningRate, seed, seeds };
  const results = await runSparsityStudy(settings, { file: options.toyModel, weight }, context);
  const header = ['k', 'AuxK', 'recovered', 'of', 'cosine', 'explained', 'dead', 'duplicates', 'F1'];
  const rows = ks.flatMap(k =>
    [false, true].map(revived => {
      const own = results.filter(result => result.k === k && result.revived === revived);
      const average = (of: (result: (typeof own)[number]) => number, digits: number) => mean(own, of)!.toFixed(digits);
      const counts = own.map(({ recovered }) => recovered);
      return [
        String(k),
        revived ? 'yes' : '',
        `${Math.min(...counts)}–${Math.max(...counts)}`,
        String(own[0]!.of),
        average(({ meanCosine }) => meanCosine, 3),
        average(({ explainedVariance }) => explainedVariance, 3),
        average(({ dead }) => dead, 1),
        average(({ duplicates }) => duplicates, 1),
        average(({ f1 }) => f1, 3),
      ];
    }),
  );
  context.log(`\n${textTable(header, rows)}\n\nranges and means over ${seeds} seeds`);
});
