/** Training options of a group, with checkpoints of its own from which another process can go on. */
import type { TrainingOptions } from '../training/run-settings.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import type { GroupTraining } from './run-kind.ts';

/** The training options of a group. */
export function trainingOptions(how: GroupTraining, steps: number): TrainingOptions {
  const { engine, signal, checkpoints, checkpointName, checkpointEvery, snapshots } = how;
  const kept = snapshots > 0 && { snapshotAt: snapshotSteps(steps, snapshots) };
  return { engine, signal, checkpoint: checkpoints, checkpointName, checkpointEvery, resume: true, ...kept };
}
