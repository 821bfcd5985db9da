/** Losses of thousands of steps as a curve that can be drawn. */
import type { TrainingCurve } from '../plots/figure-data.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';

/** Means of `losses` [step] over stretches that grow with the logarithm of the step: one batch's loss is noisy. */
export function lossCurve(name: string, losses: Float32Array): TrainingCurve {
  const edges = snapshotSteps(losses.length, 80);
  const steps: number[] = [];
  const loss: number[] = [];
  for (const [i, end] of edges.slice(1).entries()) {
    const stretch = losses.subarray(edges[i]!, end);
    steps.push(end);
    loss.push(stretch.reduce((sum, value) => sum + value, 0) / stretch.length);
  }
  return { name, steps, loss };
}
