/** How a group trains: in its own checkpoints, from which whoever takes it over goes on. */
import type { TrainingOptions } from '../training/run-settings.ts';
import type { GroupTraining } from './run-kind.ts';

export function trainingOptions(how: GroupTraining): TrainingOptions {
  const { engine, signal, checkpoints, checkpointName, checkpointEvery } = how;
  return { engine, signal, checkpoint: checkpoints, checkpointName, checkpointEvery, resume: true };
}
