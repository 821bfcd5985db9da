/** Trains a sparse autoencoder on a frozen toy model's activations, and scores it against the model's own directions. */
import { Option } from 'commander';
import { fraction, positiveInteger, positiveNumber } from '../src/cli/options.ts';
import { probe, recoveryTable } from '../src/experiments/probe.ts';
import { runSae, SAE_DEFAULTS, type SaeSettings } from '../src/experiments/sae-run.ts';
import { loadToyModel } from '../src/inference/node.ts';
import { ACTIVATION_KINDS, type ActivationKind } from '../src/models/activations/registry.ts';
import { DECODER_FORMS } from '../src/models/decoder.ts';
import { INITIALISATIONS } from '../src/models/initialisation.ts';
import { activationConfig } from './experiment/activation-options.ts';
import { type CommonOptions, experimentCommand, runExperiment } from './experiment/command.ts';
import { describeSae } from './experiment/report.ts';

interface Options extends CommonOptions, Omit<SaeSettings, 'activation'> {
  readonly toyModel: string;
  readonly activation: ActivationKind;
  readonly k: number;
  readonly l1: number;
}

const command = experimentCommand(
  'train-sae',
  "Trains a sparse autoencoder on a toy model's hidden activations and freezes it to sae.onnx.",
)
  .option('--toy-model <file>', 'the frozen toy model', 'models/toy-model.onnx')
  .option('--d-sae <n>', 'latents', positiveInteger, SAE_DEFAULTS.dSae)
  .addOption(new Option('--activation <kind>', 'architecture').choices(ACTIVATION_KINDS).default('topk'))
  .option('--k <n>', 'active latents per sample (topk, batchtopk)', positiveNumber, 1)
  .option('--l1 <weight>', 'weight of the L1 penalty (relu)', positiveNumber, 0.01)
  .addOption(
    new Option('--decoder <form>', 'how decoder rows keep unit norm')
      .choices(DECODER_FORMS)
      .default(SAE_DEFAULTS.decoder),
  )
  .addOption(
    new Option('--init <kind>', 'where decoder directions start').choices(INITIALISATIONS).default(SAE_DEFAULTS.init),
  )
  .option(
    '--sparsity <p>',
    "probability that a feature of the toy model's input is zero",
    fraction,
    SAE_DEFAULTS.sparsity,
  )
  .option('--batch-size <n>', 'activations per step', positiveInteger, SAE_DEFAULTS.batchSize)
  .option('--learning-rate <rate>', "Adam's learning rate", positiveNumber, SAE_DEFAULTS.learningRate)
  .option('--steps <n>', 'training steps', positiveInteger, SAE_DEFAULTS.steps);

await runExperiment<Options>(command, async (options, context) => {
  const { toyModel, activation, k, l1, ...settings } = options;
  await using model = await loadToyModel(toyModel, { provider: 'cpu' });
  const weight = await model.featureDirections();
  const config = activationConfig(activation, { k, l1 });
  const result = await runSae({ ...settings, activation: config }, { file: toyModel, weight }, context);
  context.log(recoveryTable(await probe({ toyModel, sae: result.file }, options)));
  context.log(describeSae(result));
});
