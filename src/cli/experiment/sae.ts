/** The experiment that trains an SAE on a toy model's activations: `train sae`, and its script. */
import { Option } from 'commander';
import { activationFiles } from '../../data/activation-files.ts';
import { UsageError } from '../../errors.ts';
import { runActivationSae } from '../../experiments/activation-sae-run.ts';
import type { ExperimentContext } from '../../experiments/context.ts';
import { probe, recoveryTable } from '../../experiments/probe.ts';
import { runSae, SAE_DEFAULTS, type SaeRunSettings } from '../../experiments/sae-run.ts';
import { loadToyModel } from '../../inference/node.ts';
import type { FlagValues } from '../../models/architectures/architecture.ts';
import { ACTIVATION_KINDS, type ActivationKind, flagsOf } from '../../models/architectures/registry.ts';
import { DECODER_FORMS } from '../../models/decoder.ts';
import { INITIALISATIONS } from '../../models/initialisation.ts';
import { fraction, positiveInteger, positiveNumber } from '../options.ts';
import { activationConfig, addArchitectureOptions } from './activation-options.ts';
import { type CommonOptions, type Experiment, experimentCommand } from './command.ts';
import { describeActivationSae, describeSae } from './report.ts';

export interface SaeOptions extends CommonOptions, Omit<SaeRunSettings, 'activation' | 'dSae'> {
  readonly toyModel: string;
  readonly activations?: readonly string[];
  readonly tensor?: string;
  readonly holdOut: number;
  readonly shuffleBuffer: number;
  readonly dSae?: number;
  readonly activation: ActivationKind;
  readonly k?: number;
  /** Settings of other architectures, by their flags' names. */
  readonly [flag: string]: unknown;
}

/** The experiment under `name`, which is also its folder in `runs/`. */
export function saeExperiment(name: string): Experiment<SaeOptions> {
  const command = experimentCommand(
    name,
    "Trains a sparse autoencoder on a toy model's hidden activations, or on activations from files, and freezes it to sae.onnx.",
  )
    .option('--toy-model <file>', 'the frozen toy model', 'models/toy-model.onnx')
    .addOption(
      new Option(
        '--activations <files...>',
        'activations [..., d_in] in .npy, .safetensors, .json or .csv: paths or glob patterns',
      ).conflicts('toyModel'),
    )
    .option('--tensor <name>', 'which tensor of .safetensors files that hold several')
    .option('--hold-out <share>', 'share of the activations that only measures', fraction, 0.05)
    .option('--shuffle-buffer <rows>', 'activations shuffled together, in memory', positiveInteger, 32_768)
    .option('--d-sae <n>', 'latents (default: 5 with a toy model)', positiveInteger)
    .addOption(new Option('--activation <kind>', 'architecture').choices(ACTIVATION_KINDS).default('topk'))
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
    .option('--lr, --learning-rate <rate>', "Adam's learning rate", positiveNumber, SAE_DEFAULTS.learningRate)
    .option('--steps <n>', 'training steps', positiveInteger, SAE_DEFAULTS.steps);
  addArchitectureOptions(command);
  return {
    command,
    run: (options, context) =>
      options.activations ? onActivations(options, options.activations, context) : onToyModel(options, context),
  };
}

async function onToyModel(options: SaeOptions, context: ExperimentContext) {
  const { toyModel, activation, k = 1, dSae = SAE_DEFAULTS.dSae } = options;
  await using model = await loadToyModel(toyModel, { provider: 'cpu' });
  const weight = await model.featureDirections();
  const flags = choosesLatents(activation) ? { ...options, k } : options;
  const settings = { ...options, dSae, activation: activationConfig(activation, flags as FlagValues) };
  const result = await runSae(settings, { file: toyModel, weight }, context);
  context.log(recoveryTable(await probe({ toyModel, sae: result.file }, options)));
  context.log(describeSae(result));
  const { file, before, after, run } = result;
  return { file, before, after, engine: run.engine };
}

async function onActivations(options: SaeOptions, files: readonly string[], context: ExperimentContext) {
  const { activation, k, dSae, decoder, init, batchSize, steps, learningRate, seed } = options;
  if (dSae === undefined) throw new UsageError('--activations needs --d-sae: how many latents');
  if (k === undefined && choosesLatents(activation)) {
    throw new UsageError(`--activations needs --k: how many latents of ${activation} are active in a sample`);
  }
  const { tensor, holdOut, shuffleBuffer } = options;
  const config = activationConfig(activation, options as FlagValues);
  const data = activationFiles(files, { ...(tensor !== undefined && { tensor }), shuffleBuffer });
  const model = { dSae, activation: config, decoder, init, batchSize, steps, learningRate, seed };
  const result = await runActivationSae({ data, holdOut, ...model }, context);
  context.log(describeActivationSae(result));
  const { file, before, after, run } = result;
  return { file, before, after, engine: run.engine };
}

/** Whether an architecture keeps a number of latents, which has no default but beside a toy model. */
function choosesLatents(kind: ActivationKind): boolean {
  return flagsOf(kind).some(({ flag }) => flag.startsWith('--k '));
}
