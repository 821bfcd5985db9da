/** The practice of a training as options: a preset, and every setting of it that one may want otherwise. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../../errors.ts';
import { DECODER_FORMS, type DecoderForm } from '../../models/decoder.ts';
import { INITIALISATIONS, type Initialisation } from '../../models/initialisation.ts';
import type { LearningRateSchedule } from '../../training/learning-rate.ts';
import { PRESETS, type PresetName } from '../../training/presets.ts';
import { NORMALIZE_ACTIVATIONS, type NormalizeActivations, type SaeSettings } from '../../training/sae-settings.ts';
import type { Ramp } from '../../training/schedules.ts';
import { fraction, nonNegativeNumber, positiveInteger, positiveNumber, wholeNumber } from '../options.ts';

/** The values of these options. */
export interface PracticeOptions {
  readonly preset?: PresetName;
  readonly printSettings?: boolean;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly lrWarmUp?: number;
  readonly lrDecay?: number;
  readonly lrDecayForm?: 'linear' | 'cosine';
  readonly lrEnd?: number;
  readonly betas?: readonly [number, number];
  readonly weightDecay?: number;
  readonly clip?: number;
  readonly normalize?: NormalizeActivations;
  readonly reconstructionLoss?: 'mean' | 'sum';
  readonly decoder?: DecoderForm;
  readonly decoderNorm?: number;
  readonly holdDecoder?: boolean | number;
  readonly holdEncoder?: boolean;
  readonly resample?: number;
  readonly resampleDeadAfter?: number;
  readonly holdBias?: boolean;
  readonly init?: Initialisation;
  readonly l1WarmUp?: number;
  readonly l0WarmUp?: number;
  readonly kAnneal?: number;
  readonly kFrom?: number;
}

/** The settings that the options name; all others are the preset's. */
export type Practice = Pick<
  SaeSettings,
  | 'preset'
  | 'batchSize'
  | 'learningRate'
  | 'optimizer'
  | 'schedules'
  | 'clip'
  | 'normalize'
  | 'reconstructionLoss'
  | 'decoder'
  | 'start'
  | 'resample'
>;

function betas(text: string): readonly [number, number] {
  const values = text.split(',').map(Number);
  const [first, second] = values;
  if (values.length !== 2 || !values.every(value => value >= 0 && value < 1)) {
    throw new InvalidArgumentError('expected two numbers from 0 to below 1, such as 0.9,0.999.');
  }
  return [first!, second!];
}

/** Adds the options of a training practice to a command, in groups that its help shows. */
export function addPracticeOptions(command: Command): Command {
  return command
    .optionsGroup('Practice (each default is the preset’s):')
    .addOption(
      new Option(
        '--preset <name>',
        'whose practice: batch, optimizer, schedules, start, normalisation, AuxK (default: seed on a toy model, else ours)',
      ).choices(PRESETS),
    )
    .option('--print-settings', 'print every setting as JSON, and train nothing')
    .option('--batch-size <n>', 'activations per step', positiveInteger)
    .addOption(
      new Option('--normalize <kind>', "activations scaled before training, by SAELens's names").choices(
        NORMALIZE_ACTIVATIONS,
      ),
    )
    .addOption(
      new Option('--reconstruction-loss <form>', 'squared errors over d_in: every coefficient is in that unit').choices(
        ['mean', 'sum'],
      ),
    )
    .addOption(new Option('--decoder <form>', 'how decoder rows keep unit norm').choices(DECODER_FORMS))
    .option('--decoder-norm <norm>', 'norm at which decoder rows start (--decoder free)', positiveNumber)
    .option(
      '--hold-decoder [cosine]',
      'leave decoder rows where they start, or within this cosine of it, as a baseline',
      fraction,
    )
    .option('--hold-encoder', 'leave the encoder’s weights where they start, as a baseline')
    .option(
      '--resample <steps>',
      'every so many steps dead latents begin anew along badly reconstructed rows',
      positiveInteger,
    )
    .option(
      '--resample-dead-after <steps>',
      'steps without firing beyond which --resample takes a latent (default: half of its steps)',
      positiveInteger,
    )
    .option('--hold-bias', 'leave b_dec where it starts')
    .addOption(
      new Option(
        '--init <kind>',
        'where decoder directions start (default: spread up to 64 latents, else gaussian)',
      ).choices(INITIALISATIONS),
    )
    .optionsGroup('Optimizer and schedules:')
    .option('--lr, --learning-rate <rate>', "Adam's learning rate", positiveNumber)
    .option('--lr-warm-up <steps>', 'steps over which the rate rises from 0', wholeNumber)
    .option('--lr-decay <steps>', 'last steps, over which the rate falls', wholeNumber)
    .addOption(new Option('--lr-decay-form <form>', 'how it falls (default: linear)').choices(['linear', 'cosine']))
    .option('--lr-end <share>', 'share of the rate that is left at the end (default: 0)', fraction)
    .option('--betas <b1,b2>', "Adam's betas", betas)
    .option('--weight-decay <share>', 'decoupled weight decay: AdamW', nonNegativeNumber)
    .option('--clip <norm>', 'norm to which the whole gradient is clipped; 0: not at all', nonNegativeNumber)
    .option('--l1-warm-up <steps>', 'steps over which --l1 rises from 0 (relu, gated)', wholeNumber)
    .option('--l0-warm-up <steps>', 'steps over which --l0-coefficient rises from 0 (jumprelu)', wholeNumber)
    .option('--k-from <k>', 'k of the first step (topk, batchtopk, matryoshka), with --k-anneal', positiveNumber)
    .option('--k-anneal <steps>', 'steps over which k goes from --k-from to --k', positiveInteger);
}

/**
 * The practice that the options name.
 * @param fallback the preset where none is named
 * @throws UsageError for options that need another
 */
export function practiceOf(options: PracticeOptions, fallback: PresetName): Practice {
  const {
    preset = fallback,
    batchSize,
    learningRate,
    betas,
    weightDecay,
    clip,
    normalize,
    reconstructionLoss,
  } = options;
  const { decoder, decoderNorm, holdDecoder, holdEncoder, holdBias, init, resample, resampleDeadAfter } = options;
  if (resampleDeadAfter !== undefined && resample === undefined) {
    throw new UsageError('--resample-dead-after needs --resample: every how many steps');
  }
  const optimizer = {
    ...(weightDecay !== undefined && weightDecay > 0 && { name: 'adamw' as const, weightDecay }),
    ...(betas && { betas }),
  };
  const start = {
    ...(init !== undefined && { directions: init }),
    ...(decoderNorm !== undefined && { decoderNorm }),
    ...(holdDecoder !== undefined && { holdDecoder }),
    ...(holdEncoder === true && { holdEncoder }),
    ...(holdBias === true && { holdBias }),
  };
  const schedules = { ...learningRateSchedule(options), ...ramps(options) };
  return {
    preset,
    ...(batchSize !== undefined && { batchSize }),
    ...(learningRate !== undefined && { learningRate }),
    ...(Object.keys(optimizer).length > 0 && { optimizer }),
    ...(Object.keys(start).length > 0 && { start }),
    ...(Object.keys(schedules).length > 0 && { schedules }),
    ...(clip !== undefined && { clip }),
    ...(normalize !== undefined && { normalize }),
    ...(reconstructionLoss !== undefined && { reconstructionLoss }),
    ...(decoder !== undefined && { decoder }),
    ...(resample !== undefined && {
      resample: { every: resample, ...(resampleDeadAfter !== undefined && { deadAfter: resampleDeadAfter }) },
    }),
  };
}

function learningRateSchedule(options: PracticeOptions): { readonly learningRate?: LearningRateSchedule } {
  const { lrWarmUp, lrDecay, lrDecayForm, lrEnd } = options;
  for (const [flag, value] of Object.entries({ '--lr-decay-form': lrDecayForm, '--lr-end': lrEnd })) {
    if (value !== undefined && !lrDecay) throw new UsageError(`${flag} needs --lr-decay: over how many steps`);
  }
  if (lrWarmUp === undefined && lrDecay === undefined) return {};
  return {
    learningRate: {
      ...(lrWarmUp !== undefined && { warmUpSteps: lrWarmUp }),
      ...(lrDecay !== undefined && lrDecay > 0 && { decay: lrDecayForm ?? 'linear', decaySteps: lrDecay }),
      ...(lrEnd !== undefined && { finalShare: lrEnd }),
    },
  };
}

function ramps({ l1WarmUp, l0WarmUp, kAnneal, kFrom }: PracticeOptions): Readonly<Record<string, Ramp>> {
  if ((kAnneal === undefined) !== (kFrom === undefined))
    throw new UsageError('--k-anneal and --k-from need each other');
  return {
    ...(l1WarmUp !== undefined && l1WarmUp > 0 && { l1: { from: 0, steps: l1WarmUp } }),
    ...(l0WarmUp !== undefined && l0WarmUp > 0 && { l0: { from: 0, steps: l0WarmUp } }),
    ...(kAnneal !== undefined && { k: { from: kFrom!, steps: kAnneal } }),
  };
}
