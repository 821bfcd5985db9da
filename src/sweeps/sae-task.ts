/** Sparse autoencoders as runs of a sweep: on a toy model's activations, on files, or on what a model computes. */
import { setImmediate } from 'node:timers/promises';
import type { ActivationSource } from '../data/activation-source.ts';
import { scoreHeldOut } from '../experiments/held-out-score.ts';
import { type SaeRunSettings, saeOutcome, saeSettings } from '../experiments/sae-run.ts';
import { activationsOf, readToyModel, type ToyModelTruth } from '../experiments/toy-model-truth.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { finalLoss } from '../training/history.ts';
import { saeForm, trainSaes } from '../training/node.ts';
import type { ResolvedSaeSettings, SaeSettings } from '../training/sae-settings.ts';
import type { SaeTrainingResult } from '../training/train-sae.ts';
import type { GroupTraining, Metrics, RunTask, TrainedRun } from './run-kind.ts';
import { secondsOf } from './run-seconds.ts';
import { trainingOptions } from './training-options.ts';

class ToyModelSaeTask implements RunTask {
  readonly contents: Readonly<Record<string, string>>;
  readonly form: string | undefined;
  readonly seconds: number;
  readonly settings: SaeRunSettings;
  readonly truth: ToyModelTruth;
  readonly training: SaeSettings;
  readonly data: ActivationSource;

  constructor(settings: SaeRunSettings, truth: ToyModelTruth) {
    this.settings = settings;
    this.truth = truth;
    this.contents = { toyModel: truth.sha256 };
    this.data = activationsOf(truth, settings);
    this.training = saeSettings(settings, this.data);
    this.form = saeForm(this.training);
    this.seconds = secondsOf(settings, 2 * truth.weight.shape[1]! * settings.dSae);
  }

  async train(tasks: readonly RunTask[], how: GroupTraining): Promise<readonly TrainedRun[]> {
    const all = tasks as readonly ToyModelSaeTask[];
    const vary = all.map(({ training }) => training);
    const trained = await trainSaes({ ...this.training, vary }, trainingOptions(how, this.settings.steps));
    how.onTrained();
    const runs: TrainedRun[] = [];
    for (const [i, task] of all.entries()) {
      // A stopped training is not measured; the pause also lets the lock be renewed.
      await setImmediate();
      how.signal?.throwIfAborted();
      runs.push(task.#outcome(trained[i]!));
    }
    return runs;
  }

  #outcome(trained: SaeTrainingResult): TrainedRun {
    const { sae, start, engine, dead, history } = trained;
    const { optimizer } = this.training;
    const { before, after, truth, record } = saeOutcome(this.settings, this.truth, trained, optimizer);
    const metrics = {
      recovered: after.recovered,
      recovered_share: after.share,
      recovered_at_start: before.recovered,
      mean_cosine: after.meanCosine,
      never_fired: after.neverFired,
      never_fired_at_start: before.neverFired,
      duplicates: after.duplicates,
      duplicates_at_start: before.duplicates,
      bias_moved: distance(biasOf(start), biasOf(sae)),
      ...(dead && { dead: dead.count }),
      ...truth,
      loss: lossOf(trained),
    };
    const { init } = this.settings;
    const model = sae.toOnnx({ training: record, init, trainedOn: this.truth.sha256 });
    return { metrics, model, engine: `${engine.engine} (${engine.provider})`, history };
  }
}

function biasOf({ state }: SparseAutoencoder): Float32Array {
  return state.parameters['b_dec']!.data;
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.hypot(...a.map((value, i) => value - b[i]!));
}

function lossOf({ history: { loss } }: SaeTrainingResult): number | null {
  return loss.length === 0 ? null : finalLoss(loss);
}

const truths = new Map<string, Promise<ToyModelTruth>>();

/** Reads a toy model once. */
function truthIn(file: string): Promise<ToyModelTruth> {
  const known = truths.get(file);
  if (known) return known;
  const read = readToyModel(file);
  truths.set(file, read);
  // A file that does not exist yet may be written later.
  read.catch(() => truths.delete(file));
  return read;
}

/**
 * An autoencoder to train on the activations of the frozen toy model `file`. Its errors are those of `trainSae` and
 * `loadToyModel`.
 */
export async function toyModelSaeTask(settings: SaeRunSettings, file: string): Promise<RunTask> {
  return new ToyModelSaeTask(settings, await truthIn(file));
}

/**
 * An autoencoder to train on given activations, which `withData` keeps open while they are used. It trains alone.
 * @param contents hashes of the files that its settings name, by setting
 */
export function activationSaeTask(
  settings: Omit<ResolvedSaeSettings, 'data'>,
  contents: Readonly<Record<string, string>>,
  withData: <T>(signal: AbortSignal | undefined, use: (data: ActivationSource) => Promise<T>) => Promise<T>,
): RunTask {
  return {
    contents,
    form: undefined,
    seconds: secondsOf(settings, settings.dSae),
    train: (_, how) =>
      withData(how.signal, async data => {
        const { batchSize, seed, holdOut } = settings;
        await using opened = await data.open({ seed, batchSize, holdOut, signal: how.signal });
        const [trained] = await trainSaes({ ...settings, data, vary: [{}] }, trainingOptions(how, settings.steps));
        how.signal?.throwIfAborted();
        const { sae, engine, dead, history } = trained!;
        const score = await scoreHeldOut(sae.freeze(), opened);
        const metrics: Metrics = {
          ...(score && {
            explained_variance: score.explained_variance,
            l0: score.l0,
            never_fired: score.never_fired,
            shrinkage: score.shrinkage,
          }),
          ...(dead && { dead: dead.count }),
          loss: lossOf(trained!),
        };
        return [{ metrics, model: sae.toOnnx(), engine: `${engine.engine} (${engine.provider})`, history }];
      }),
  };
}
