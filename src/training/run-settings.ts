/** The options that say how a training runs: the same for autoencoders and toy models, one or many. */
import type { Engine, EngineDescription, StepProgram } from '../engines/engine.ts';
import { InvalidValueError } from '../errors.ts';
import type { HostTensor, HostTensors } from '../tensor.ts';
import type { Snapshot } from './checkpoint.ts';
import { type ModelSnapshot, modelSnapshot, type Place } from './history.ts';
import type { MetricsRecord } from './metrics/metrics-record.ts';
import type { RecordOptions, RecordSink } from './metrics/run-monitor.ts';
import type { TrainingPlatform } from './platform.ts';
import { type Progress, type Trained, type TrainOptions, train } from './train.ts';

/** Where a training runs, who is told of it, and what is kept of it. */
export interface TrainingOptions {
  /** The engine that runs the steps. Default: the one that suits the machine. */
  readonly engine?: Engine | undefined;
  /** Aborting ends the run after the engine's current call, with a checkpoint where checkpoints are kept. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every call of the engine, about every 40 ms. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** A folder for checkpoints; it is made where it is missing. Default: no checkpoints. */
  readonly checkpoint?: string | undefined;
  /** Steps between checkpoints. Default 5,000. */
  readonly checkpointEvery?: number | undefined;
  /**
   * The name of this training's checkpoints in the folder, for folders that hold several. Default: a name of what is
   * trained.
   */
  readonly checkpointName?: string | undefined;
  /**
   * Whether the run goes on from the checkpoint in the folder; it begins where there is none. `steps` may be larger
   * than in the run that wrote it. Default false.
   */
  readonly resume?: boolean | undefined;
  /**
   * Whether the run begins anew where the folder holds a checkpoint of this name, which is then replaced. Default
   * false: the training is refused, unless it resumes that checkpoint.
   */
  readonly overwrite?: boolean | undefined;
  /**
   * Called while the start is computed (`geometric median`, `directions`), with the share that is done, from 0 to 1.
   */
  readonly onStart?: ((what: StartPart, share: number) => void) | undefined;
  /** Called where a run is resumed, with the number of steps that are complete. */
  readonly onResume?: ((step: number) => void) | undefined;
  /**
   * Called after each resampling of dead latents, where the settings ask for it: with the number of complete steps, and
   * of latents that began anew, summed over all autoencoders side by side.
   */
  readonly onResample?: ((step: number, latents: number) => void) | undefined;
  /** Steps from one record of the run's metrics to the next; the last step has one too. Default 100. */
  readonly recordEvery?: number | undefined;
  /** Called with each record; in a resumed run, not with those of earlier steps. */
  readonly onRecord?: ((record: MetricsRecord) => void) | undefined;
  /**
   * A file for the records, one JSON object per line; its folder must exist. The file of a resumed run has each record
   * once. Node only. Default: none.
   */
  readonly metricsFile?: string | undefined;
  /**
   * A folder for the records as TensorBoard's event files; it is made where it is missing. Node only. Default: none.
   */
  readonly tensorboard?: string | undefined;
  /** Steps at which the history keeps directions and biases (see snapshotSteps). Default: none. */
  readonly snapshotAt?: readonly number[] | undefined;
  /**
   * Called with each such snapshot as it is taken; `index` counts the models in the order of `vary`, or the restarts.
   */
  readonly onSnapshot?: ((snapshot: ModelSnapshot, index: number) => void) | undefined;
  /**
   * The most steps that the engine runs in one call. Default: 200, or fewer where their batches would take more than 8
   * MiB.
   */
  readonly stepsPerCall?: number | undefined;
}

/** What is computed from a sample before the first step. */
export type StartPart = 'geometric median' | 'directions';

/** What a training cost and where it ran. */
export interface RunReport {
  /** Whether the run was aborted before its last step. */
  readonly stopped: boolean;
  readonly engine: EngineDescription;
  /** Milliseconds: for drawing batches, for waiting for the engine besides that, and in all. */
  readonly time: Trained['time'];
  /** The error that kept records from being written, a FileWriteError; the training itself went on. */
  readonly recordsFailed?: Error;
}

/** A training that is ready to run. */
export interface ReadyRun extends Pick<TrainOptions, 'batches' | 'steps' | 'scalars' | 'measured' | 'revision'> {
  readonly program: StepProgram;
  /** The default name of its checkpoints. */
  readonly name: string;
  /** What is trained and how, as JSON: only the same is resumed. */
  readonly experiment: Readonly<Record<string, unknown>>;
  /** Takes what a snapshot keeps out of a state. */
  readonly look: (state: HostTensors) => { readonly directions: HostTensor; readonly bias: HostTensor };
  /** The index of each of its models in the order that the caller knows. */
  readonly indices: readonly number[];
}

/**
 * Runs a training as the options say.
 * @throws the errors of `train`
 */
export async function runTraining(
  platform: TrainingPlatform,
  ready: ReadyRun,
  options: TrainingOptions,
): Promise<Trained> {
  const { program, batches, steps, scalars, measured, revision, name, experiment, look, indices } = ready;
  const {
    checkpoint: folder,
    checkpointEvery = 5000,
    checkpointName = name,
    resume = false,
    overwrite = false,
  } = options;
  const { signal, onProgress, snapshotAt, onSnapshot, stepsPerCall } = options;
  await using kept =
    folder === undefined
      ? undefined
      : await platform.checkpoints({
          folder,
          name: checkpointName,
          every: checkpointEvery,
          experiment,
          resume,
          overwrite,
          signal,
          state: program.state,
        });
  if (kept?.resume) options.onResume?.(kept.resume.step);
  const records = await recordsOf(platform, options);
  const tell = (snapshot: Snapshot): void => {
    for (const [i, index] of indices.entries()) {
      const place: Place = { index: i, count: indices.length };
      onSnapshot?.(modelSnapshot(snapshot, place), index);
    }
  };
  return await train({
    program,
    batches,
    steps,
    engine: options.engine ?? (await platform.defaultEngine()),
    ...(scalars && { scalars }),
    signal,
    onProgress,
    measured,
    ...(revision && { revision }),
    ...(records && { records }),
    stepsPerCall,
    ...(snapshotAt && { snapshots: { steps: snapshotAt, take: look, onTaken: onSnapshot && tell } }),
    ...(kept && { checkpoint: kept.checkpoint, resume: kept.resume }),
  });
}

/** The report of a run, without its models. */
export function reportOf({ stopped, engine, time, recordsFailed }: Trained): RunReport {
  return { stopped, engine, time, ...(recordsFailed && { recordsFailed }) };
}

/** Whether anybody watches the run. Where nobody does, steps report only their loss, which costs nothing more. */
export function isWatched({ onProgress, onRecord, metricsFile, tensorboard }: TrainingOptions): boolean {
  return [onProgress, onRecord, metricsFile, tensorboard].some(listener => listener !== undefined);
}

/** Where a run's records go; by default nowhere. */
async function recordsOf(platform: TrainingPlatform, options: TrainingOptions): Promise<RecordOptions | undefined> {
  const { recordEvery: every = 100, onRecord, metricsFile, tensorboard } = options;
  if (!(Number.isSafeInteger(every) && every >= 1)) {
    throw new InvalidValueError(`recordEvery is ${every}: it must be a whole number from 1`);
  }
  const files =
    metricsFile === undefined && tensorboard === undefined
      ? []
      : await platform.recordSinks({ metricsFile, tensorboard });
  const told: readonly RecordSink[] = onRecord
    ? [{ begin: async before => before, add: onRecord, end: async () => undefined }]
    : [];
  const sinks = [...files, ...told];
  return sinks.length > 0 ? { every, sinks } : undefined;
}
