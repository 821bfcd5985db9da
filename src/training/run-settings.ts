/** How a training is run, whatever it trains: the same for autoencoders and toy models, one or many. */
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
  /** Where steps run. Default the one that suits the machine. */
  readonly engine?: Engine | undefined;
  /** Aborting ends the run after the call in flight, with a checkpoint where one is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every call of the engine, some 40 ms of work. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** A folder to keep checkpoints in; it is made where it is missing. Default none. */
  readonly checkpoint?: string | undefined;
  /** Steps between checkpoints. Default 5,000. */
  readonly checkpointEvery?: number | undefined;
  /** The name of this training's checkpoints in the folder, for folders that hold several. Default what is trained. */
  readonly checkpointName?: string | undefined;
  /** Go on from the checkpoint in the folder; where there is none the run begins. More steps than it was to take continue it. Default false. */
  readonly resume?: boolean | undefined;
  /** Begin anew where the folder holds a checkpoint of this name, which is then replaced. Default false: that is refused, unless it is resumed. */
  readonly overwrite?: boolean | undefined;
  /** Called while what precedes the first step is computed (`geometric median`, `directions`): the share that is done, from 0 to 1. */
  readonly onStart?: ((what: StartPart, share: number) => void) | undefined;
  /** Told where a run goes on: after how many steps. */
  readonly onResume?: ((step: number) => void) | undefined;
  /** Told after each resampling of dead latents, where the settings ask for it: the completed steps and how many began anew, side by side in all. */
  readonly onResample?: ((step: number, latents: number) => void) | undefined;
  /** Steps from one record of the run's metrics to the next; the last step has one too. Default 100. */
  readonly recordEvery?: number | undefined;
  /** Called with each record. Where a run is resumed, not with those before. */
  readonly onRecord?: ((record: MetricsRecord) => void) | undefined;
  /** A file for the records, one JSON object a line; its folder has to exist. A resumed run's file has each record once. Node only. Default none. */
  readonly metricsFile?: string | undefined;
  /** A folder for the records as TensorBoard's event files; it is made where it is missing. Node only. Default none. */
  readonly tensorboard?: string | undefined;
  /** Steps at which the history keeps directions and biases (see snapshotSteps). Default none. */
  readonly snapshotAt?: readonly number[] | undefined;
  /** Called with each of these as it is taken; `index` counts the models in the order of `vary` or the restarts. */
  readonly onSnapshot?: ((snapshot: ModelSnapshot, index: number) => void) | undefined;
  /** The most steps that the engine runs in one call. Default 200, or as many as 64 MiB of batches hold. */
  readonly stepsPerCall?: number | undefined;
}

/** What is computed of a sample before the first step. */
export type StartPart = 'geometric median' | 'directions';

/** What a training cost and where it ran. */
export interface RunReport {
  /** True where it was aborted before its last step. */
  readonly stopped: boolean;
  readonly engine: EngineDescription;
  /** Milliseconds spent drawing batches, waiting for the engine beside that, and in all. */
  readonly time: Trained['time'];
  /** What kept records from being written, a FileWriteError; the training itself went on. */
  readonly recordsFailed?: Error;
}

/** A training that is ready to run. */
export interface ReadyRun extends Pick<TrainOptions, 'batches' | 'steps' | 'scalars' | 'measured' | 'revision'> {
  readonly program: StepProgram;
  /** Default name of its checkpoints. */
  readonly name: string;
  /** What is trained and how, as JSON: a run is resumed only by the same. */
  readonly experiment: Readonly<Record<string, unknown>>;
  /** What a snapshot keeps. */
  readonly look: (state: HostTensors) => { readonly directions: HostTensor; readonly bias: HostTensor };
  /** Where each of its models stands in the order that the caller knows. */
  readonly indices: readonly number[];
}

/** Runs it as the options say. Errors as `train`. */
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

/** What a run reports beside its models. */
export function reportOf({ stopped, engine, time, recordsFailed }: Trained): RunReport {
  return { stopped, engine, time, ...(recordsFailed && { recordsFailed }) };
}

/** Whether anybody is told how a run goes: what each step then reports beside its loss costs nothing where nobody is. */
export function isWatched({ onProgress, onRecord, metricsFile, tensorboard }: TrainingOptions): boolean {
  return [onProgress, onRecord, metricsFile, tensorboard].some(listener => listener !== undefined);
}

/** Where a run's records go; nowhere by default. */
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
