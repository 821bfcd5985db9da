/** What an experiment says at its end. */
import type { ActivationSaeRun, HeldOutScore } from '../../experiments/activation-sae-run.ts';
import type { SaeRun } from '../../experiments/sae-run.ts';
import type { ToyModelRun } from '../../experiments/toy-model-run.ts';
import type { TrainingHistory } from '../../training/history.ts';
import type { RunReport } from '../../training/run-settings.ts';

/** The chosen model, how the restarts ended, and how long it took. */
export function describeToyModel({ loss, losses, stars, file, run }: ToyModelRun): string {
  const restarts = losses.length === 1 ? 'one start' : `the lowest loss of ${losses.length} restarts`;
  const ended = stars === undefined ? '' : `; ${stars} of ${losses.length} ended in a star`;
  return `toy model: loss ${loss.toExponential(3)}, ${restarts}${ended}; ${describeRun(run)}\n  ${file}`;
}

/** How many directions were found, before and after training. */
export function describeSae({ before, after, file, run }: SaeRun): string {
  const of = after.features.length;
  return (
    `SAE: recovered ${before.recovered} of ${of} at step 0 and ${after.recovered} of ${of} at the end ` +
    `(chance ${(100 * after.chance).toFixed(0)}% each); ${describeRun(run)}\n  ${file}`
  );
}

/** How well held-out activations are reconstructed, before and after training. */
export function describeActivationSae({ before, after, file, run }: ActivationSaeRun): string {
  const score = ({ explained_variance, l0, never_fired, samples }: HeldOutScore): string => {
    const explained =
      explained_variance === null ? 'undefined: activations do not vary' : explained_variance.toFixed(4);
    return `explained variance ${explained}, L0 ${l0.toFixed(1)}, ${never_fired} latents fired on none of ${samples} held-out samples`;
  };
  const dead = run.dead ? `, ${run.dead.count} dead (silent for the last ${run.dead.window} samples of training)` : '';
  const scores =
    before && after
      ? `\n  before training: ${score(before)}\n  end: ${score(after)}${dead}`
      : ` nothing was held out${dead}`;
  return `SAE:${scores}\n  ${describeRun(run)}\n  ${file}`;
}

/** Where a run ran and why, and its time. */
export function describeRun({ engine, history, time }: RunReport & { readonly history: TrainingHistory }): string {
  const perStep = (time.total / Math.max(1, history.steps)).toFixed(3);
  return `${(time.total / 1000).toFixed(1)} s, ${perStep} ms a step on ${engine.engine} (${engine.provider}): ${engine.reason}`;
}
