/** The experiment that trains an SAE on a toy model's activations, on files, or on what any model computes: `train sae`, and its script. */
import { existsSync } from 'node:fs';
import { Option } from 'commander';
import { activationFiles } from '../../data/activation-files.ts';
import type { ActivationSource } from '../../data/activation-source.ts';
import { UsageError } from '../../errors.ts';
import { runActivationSae } from '../../experiments/activation-sae-run.ts';
import type { ExperimentContext } from '../../experiments/context.ts';
import { probe, recoveryTable } from '../../experiments/probe.ts';
import { runSae, SAE_DEFAULTS, type SaeRunSettings } from '../../experiments/sae-run.ts';
import { readToyModel } from '../../experiments/toy-model-truth.ts';
import { modelActivations } from '../../host/model-activations.ts';
import type { FlagValues } from '../../models/architectures/architecture.ts';
import { ACTIVATION_KINDS, type ActivationKind, flagsOf } from '../../models/architectures/registry.ts';
import { contentOfActivations, contentOfFile } from '../../sweeps/file-contents.ts';
import { type ResolvedSaeSettings, resolveSaeSettings } from '../../training/sae-settings.ts';
import { addChannelsAxisOption, addHostInputOptions, type HostDataOptions } from '../host-options.ts';
import { openHostData } from '../open-host.ts';
import { fraction, positiveInteger, positiveNumber } from '../options.ts';
import { activationConfig, addArchitectureOptions } from './activation-options.ts';
import { type CommonOptions, type Experiment, experimentCommand, seedNumber } from './command.ts';
import { addPracticeOptions, type PracticeOptions, practiceOf } from './practice-options.ts';
import { describeActivationSae, describeSae } from './report.ts';

/** The options that name what an autoencoder is trained on, but for a toy model, which is the default. */
type DataFlag = '--model' | '--activations';

/** Options of `monosemantic train sae`. */
export interface SaeOptions
  extends CommonOptions,
    Omit<HostDataOptions, 'provider' | 'threads' | 'batchSize' | 'tensor' | 'targetTensor'>,
    Omit<PracticeOptions, 'batchSize'>,
    Pick<SaeRunSettings, 'sparsity' | 'steps'> {
  readonly batchSize?: number;
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
  readonly sampleSeed?: number;
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
    "Trains a sparse autoencoder on a toy model's hidden activations, on activations from files, or on those that any model computes meanwhile, and freezes it to sae.onnx.",
  )
    .optionsGroup('What it is trained on:')
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
    .option(
      '--drop-norm-above <x>',
      'do not train on rows whose norm is above x times the median (attention sinks)',
      positiveNumber,
    )
    .option('--hold-out <share>', 'share of the activations that only measures', fraction, 0.05)
    .option(
      '--shuffle-buffer <rows>',
      'activations shuffled together, in memory (default: 32768 of files, 131072 of a model)',
      positiveInteger,
    )
    .option(
      '--sample-seed <n>',
      'seed of the activations that b_dec and the directions start from (default: --seed)',
      seedNumber,
    )
    .option('--d-sae <n>', 'latents (default: 5 with a toy model)', positiveInteger)
    .option('--steps <n>', 'training steps', positiveInteger, SAE_DEFAULTS.steps)
    .option(
      '--sparsity <p>',
      "probability that a feature of the toy model's input is zero; a toy model of topics has its own",
      fraction,
      SAE_DEFAULTS.sparsity,
    )
    .optionsGroup('Architecture:')
    .addOption(new Option('--activation <kind>', 'architecture').choices(ACTIVATION_KINDS).default('topk'));
  addPracticeOptions(addArchitectureOptions(command));
  addHostInputOptions(addChannelsAxisOption(command.optionsGroup('What --model is run over:')))
    .option('--drop-first <n>', 'leave out the first n positions of each sample', positiveInteger)
    .option('--host-batch-size <n>', 'samples that --model runs at once (default: 16)', positiveInteger);
  return {
    command,
    inspect: options => (options.printSettings === true ? printableSettings(options) : undefined),
    run(options, context) {
      if (options.model !== undefined) return onModel(options, options.model, context);
      return options.activations ? onFiles(options, options.activations, context) : onToyModel(options, context);
    },
  };
}

/**
 * All settings of the training that `options` ask for, without its data. Only toy models have defaults for the number
 * of latents and k.
 */
function resolvedSettings(options: SaeOptions): ResolvedSaeSettings {
  refuseOptionsOfOtherData(options);
  const { activation: kind, steps, seed, sampleSeed, holdOut, skip = false } = options;
  const given = dataFlag(options);
  const { dSae = given === undefined ? SAE_DEFAULTS.dSae : undefined } = options;
  const { k = given === undefined && choosesLatents(kind) ? 1 : undefined } = options;
  if (dSae === undefined) throw new UsageError(`${given} needs --d-sae: how many latents`);
  if (k === undefined && choosesLatents(kind)) {
    throw new UsageError(`${given} needs --k: how many latents of ${kind} are active in a sample`);
  }
  const activation = activationConfig(kind, (k === undefined ? options : { ...options, k }) as FlagValues);
  const practice = practiceOf(options, given === undefined ? 'seed' : 'ours');
  const own = { dSae, activation, steps, seed, holdOut, skip, ...(sampleSeed !== undefined && { sampleSeed }) };
  return resolveSaeSettings({ data: [], ...own, ...practice });
}

/** Options that say something only of one kind of data, and the options that name such data. */
const OPTIONS_OF_DATA: readonly (readonly [
  flag: string,
  value: (options: SaeOptions) => unknown,
  of: readonly DataFlag[],
])[] = [
  ['--input', options => options.input, ['--model']],
  ['--mask', options => options.mask, ['--model']],
  ['--text', options => options.text, ['--model']],
  ['--tokenizer', options => options.tokenizer, ['--model']],
  ['--text-field', options => options.textField, ['--model']],
  ['--context-size', options => options.contextSize, ['--model']],
  ['--no-special-tokens', options => (options.specialTokens === false ? true : undefined), ['--model']],
  ['--drop-special', options => options.dropSpecial, ['--model']],
  ['--drop-tokens', options => options.dropTokens, ['--model']],
  ['--drop-first', options => options.dropFirst, ['--model']],
  ['--channels-axis', options => options.channelsAxis, ['--model']],
  ['--host-batch-size', options => options.hostBatchSize, ['--model']],
  ['--target', options => options.target, ['--activations']],
  ['--tensor', options => options.tensor, ['--model', '--activations']],
  ['--target-tensor', options => options.targetTensor, ['--model', '--activations']],
  ['--skip', options => options.skip, ['--model', '--activations']],
  ['--drop-norm-above', options => options.dropNormAbove, ['--model', '--activations']],
  ['--shuffle-buffer', options => options.shuffleBuffer, ['--model', '--activations']],
];

/** The option that names the data; undefined where a toy model is trained on. */
function dataFlag({ model, activations }: SaeOptions): DataFlag | undefined {
  return model !== undefined ? '--model' : activations !== undefined ? '--activations' : undefined;
}

/** @throws UsageError where an option would have no effect, because what it describes is not what the autoencoder is trained on */
function refuseOptionsOfOtherData(options: SaeOptions): void {
  const given = dataFlag(options);
  for (const [flag, value, of] of OPTIONS_OF_DATA) {
    if (value(options) === undefined || (given !== undefined && of.includes(given))) continue;
    throw new UsageError(
      `${flag} goes with ${of.join(' or ')}, and ${given === undefined ? 'without it a toy model is trained on' : `${given} is what is trained on`}`,
    );
  }
}

/** The settings that follow from the options and the preset, and not from the data, as JSON. */
function printableSettings(options: SaeOptions): object {
  const { data: _, ...settings } = resolvedSettings(options);
  return settings;
}

/** The settings of an autoencoder on a toy model's activations. */
export function toyModelSaeSettings(options: SaeOptions): SaeRunSettings {
  const { sparsity, steps, seed } = options;
  const { data: _, dSae, activation, holdOut: __, ...practice } = resolvedSettings(options);
  const { decoder, batchSize, learningRate, start } = practice;
  const init = typeof start.directions === 'string' ? start.directions : SAE_DEFAULTS.init;
  const settings = { dSae, activation, decoder, init, sparsity, batchSize, steps, learningRate, seed };
  return { ...settings, practice: { ...practice, start: { ...start, directions: init } } };
}

async function onToyModel(options: SaeOptions, context: ExperimentContext) {
  const { toyModel } = options;
  const result = await runSae(toyModelSaeSettings(options), await readToyModel(toyModel), context);
  context.log(recoveryTable(await probe({ toyModel, sae: result.file }, options)));
  context.log(describeSae(result));
  const { file, before, after, truth, run } = result;
  return { file, before, after, truth, engine: run.engine };
}

function onFiles(options: SaeOptions, files: readonly string[], context: ExperimentContext) {
  return onActivations(options, filesData(options, files), context);
}

function filesData(options: SaeOptions, files: readonly string[]): ActivationSource {
  const { tensor, target, targetTensor, shuffleBuffer, dropNormAbove } = options;
  return activationFiles(files, { tensor, target, targetTensor, shuffleBuffer, dropNormAbove });
}

function onModel(options: SaeOptions, model: string, context: ExperimentContext) {
  return withModelData(options, model, context.signal, data => onActivations(options, data, context));
}

/** Calls `use` with the activations that the model computes; the model stays open until `use` settles. */
async function withModelData<T>(
  options: SaeOptions,
  model: string,
  signal: AbortSignal | undefined,
  use: (data: ActivationSource) => Promise<T>,
): Promise<T> {
  const { tensor, dropFirst, dropNormAbove, shuffleBuffer, hostBatchSize } = options;
  if (tensor === undefined) throw new UsageError('--model needs --tensor: `monosemantic tensors` lists what there is');
  // The training's --provider is not the model's, and its batch size is not the one that the model runs at.
  const { batchSize: _, ...data } = options;
  const opened = await openHostData(model, { ...data, tensor, provider: 'cpu' }, { signal });
  try {
    const { target, channelsAxis, dropTokens } = opened.rows;
    const rows = { tensor, target, channelsAxis, dropTokens, dropFirst, dropNormAbove, shuffleBuffer, hostBatchSize };
    return await use(modelActivations(opened.host, { ...rows, data: opened.data }));
  } finally {
    await opened.close();
  }
}

async function onActivations(options: SaeOptions, data: ActivationSource, context: ExperimentContext) {
  const result = await runActivationSae({ ...resolvedSettings(options), data }, context);
  context.log(describeActivationSae(result));
  const { file, before, after, run } = result;
  return { file, before, after, engine: run.engine };
}

/**
 * The settings of an autoencoder on files or on what a model computes, and access to its data, which may only be open
 * meanwhile.
 */
export function activationSae(options: SaeOptions) {
  const { model, activations } = options;
  const { data: _, ...settings } = resolvedSettings(options);
  return {
    settings,
    withData: <T>(signal: AbortSignal | undefined, use: (data: ActivationSource) => Promise<T>): Promise<T> =>
      model === undefined ? use(filesData(options, activations!)) : withModelData(options, model, signal, use),
  };
}

/**
 * Hashes of the files that the options name, by option.
 * @throws FileFormatError where one cannot be read
 */
export async function contentsOfData(options: SaeOptions): Promise<Readonly<Record<string, string>>> {
  const { activations, target, tensor, targetTensor, input } = options;
  const contents: Record<string, string> = {};
  if (activations !== undefined) contents['activations'] = await contentOfActivations(activations, tensor);
  if (target !== undefined) contents['target'] = await contentOfActivations(target, targetTensor ?? tensor);
  for (const option of ['model', 'mask', 'text', 'tokenizer'] as const) {
    const file = options[option];
    if (file !== undefined) contents[option] = await contentOfFile(file);
  }
  if (input !== undefined) {
    // `name=file`, or a file alone.
    const hashes = input.map(async entry => {
      const at = existsSync(entry) ? -1 : entry.indexOf('=');
      return entry.slice(0, at + 1) + (await contentOfFile(entry.slice(at + 1)));
    });
    contents['input'] = (await Promise.all(hashes)).join(' ');
  }
  return contents;
}

/** Whether an architecture keeps a fixed number of latents, which has a default only on a toy model. */
function choosesLatents(kind: ActivationKind): boolean {
  return flagsOf(kind).some(({ flag }) => flag.startsWith('--k '));
}
