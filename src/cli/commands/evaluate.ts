/** `evaluate`: what an autoencoder keeps of a model. */
import { type Evaluation, evaluateSae, type Scores } from '../../host/evaluate.ts';
import { readSource } from '../../inference/node-source.ts';
import { InterruptedError } from '../failure.ts';
import type { HostDataOptions } from '../host-options.ts';
import { openHostData } from '../open-host.ts';
import type { NameOptions, ReportOptions } from '../options.ts';
import { inColumns, report } from '../report.ts';
import { startRunProgress } from '../run-progress.ts';
import { saeNames } from '../sae-names.ts';
import type { Terminal } from '../terminal.ts';

/** Options of `monosemantic evaluate`. */
export interface EvaluateOptions extends HostDataOptions, NameOptions, ReportOptions {
  readonly model: string;
  readonly logits?: string;
  readonly task?: 'language-model' | 'classifier';
  readonly sinkNorm?: number;
  readonly dropNormAbove?: number;
}

/** Runs `monosemantic evaluate`. */
export async function evaluate(file: string, options: EvaluateOptions, terminal: Terminal): Promise<void> {
  const sae = await readSource(file);
  const { host, data, rows, close } = await openHostData(options.model, options, terminal);
  const passes = options.dropNormAbove === undefined ? 2 : 3;
  const progress = startRunProgress(data.samples === undefined ? undefined : passes * data.samples, 0, terminal);
  try {
    const result = await evaluateSae(host, sae, data, {
      ...rows,
      ...saeNames(options),
      logits: options.logits,
      task: options.task,
      sinkNorm: options.sinkNorm,
      dropNormAbove: options.dropNormAbove,
      onProgress: samples => progress.update(samples, samples),
    });
    progress.stop();
    report(result, words(result), options, terminal);
  } catch (error) {
    if (terminal.signal?.aborted) throw new InterruptedError('interrupted');
    throw error;
  } finally {
    progress.stop();
    await close();
  }
}

const number = (value: number | null): string => (value === null ? '–' : value.toPrecision(4));

function words(result: Evaluation): string {
  const sets: [string, Scores][] = [
    ['all positions', result],
    ['without the first', result.without_first_position],
    [`without ${result.sinks} sinks`, result.without_sinks],
  ];
  const line = (title: string, pick: (scores: Scores) => number | null): string[] => [
    title,
    ...sets.map(([, scores]) => number(pick(scores))),
  ];
  const table = [
    ['', ...sets.map(([title]) => title)],
    line('rows', ({ rows }) => rows),
    line('explained variance', scores => scores.explained_variance),
    line('shrinkage', ({ shrinkage }) => shrinkage),
    line('relative reconstruction bias', scores => scores.relative_reconstruction_bias),
    line('L0', ({ l0 }) => l0),
    line('cross-entropy: model', scores => scores.ce_original),
    line('  through the SAE', scores => scores.ce_sae),
    line('  tensor zero', scores => scores.ce_zero),
    line('  tensor its mean', scores => scores.ce_mean),
    line('CE score (zero as floor)', scores => scores.ce_score),
    line('CE score (mean as floor)', scores => scores.ce_score_mean),
    line('KL through the SAE', scores => scores.kl_sae),
    line('  tensor zero', scores => scores.kl_zero),
    line('  tensor its mean', scores => scores.kl_mean),
    line('KL score (zero as floor)', scores => scores.kl_score),
    line('same likeliest class', scores => scores.top1_agreement_sae),
  ];
  return [
    `${result.tensor}, ${result.task}: cross-entropy against the ${result.classes.replace(/^the /, '')}, of ${result.logits}`,
    ...inColumns(table),
    `${result.never_fired} of ${result.d_sae} latents did not fire in ${result.rows} rows`,
    ...(result.drop_norm_above === null
      ? []
      : [
          `${result.dropped_by_norm} positions above ${result.drop_norm_above} times the median norm kept the model's own activation and are not counted`,
        ]),
    `tried: the tensor replaced by itself changes ${number(result.check.identity)} of the outputs' range${
      result.check.bypassed ? '; the outputs also depend on the input by ways that do not pass the tensor' : ''
    }`,
  ].join('\n');
}
