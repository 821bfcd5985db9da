/**
 * The training loop: draws batches, runs steps on an engine, watches, saves. The engine decides where a step runs; nothing else changes.
 */
import type { BatchSource } from '../data/batch-source.ts';
import type { Engine, EngineDescription, StepProgram, StepRunner } from '../engines/engine.ts';
import { DivergenceError, InvalidValueError, WorkerDiedError } from '../errors.ts';
import { type HostTensors, sizeOf } from '../tensor.ts';
import { BatchDrawer, type DrawnBatches } from './batch-drawer.ts';
import type { Checkpoint, CheckpointOptions, Snapshot } from './checkpoint.ts';
import { MetricRecorder } from './metric-recorder.ts';
import type { MeasuredLoss } from './metrics/metrics-record.ts';
import { type LiveMetrics, type RecordOptions, RunMonitor } from './metrics/run-monitor.ts';
import { resumedState } from './resumed-state.ts';

/**
 * How far a training is, and how it goes. Means are over the steps since the last call, and over all instances side by
 * side.
 */
export interface Progress extends LiveMetrics {
  /** Completed steps. */
  readonly step: number;
  /** Steps in all. */
  readonly steps: number;
  /** The loss of the last step's batch; the sum over all instances side by side. */
  readonly loss: number;
  /**
   * The engine's metrics of the steps since the last report (see `TrainingStep`); one value for each step, and for each
   * instance side by side.
   */
  readonly metrics: Readonly<Record<string, Float32Array>>;
}

/** How a run is made, whatever is trained. */
export interface RunOptions {
  readonly engine: Engine;
  /**
   * The most steps that the engine runs in one call. Default: 200, or fewer where their batches would take more than 8
   * MiB.
   */
  readonly stepsPerCall?: number | undefined;
  /**
   * Where and how often checkpoints are saved. One is also saved when the run is stopped, and when the loss is no
   * longer finite.
   */
  readonly checkpoint?: CheckpointOptions | undefined;
  /** A checkpoint, already loaded, to go on from. */
  readonly resume?: Checkpoint | undefined;
  /** Aborting ends the run after the engine's current call, with a checkpoint where checkpoints are kept. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** The value of a number in the step that follows so many completed ones: one for all instances, or one for each. */
export type StepNumber = (completedSteps: number) => number | readonly number[];

/** What is trained, on which batches, for how long. */
export interface TrainOptions extends RunOptions {
  readonly program: StepProgram;
  readonly batches: BatchSource;
  readonly steps: number;
  /** The value of each of the program's `scalars` at each step. */
  readonly scalars?: Readonly<Record<string, StepNumber>>;
  /** What is known of the loss besides its terms. */
  readonly measured?: MeasuredLoss | undefined;
  /** A change of the state between steps. */
  readonly revision?: StateRevision | undefined;
  /** At which steps records are made, and where they go. */
  readonly records?: RecordOptions | undefined;
  /** What to keep, and at which steps: before the step of that number; the last one is `steps`. */
  readonly snapshots?: {
    readonly steps: readonly number[];
    readonly take: (state: HostTensors) => HostTensors;
    /** Called with each snapshot as it is taken. */
    readonly onTaken?: ((snapshot: Snapshot) => void) | undefined;
  };
}

/** A change of the state between two steps, such as dead latents that begin anew. */
export interface StateRevision {
  /**
   * The change comes after every so many completed steps, before the next step. So a run that goes on from there makes
   * it too, and a run that ends there does not.
   */
  readonly every: number;
  /** The state to go on from; `undefined` where it stays. It must depend on `state` and `step` alone. */
  apply(state: HostTensors, step: number, engine: Engine): Promise<HostTensors | undefined>;
}

/** The result of a training. */
export interface Trained {
  /** Parameters, buffers and the optimizer's state (see modelState). */
  readonly state: HostTensors;
  /** How many steps are complete; fewer than asked for where the run was stopped. */
  readonly step: number;
  readonly stopped: boolean;
  /** Every metric of every step, [step, ...]; `loss` among them. */
  readonly metrics: Readonly<Record<string, Float32Array>>;
  readonly snapshots: readonly Snapshot[];
  readonly engine: EngineDescription;
  /** Milliseconds: for drawing batches, for waiting for the engine besides that, and in all. */
  readonly time: { readonly data: number; readonly step: number; readonly total: number };
  /** The error that kept records from being written, a FileWriteError; the training itself went on. */
  readonly recordsFailed?: Error;
}

/**
 * Trains for `steps` steps. The same seed on the same engine gives the same bits, resumed or not.
 * @throws InvalidValueError where `steps` is no count, or the checkpoint to resume from holds more steps.
 * @throws DivergenceError where a loss or a parameter is not finite; the last good state is saved first where checkpoints are kept.
 * @throws FileFormatError where the checkpoint to resume from is not of this step.
 * @throws FileWriteError where records cannot be written from the start.
 */
export async function train(options: TrainOptions): Promise<Trained> {
  const { program, engine, batches, steps, snapshots, checkpoint, resume, signal, revision } = options;
  if (!Number.isSafeInteger(steps) || steps < 0) throw new InvalidValueError(`steps must be a count, got ${steps}`);
  if (resume && resume.step > steps) {
    throw new InvalidValueError(`the checkpoint holds ${resume.step} steps, more than the ${steps} that are asked for`);
  }
  const stepsPerCall = options.stepsPerCall ?? stepsThatFit(program);
  const started = performance.now();
  const time = { step: 0 };
  const start = resume ? resumedState(resume, program.state) : program.state;
  if (resume) await batches.restore(resume.batches);

  const recorder = new MetricRecorder(steps, program.metrics, program.instances?.count ?? 1, resume?.metrics);
  const taken: Snapshot[] = [...(resume?.snapshots ?? [])];
  const monitor = new RunMonitor({
    recorder,
    steps,
    from: resume?.step ?? 0,
    models: program.instances?.count ?? 1,
    batchSize: samplesOf(program),
    measured: options.measured,
    scalars: options.scalars,
    records: options.records,
  });
  await monitor.begin();
  const prepared = async (state: HostTensors): Promise<StepRunner> =>
    engine.prepare({ ...program, state }, { maxSteps: stepsPerCall, batches: batches.recipe?.() });
  let runner = await prepared(start);
  let step = resume?.step ?? 0;
  /** The step of the checkpoint that is there, if this run wrote one or began from one. */
  let saved = resume?.step;
  // The source is ahead of the last completed step; a checkpoint needs the source's position at that step.
  let position = batches.state();

  const save = async (): Promise<void> => {
    if (!checkpoint || saved === step || (step === 0 && saved === undefined)) return;
    const state = await runner.read();
    requireFinite(state, step);
    const { experiment } = checkpoint;
    const metrics = recorder.upTo(step);
    await checkpoint.save({ experiment, step, state, metrics, snapshots: taken, batches: position });
    saved = step;
  };
  const look = async (): Promise<void> => {
    if (!snapshots?.steps.includes(step) || taken.some(snapshot => snapshot.step === step)) return;
    const snapshot = { step, value: snapshots.take(await runner.read()) };
    taken.push(snapshot);
    snapshots.onTaken?.(snapshot);
  };

  const revises = (at: number): boolean => revision !== undefined && at > 0 && at < steps && at % revision.every === 0;
  const revise = async (): Promise<void> => {
    if (!revises(step)) return;
    const state = await revision!.apply(await runner.read(), step, engine);
    if (!state) return;
    // Where the engine draws batches itself, the source in this thread has not moved.
    await batches.restore(position);
    await runner.dispose();
    drawnBefore += inputs.time;
    runner = await prepared(state);
    inputs = new BatchDrawer(program, batches, stepsPerCall, runner);
  };

  const stops = [...(snapshots?.steps ?? []), steps].sort((a, b) => a - b);
  // A first call of few steps measures how long one takes.
  let pace = options.stepsPerCall ?? Math.min(FIRST_CALL, stepsPerCall);
  const callFrom = (first: number, lastSave: number): number => {
    const nextStop = stops.find(stop => stop > first) ?? steps;
    const nextSave = checkpoint ? lastSave + checkpoint.every : steps;
    const untilRevision = revision ? revision.every - (first % revision.every) : steps;
    return Math.min(pace, nextStop - first, untilRevision, Math.max(1, nextSave - first));
  };
  const isWatched = options.onProgress !== undefined || options.records !== undefined;
  let inputs = new BatchDrawer(program, batches, stepsPerCall, runner);
  /** Milliseconds of drawing before the latest revision. */
  let drawnBefore = 0;
  try {
    await look();
    await revise();
    let ahead = step < steps ? inputs.draw(callFrom(step, step)) : undefined;
    while (ahead && !signal?.aborted) {
      const { count, filled, position: after } = await ahead;
      const clock = performance.now();
      const drawing = inputs.time;
      const running = runner.run(count, { ...filled, ...numbersFrom(options.scalars ?? {}, step, count) });
      // An engine that works in its own threads leaves this one free to draw the next batches.
      const done = step + count;
      const lastSave = checkpoint && done - (saved ?? 0) >= checkpoint.every ? done : (saved ?? 0);
      const draw = (): Promise<DrawnBatches> => inputs.draw(callFrom(done, lastSave));
      ahead = done < steps && !revises(done) ? draw() : undefined;
      ahead?.catch(() => undefined);
      const metrics = await running.catch(async (error: unknown) => {
        if (!(error instanceof DivergenceError)) throw error;
        if (error.step > 0) {
          // State, step, metrics and position must belong to one step, although only some of the call's steps are
          // complete.
          await ahead?.catch(() => undefined);
          recorder.add(step, error.metrics, error.step);
          position = await inputs.positionAfter(position, error.step);
        }
        const at = step + error.at;
        step += error.step;
        throw new DivergenceError(error.message, step, at);
      });
      const took = performance.now() - clock;
      time.step += Math.max(0, took - (inputs.time - drawing));
      pace = Math.max(1, Math.min(stepsPerCall, Math.round((LONGEST_CALL * count) / took)));
      recorder.add(step, metrics, count);
      step = done;
      position = after();
      if (isWatched) {
        const live = monitor.advance(step - count, step);
        options.onProgress?.({ step, steps, loss: metrics['loss']!.at(-1)!, metrics, ...live });
      }
      await look();
      if (checkpoint && step - (saved ?? 0) >= checkpoint.every) await save();
      if (revises(step) && !signal?.aborted) {
        await revise();
        ahead = draw();
      }
      // Some engines block the event loop while they run: signals and timers are served between calls.
      await new Promise<void>(resolve => yieldToEvents(() => resolve()));
    }
    if (ahead) await ahead.catch(() => undefined);
    if (ahead || runner.drawn) await batches.restore(position);
    await save();
    const recordsFailed = await monitor.end().catch((error: Error) => error);
    const state = await runner.read();
    requireFinite(state, step);
    return {
      state,
      step,
      stopped: step < steps,
      metrics: recorder.upTo(step),
      snapshots: taken,
      engine: runner.description,
      time: { ...time, data: drawnBefore + inputs.time, total: performance.now() - started },
      ...(recordsFailed && { recordsFailed }),
    };
  } catch (error) {
    if (!(error instanceof DivergenceError)) {
      await save().catch(() => undefined);
      if (error instanceof WorkerDiedError) error.message += whatIsKept(checkpoint, saved);
      throw error;
    }
    // A state that is not finite cannot be saved; the checkpoint before it stays.
    await save().catch(() => undefined);
    const { message, at } = error;
    throw new DivergenceError(`training stopped at step ${at}: ${message}${whatIsKept(checkpoint, saved)}`, step, at);
  } finally {
    await monitor.end().catch(() => undefined);
    await runner.dispose();
  }
}

/** Milliseconds that one call of the engine should take, so that progress is shown and signals are heard. */
const LONGEST_CALL = 40;
const MOST_STEPS = 200;
const FIRST_CALL = 4;
/**
 * Bytes of the batches of one call. They move between threads, and V8, which counts them in each thread that gets them, collects all garbage whenever they
 * have grown by 64 MiB: at 64 MiB for a call it did so at every call, in both threads, which was nine tenths of the time of sixteen small autoencoders.
 */
const BATCH_BYTES = 8 * 2 ** 20;

function stepsThatFit({ batch }: StepProgram): number {
  const bytes = Object.values(batch).reduce((sum, shape) => sum + 4 * sizeOf(shape), 0);
  return Math.max(1, Math.min(MOST_STEPS, Math.floor(BATCH_BYTES / bytes)));
}

/** Samples of one step of one instance. */
function samplesOf({ batch, scalars = [], instances }: StepProgram): number {
  const shape = Object.entries(batch).find(([name]) => !scalars.includes(name))?.[1] ?? [1];
  return shape[instances?.batchAxis === 0 ? 1 : 0]!;
}

/** The value of each number at `count` steps from step `first` on, [count] or [count, n_instances]. */
function numbersFrom(
  numbers: Readonly<Record<string, StepNumber>>,
  first: number,
  count: number,
): Record<string, Float32Array> {
  const steps = Array.from({ length: count }, (_, i) => first + i);
  return Object.fromEntries(
    Object.entries(numbers).map(([name, at]) => [name, Float32Array.from(steps.flatMap(completed => at(completed)))]),
  );
}

/** Says where the last good state is, for the message of a training that stopped. */
function whatIsKept(checkpoint: CheckpointOptions | undefined, saved: number | undefined): string {
  if (!checkpoint) return '';
  if (saved === undefined) return '; no checkpoint was written before it';
  return `; the last good state, after ${saved} ${saved === 1 ? 'step' : 'steps'}, is in ${checkpoint.where}`;
}

/** Checks the state, because a loss can be finite in the step after which the parameters no longer are. */
function requireFinite(state: HostTensors, step: number): void {
  for (const [name, { data }] of Object.entries(state)) {
    // x · 0 is 0 for every finite x. Summing these is several times as fast as testing each number.
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += data[i]! * 0;
    if (sum !== 0) throw new DivergenceError(`${name} holds numbers that are not finite`, step);
  }
}

/** Node's setImmediate costs nothing; browsers have only timers. */
const yieldToEvents: (callback: () => void) => void = globalThis.setImmediate ?? globalThis.setTimeout;
