/** The words that an experiment prints at its end. */
import type { ActivationSaeRun } from '../../experiments/activation-sae-run.ts';
import type { HeldOutScore } from '../../experiments/held-out-score.ts';
import type { SaeRun } from '../../experiments/sae-run.ts';
import type { ToyModelRun } from '../../experiments/toy-model-run.ts';
import type { TrainingHistory } from '../../training/history.ts';
import type { RunReport } from '../../training/run-settings.ts';

/** What a toy model's run prints at its end: the chosen restart, how all restarts ended, and the time that it took. */
export function describeToyModel({ loss, losses, stars, file, run }: ToyModelRun): string {
  const restarts = losses.length === 1 ? 'one start' : `the lowest loss of ${losses.length} restarts`;
  const ended = stars === undefined ? '' : `; ${stars} of ${losses.length} ended in a star`;
  return `toy model: loss ${loss.toExponential(3)}, ${restarts}${ended}; ${describeRun(run)}\n  ${file}`;
}

/** What a run on a toy model's activations prints at its end: how many directions were found before and after training. */
export function describeSae({ before, after, truth, file, run }: SaeRun): string {
  const of = after.features.length;
  const { mcc, uniqueness, latent_f1, shrinkage } = truth;
  const number = (value: number | null): string => value?.toFixed(3) ?? 'undefined';
  return (
    `SAE: recovered ${before.recovered} of ${of} at step 0 and ${after.recovered} of ${of} at the end ` +
    `(chance ${(100 * after.chance).toFixed(0)}% each)\n  ` +
    `MCC ${number(mcc)}, uniqueness ${number(uniqueness)}, F1 per latent ${number(latent_f1)}, shrinkage ${number(shrinkage)}\n  ` +
    `${describeRun(run)}\n  ${file}`
  );
}

/**
 * What a run on other activations prints at its end: how well held-out rows are reconstructed. The numbers of the
 * untrained autoencoder are only in `sae.json`, because beside the final ones they would alarm a reader.
 */
export function describeActivationSae({ after, file, run }: ActivationSaeRun): string {
  const dead = run.dead ? `, ${run.dead.count} dead (silent for the last ${run.dead.window} samples of training)` : '';
  const score = after ? `${describeScore(after)}${dead}${describeDictionary(after)}` : `nothing was held out${dead}`;
  return `SAE: ${score}\n  ${describeRun(run)}\n  ${file}`;
}

function describeScore({ explained_variance, l0, l0_distribution, never_fired, samples }: HeldOutScore): string {
  const explained = explained_variance === null ? 'undefined' : explained_variance.toFixed(4);
  const { p5, p95 } = l0_distribution;
  return (
    `explained variance ${explained}, L0 ${l0.toFixed(1)} (${p5} to ${p95} in nine of ten samples), ` +
    `${never_fired} latents fired on none of ${samples} held-out samples`
  );
}

/**
 * The scores of the weights. s_n^dec is not among them, because it is compared among several SAEs at one n; `sae.json`
 * has it.
 */
function describeDictionary({ shrinkage, relative_reconstruction_bias, dictionary }: HeldOutScore): string {
  const { c_dec, encoder_decoder_cosine } = dictionary ?? {};
  const numbers: [string, number | null | undefined][] = [
    ['shrinkage', shrinkage],
    ['relative reconstruction bias', relative_reconstruction_bias],
    ['c_dec', c_dec?.mean],
    ['encoder–decoder cosine', encoder_decoder_cosine?.mean],
  ];
  const words = numbers.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${value === null ? 'undefined' : value.toFixed(3)}`],
  );
  return `\n  ${words.join(', ')}`;
}

/** A line that says which engine ran a training and why, and how long the training took. */
export function describeRun({ engine, history, time }: RunReport & { readonly history: TrainingHistory }): string {
  const perStep = (time.total / Math.max(1, history.steps)).toFixed(3);
  return `${(time.total / 1000).toFixed(1)} s, ${perStep} ms a step on ${engine.engine} (${engine.provider}): ${engine.reason}`;
}
