/** The experiment that trains an SAE on a toy model's activations, on files, or on what any model computes: `train sae`, and its script. */
import { Option } from 'commander';
import { activationFiles } from '../../data/activation-files.ts';
import type { ActivationSource } from '../../data/activation-source.ts';
import { UsageError } from '../../errors.ts';
import { runActivationSae } from '../../experiments/activation-sae-run.ts';
import type { ExperimentContext } from '../../experiments/context.ts';
import { probe, recoveryTable } from '../../experiments/probe.ts';
import { runSae, SAE_DEFAULTS, type SaeRunSettings } from '../../experiments/sae-run.ts';
import { modelActivations } from '../../host/model-activations.ts';
import { loadToyModel } from '../../inference/node.ts';
import type { FlagValues } from '../../models/architectures/architecture.ts';
import { ACTIVATION_KINDS, type ActivationKind, flagsOf } from '../../models/architectures/registry.ts';
import { DECODER_FORMS } from '../../models/decoder.ts';
import { INITIALISATIONS, type Initialisation } from '../../models/initialisation.ts';
import { addChannelsAxisOption, addHostInputOptions, type HostDataOptions } from '../host-options.ts';
import { openHostData } from '../open-host.ts';
import { fraction, positiveInteger, positiveNumber } from '../options.ts';
import { activationConfig, addArchitectureOptions } from './activation-options.ts';
import { type CommonOptions, type Experiment, experimentCommand } from './command.ts';
import { describeActivationSae, describeSae } from './report.ts';

export interface SaeOptions
  extends CommonOptions,
    Omit<HostDataOptions, 'provider' | 'threads' | 'batchSize' | 'tensor' | 'targetTensor'>,
    Omit<SaeRunSettings, 'activation' | 'dSae' | 'init' | 'skip'> {
  readonly toyModel: string;
  readonly activations?: readonly string[];
  /** A model that is run while the autoencoder learns. */
  readonly model?: string;
  readonly tensor?: string;
  readonly target?: readonly string[];
  readonly targetTensor?: string;
  readonly skip?: boolean;
  readonly dropFirst?: number;
  readonly dropNormAbove?: number;
  readonly hostBatchSize?: number;
  readonly holdOut: number;
  readonly shuffleBuffer: number;
  readonly dSae?: number;
  readonly init?: Initialisation;
  readonly activation: ActivationKind;
  readonly k?: number;
  /** Settings of other architectures, by their flags' names. */
  readonly [flag: string]: unknown;
}

/** The experiment under `name`, which is also its folder in `runs/`. */
export function saeExperiment(name: string): Experiment<SaeOptions> {
  const command = experimentCommand(
    name,
    "Trains a sparse autoencoder on a toy model's hidden activations, on activations from files, or on those that any model computes meanwhile, and freezes it to sae.onnx.",
  )
    .option('--toy-model <file>', 'the frozen toy model', 'models/toy-model.onnx')
    .addOption(
      new Option(
        '--activations <files...>',
        'activations [..., d_in] in .npy, .safetensors, .json or .csv: paths or glob patterns',
      ).conflicts('toyModel'),
    )
    .addOption(
      new Option('--model <file>', 'any .onnx model, run over --input or --text while the SAE learns').conflicts([
        'toyModel',
        'activations',
        'target',
      ]),
    )
    .option(
      '--tensor <name>',
      'the hidden tensor of --model (`monosemantic tensors` lists them); of .safetensors files that hold several, which one',
    )
    .option('--target <files...>', 'a transcoder: rows [..., d_out] that belong to those of --activations')
    .option('--target-tensor <name>', 'a transcoder: the tensor that is given for --tensor')
    .option('--skip', 'a transcoder with a skip connection')
    .option('--hold-out <share>', 'share of the activations that only measures', fraction, 0.05)
    .option(
      '--shuffle-buffer <rows>',
      'activations shuffled together, in memory (default: 32768 of files, 131072 of a model)',
      positiveInteger,
    )
    .option('--d-sae <n>', 'latents (default: 5 with a toy model)', positiveInteger)
    .addOption(new Option('--activation <kind>', 'architecture').choices(ACTIVATION_KINDS).default('topk'))
    .addOption(
      new Option('--decoder <form>', 'how decoder rows keep unit norm')
        .choices(DECODER_FORMS)
        .default(SAE_DEFAULTS.decoder),
    )
    .addOption(
      new Option(
        '--init <kind>',
        'where decoder directions start (default: spread up to 64 latents, else gaussian)',
      ).choices(INITIALISATIONS),
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
  addHostInputOptions(addChannelsAxisOption(command.optionsGroup('What --model is run over:')))
    .option('--drop-first <n>', 'leave out the first n positions of each sample', positiveInteger)
    .option('--drop-norm-above <x>', 'leave out rows whose norm is above x times the median', positiveNumber)
    .option('--host-batch-size <n>', 'samples that --model runs at once (default: 16)', positiveInteger);
  return {
    command,
    run(options, context) {
      if (options.model !== undefined) return onModel(options, options.model, context);
      return options.activations ? onFiles(options, options.activations, context) : onToyModel(options, context);
    },
  };
}

async function onToyModel(options: SaeOptions, context: ExperimentContext) {
  const { toyModel, activation, k = 1, dSae = SAE_DEFAULTS.dSae, init = SAE_DEFAULTS.init } = options;
  await using model = await loadToyModel(toyModel, { provider: 'cpu' });
  const weight = await model.featureDirections();
  const flags = choosesLatents(activation) ? { ...options, k } : options;
  const settings = { ...options, dSae, init, activation: activationConfig(activation, flags as FlagValues) };
  const result = await runSae(settings, { file: toyModel, weight }, context);
  context.log(recoveryTable(await probe({ toyModel, sae: result.file }, options)));
  context.log(describeSae(result));
  const { file, before, after, truth, run } = result;
  return { file, before, after, truth, engine: run.engine };
}

function onFiles(options: SaeOptions, files: readonly string[], context: ExperimentContext) {
  const { tensor, target, targetTensor, shuffleBuffer } = options;
  const data = activationFiles(files, { tensor, target, targetTensor, shuffleBuffer });
  return onActivations('--activations', options, data, context);
}

async function onModel(options: SaeOptions, model: string, context: ExperimentContext) {
  const { tensor, dropFirst, dropNormAbove, shuffleBuffer, hostBatchSize } = options;
  if (tensor === undefined) throw new UsageError('--model needs --tensor: `monosemantic tensors` lists what there is');
  // The training's --provider is not the model's, and its batch size is not the one that the model runs at.
  const { batchSize: _, ...data } = options;
  const opened = await openHostData(model, { ...data, tensor, provider: 'cpu' }, { signal: context.signal });
  try {
    const { target, channelsAxis, dropTokens } = opened.rows;
    const rows = { tensor, target, channelsAxis, dropTokens, dropFirst, dropNormAbove, shuffleBuffer, hostBatchSize };
    const source = modelActivations(opened.host, { ...rows, data: opened.data });
    return await onActivations('--model', options, source, context);
  } finally {
    await opened.close();
  }
}

async function onActivations(given: string, options: SaeOptions, data: ActivationSource, context: ExperimentContext) {
  const { activation, k, dSae, decoder, init, batchSize, steps, learningRate, seed, holdOut, skip = false } = options;
  if (dSae === undefined) throw new UsageError(`${given} needs --d-sae: how many latents`);
  if (k === undefined && choosesLatents(activation)) {
    throw new UsageError(`${given} needs --k: how many latents of ${activation} are active in a sample`);
  }
  const config = activationConfig(activation, options as FlagValues);
  const model = { dSae, activation: config, decoder, init, batchSize, steps, learningRate, seed, skip };
  const result = await runActivationSae({ data, holdOut, ...model }, context);
  context.log(describeActivationSae(result));
  const { file, before, after, run } = result;
  return { file, before, after, engine: run.engine };
}

/** Whether an architecture keeps a number of latents, which has no default but beside a toy model. */
function choosesLatents(kind: ActivationKind): boolean {
  return flagsOf(kind).some(({ flag }) => flag.startsWith('--k '));
}
