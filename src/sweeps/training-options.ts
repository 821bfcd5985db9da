/** How a group trains: in its own checkpoints, from which whoever takes it over goes on. */
import type { TrainingOptions } from '../training/run-settings.ts';
import { snapshotSteps } from '../training/snapshot-steps.ts';
import type { GroupTraining } from './run-kind.ts';

export function trainingOptions(how: GroupTraining, steps: number): TrainingOptions {
  const { engine, signal, checkpoints, checkpointName, checkpointEvery, snapshots } = how;
  const kept = snapshots > 0 && { snapshotAt: snapshotSteps(steps, snapshots) };
  return { engine, signal, checkpoint: checkpoints, checkpointName, checkpointEvery, resume: true, ...kept };
}
