/**
 * Measures how far b_dec has moved from its start: with few latents, this tells which seeds miss features
 * (docs/study.md).
 */
import type { ModelState } from '../models/model.ts';
import type { HostTensor, HostTensors } from '../tensor.ts';

/**
 * A move of b_dec beyond this share of the activations' size is reported. In 184 runs on a star of directions, those
 * that found everything moved by at most .01 of it, the others by .99 and more.
 */
const WALKED = 0.5;

/** ‖after − before‖ of two biases [d], divided by the root mean square norm of `rows` [n, d]. */
export function biasWalk(before: HostTensor, after: HostTensor, { data, shape }: HostTensor): number {
  const size = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / shape[0]!);
  return Math.hypot(...after.data.map((value, i) => value - before.data[i]!)) / size;
}

/**
 * The warning for a run with few latents whose b_dec has moved farther than half the size of the activations: it misses
 * features, at a lower loss than other seeds. A transcoder between two widths gets none, because its b_dec lies in
 * another space than the activations.
 * @param rows activations seen before training, [n, d_in]
 * @returns no sentence or one
 */
export function biasWarnings(
  before: ModelState<HostTensors>,
  after: ModelState<HostTensors>,
  rows: HostTensor,
): readonly string[] {
  const [started, ended] = [before, after].map(({ parameters }) => parameters['b_dec']!) as [HostTensor, HostTensor];
  if (rows.shape[1] !== started.data.length) return [];
  const walked = biasWalk(started, ended, rows);
  if (!(walked > WALKED)) return [];
  return [
    `b_dec has walked ${walked.toFixed(1)} times the activations' size from where it started: runs of few latents that do so miss features. Hold it (start.holdBias, --hold-bias), or start spread, or take another seed`,
  ];
}
