/** Trains autoencoders of several kinds on the larger toy model's activations, and scores them against its features. */
import { type CommonOptions, experimentCommand } from '../src/cli/experiment/command.ts';
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { positiveInteger, positiveNumber } from '../src/cli/options.ts';
import type { SaeScore } from '../src/experiments/clustered-truth.ts';
import { SAE_BIG_DEFAULTS as DEFAULTS, runSaeBig, saeBigVariants } from '../src/experiments/sae-big-run.ts';
import { textTable } from '../src/experiments/text-table.ts';
import { loadToyModel } from '../src/inference/node.ts';

type Options = CommonOptions & typeof DEFAULTS & { readonly toyModel: string };

const command = experimentCommand(
  'train-sae-big',
  'Trains autoencoders on a toy model of clustered features: TopK from three initialisations, BatchTopK and ReLU.',
)
  .option('--toy-model <file>', 'what train-toy-model-for-sae-big froze', 'models/toy-model-big.onnx')
  .option('--d-sae <n>', 'latents', positiveInteger, DEFAULTS.dSae)
  .option('--k <n>', 'active latents per sample (topk, batchtopk)', positiveNumber, DEFAULTS.k)
  .option('--l1 <weight>', 'weight of the L1 penalty (relu)', positiveNumber, DEFAULTS.l1)
  .option('--lr, --learning-rate <rate>', "Adam's learning rate", positiveNumber, DEFAULTS.learningRate)
  .option('--batch-size <n>', 'activations per step', positiveInteger, DEFAULTS.batchSize)
  .option('--steps <n>', 'training steps', positiveInteger, DEFAULTS.steps)
  .option('--seeds <n>', 'seeds of each, from --seed on', positiveInteger, DEFAULTS.seeds);

await runExperiment<Options>(command, async (options, context) => {
  await using toyModel = await loadToyModel(options.toyModel, { provider: 'cpu' });
  const weight = await toyModel.featureDirections();
  const settings = { ...options, variants: saeBigVariants(options) };
  const { trueL0, saes } = await runSaeBig(settings, { file: options.toyModel, weight }, context);
  const header = [
    'SAE',
    'seed',
    'step',
    'recovered',
    'chance',
    'cosine',
    'explained',
    'L0',
    'dead',
    'duplicates',
    'F1',
  ];
  const rows = saes.flatMap(({ name, seed, before, after }) => [
    cells(name, seed, 0, before),
    cells(name, seed, options.steps, after),
  ]);
  context.log(
    `\n${textTable(header, rows)}\n\nk = ${options.k}; ${trueL0.toFixed(2)} true features are active in a sample`,
  );
});

function cells(name: string, seed: number, step: number, score: SaeScore): string[] {
  const { recovered, of, chance, meanCosine, explainedVariance, l0, dead, duplicates, f1 } = score;
  const shares = [chance, meanCosine, explainedVariance].map(share => share.toFixed(3));
  return [
    name,
    String(seed),
    String(step),
    `${recovered}/${of}`,
    ...shares,
    l0.toFixed(2),
    String(dead),
    String(duplicates),
    f1.toFixed(3),
  ];
}
