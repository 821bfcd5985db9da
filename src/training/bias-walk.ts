/** How far b_dec walks away from where it started: on a handful of latents it tells which seeds miss features (docs/study.md). */
import type { ModelState } from '../models/model.ts';
import type { HostTensor, HostTensors } from '../tensor.ts';

/** A walk beyond this share of the activations' size is told. Of 184 runs on the star those that found everything stayed within .01, the others went .99 and further. */
const WALKED = 0.5;

/** ‖after − before‖ of two biases [d], as a share of the root mean square norm of `rows` [n, d]. */
export function biasWalk(before: HostTensor, after: HostTensor, { data, shape }: HostTensor): number {
  const size = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / shape[0]!);
  return Math.hypot(...after.data.map((value, i) => value - before.data[i]!)) / size;
}

/**
 * What to say of a run of few latents whose b_dec has walked farther than half the size of the activations `rows` [n, d_in], seen before training: it misses features,
 * at a lower loss than others. Nothing of a transcoder between two widths, whose b_dec is in another space.
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
