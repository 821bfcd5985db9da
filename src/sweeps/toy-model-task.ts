/** Toy models as runs of a sweep. */
import { type ToyModelSettings, toyModelOutcome, toyModelTraining } from '../experiments/toy-model-run.ts';
import { trainToyModels } from '../training/node.ts';
import { toyModelForm } from '../training/train-toy-model.ts';
import type { GroupTraining, RunTask, TrainedRun } from './run-kind.ts';
import { secondsOf } from './run-seconds.ts';
import { trainingOptions } from './training-options.ts';

class ToyModelTask implements RunTask {
  readonly contents = {};
  readonly form: string | undefined;
  readonly seconds: number;
  readonly settings: ToyModelSettings;
  readonly training: ReturnType<typeof toyModelTraining>;

  constructor(settings: ToyModelSettings) {
    this.settings = settings;
    this.training = toyModelTraining(settings);
    this.form = toyModelForm(this.training);
    const { nFeatures, nHidden, restarts } = settings;
    this.seconds = restarts * secondsOf(settings, 2 * nFeatures * nHidden);
  }

  async train(tasks: readonly RunTask[], how: GroupTraining): Promise<readonly TrainedRun[]> {
    const all = tasks as readonly ToyModelTask[];
    const vary = all.map(({ training }) => training);
    const trained = await trainToyModels({ ...this.training, vary }, trainingOptions(how, this.settings.steps));
    how.onTrained();
    // A stopped training is not measured.
    how.signal?.throwIfAborted();
    return trained.map((run, i) => {
      const { losses, stars, record } = toyModelOutcome(all[i]!.settings, run);
      const { model, loss, restarts, best, engine, history } = run;
      const metrics = {
        loss,
        training_loss: restarts[best]!.trainingLoss,
        worst_loss: Math.max(...losses),
        ...(stars !== undefined && { stars }),
      };
      return { metrics, model: model.toOnnx(record), engine: `${engine.engine} (${engine.provider})`, history };
    });
  }
}

/** A toy model to train. Its errors for settings out of range are those of `trainToyModel`. */
export function toyModelTask(settings: ToyModelSettings): RunTask {
  return new ToyModelTask(settings);
}
