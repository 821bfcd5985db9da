/** The experiment that trains an SAE on a toy model's activations: `train sae`, and its script. */
import { Option } from 'commander';
import { probe, recoveryTable } from '../../experiments/probe.ts';
import { runSae, SAE_DEFAULTS, type SaeSettings } from '../../experiments/sae-run.ts';
import { loadToyModel } from '../../inference/node.ts';
import { ACTIVATION_KINDS, type ActivationKind } from '../../models/activations/registry.ts';
import { DECODER_FORMS } from '../../models/decoder.ts';
import { INITIALISATIONS } from '../../models/initialisation.ts';
import { fraction, positiveInteger, positiveNumber } from '../options.ts';
import { activationConfig } from './activation-options.ts';
import { type CommonOptions, type Experiment, experimentCommand } from './command.ts';
import { describeSae } from './report.ts';

export interface SaeOptions extends CommonOptions, Omit<SaeSettings, 'activation'> {
  readonly toyModel: string;
  readonly activation: ActivationKind;
  readonly k: number;
  readonly l1: number;
}

/** The experiment under `name`, which is also its folder in `runs/`. */
export function saeExperiment(name: string): Experiment<SaeOptions> {
  const command = experimentCommand(
    name,
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
  return {
    command,
    async run(options, context) {
      const { toyModel, activation, k, l1, ...settings } = options;
      await using model = await loadToyModel(toyModel, { provider: 'cpu' });
      const weight = await model.featureDirections();
      const config = activationConfig(activation, { k, l1 });
      const result = await runSae({ ...settings, activation: config }, { file: toyModel, weight }, context);
      context.log(recoveryTable(await probe({ toyModel, sae: result.file }, options)));
      context.log(describeSae(result));
      const { file, before, after, run } = result;
      return { file, before, after, engine: run.engine };
    },
  };
}
