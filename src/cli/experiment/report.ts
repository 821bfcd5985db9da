/** What an experiment says at its end. */
import type { ActivationSaeRun, HeldOutScore } from '../../experiments/activation-sae-run.ts';
import type { SaeRun } from '../../experiments/sae-run.ts';
import type { ToyModelRun } from '../../experiments/toy-model-run.ts';
import type { Trained } from '../../training/train.ts';

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
  const score = ({ explainedVariance, l0, dead, samples }: HeldOutScore): string =>
    `explained variance ${explainedVariance.toFixed(4)}, L0 ${l0.toFixed(1)}, ${dead} latents silent on ${samples} held-out samples`;
  const scores = before && after ? `\n  step 0: ${score(before)}\n  end: ${score(after)}` : ' nothing was held out';
  return `SAE:${scores}\n  ${describeRun(run)}\n  ${file}`;
}

/** Where a run ran and why, and its time. */
export function describeRun({ engine, step, time }: Trained): string {
  const perStep = (time.total / Math.max(1, step)).toFixed(3);
  return `${(time.total / 1000).toFixed(1)} s, ${perStep} ms a step on ${engine.engine} (${engine.provider}): ${engine.reason}`;
}
