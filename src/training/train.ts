/**
 * The training loop: draws batches, runs steps on an engine, watches, saves. The engine decides where a step runs; nothing else changes.
 */
import type { BatchSource } from '../data/batch-source.ts';
import type { Engine, EngineDescription, StepProgram, StepRunner } from '../engines/engine.ts';
import { DivergenceError, InvalidValueError } from '../errors.ts';
import { type HostTensor, type HostTensors, sizeOf } from '../tensor.ts';
import type { Checkpoint, CheckpointOptions, Snapshot } from './checkpoint.ts';
import { resumedState } from './resumed-state.ts';

export interface Progress {
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
}

/** What a run is given beside its settings. */
export interface RunOptions {
  readonly engine: Engine;
  /** The most steps that the engine runs in one call. Default 200, or as many as 64 MiB of batches hold. */
  readonly stepsPerCall?: number | undefined;
  /** Where and how often to save; also when stopped, and when the loss is no longer finite. */
  readonly checkpoint?: CheckpointOptions | undefined;
  /** A loaded checkpoint to go on from. */
  readonly resume?: Checkpoint | undefined;
  /** Aborting ends the run after the call in flight, with a checkpoint where one is kept. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface TrainOptions extends RunOptions {
  readonly program: StepProgram;
  readonly batches: BatchSource;
  readonly steps: number;
  /** What to keep at which steps (before the step of that number; the last is `steps`). */
  readonly snapshots?: {
    readonly steps: readonly number[];
    readonly take: (state: HostTensors) => HostTensor;
  };
}

export interface Trained {
  /** Parameters, buffers and optimizer (see modelState). */
  readonly state: HostTensors;
  /** Completed steps; fewer than asked for where the run was stopped. */
  readonly step: number;
  readonly stopped: boolean;
  /** Every metric of every step, [step, ...]; `loss` among them. */
  readonly metrics: Readonly<Record<string, Float32Array>>;
  readonly snapshots: readonly Snapshot[];
  readonly engine: EngineDescription;
  /** Milliseconds spent drawing batches, waiting for the engine beside that, and in all. */
  readonly time: { readonly data: number; readonly step: number; readonly total: number };
}

/**
 * Trains for `steps` steps. The same seed on the same engine gives the same bits, resumed or not.
 * DivergenceError where a loss or a parameter is not finite; the last good state is saved first where checkpoints are kept.
 * FileFormatError where the checkpoint to resume from is not of this step.
 */
export async function train(options: TrainOptions): Promise<Trained> {
  const { program, engine, batches, steps, snapshots, checkpoint, resume, signal } = options;
  if (!Number.isSafeInteger(steps) || steps < 0) throw new InvalidValueError(`steps must be a count, got ${steps}`);
  const stepsPerCall = options.stepsPerCall ?? stepsThatFit(program);
  const started = performance.now();
  const time = { step: 0 };
  const start = resume ? resumedState(resume, program.state) : program.state;
  if (resume) await batches.restore(resume.batches);

  const recorder = new MetricRecorder(steps, resume?.metrics);
  const taken: Snapshot[] = [...(resume?.snapshots ?? [])];
  const recipe = batches.recipe?.();
  const runner = await engine.prepare({ ...program, state: start }, { maxSteps: stepsPerCall, batches: recipe });
  let step = resume?.step ?? 0;
  let saved = step;
  // The source is ahead of the last completed step; a checkpoint needs where it stood then.
  let position = batches.state();

  const save = async (): Promise<void> => {
    if (!checkpoint || saved === step) return;
    const state = await runner.read();
    requireFinite(state, step);
    const { experiment } = checkpoint;
    const metrics = recorder.upTo(step);
    await checkpoint.save({ experiment, step, state, metrics, snapshots: taken, batches: position });
    saved = step;
  };
  const look = async (): Promise<void> => {
    if (!snapshots?.steps.includes(step) || taken.some(snapshot => snapshot.step === step)) return;
    taken.push({ step, value: snapshots.take(await runner.read()) });
  };

  const stops = [...(snapshots?.steps ?? []), steps].sort((a, b) => a - b);
  // A first call of few steps tells how long one takes.
  let pace = options.stepsPerCall ?? Math.min(FIRST_CALL, stepsPerCall);
  const callFrom = (first: number, lastSave: number): number => {
    const nextStop = stops.find(stop => stop > first) ?? steps;
    const nextSave = checkpoint ? lastSave + checkpoint.every : steps;
    return Math.min(pace, nextStop - first, Math.max(1, nextSave - first));
  };
  const inputs = new BatchDrawer(program, batches, stepsPerCall, runner);
  try {
    await look();
    let ahead = step < steps ? inputs.draw(callFrom(step, saved)) : undefined;
    while (ahead && !signal?.aborted) {
      const { count, filled, position: after } = await ahead;
      const clock = performance.now();
      const drawing = inputs.time;
      const running = runner.run(count, filled);
      // Engines that work in threads of their own leave this one free for the next batches.
      const done = step + count;
      const lastSave = checkpoint && done - saved >= checkpoint.every ? done : saved;
      ahead = done < steps ? inputs.draw(callFrom(done, lastSave)) : undefined;
      ahead?.catch(() => undefined);
      const metrics = await running.catch((error: unknown) => {
        throw error instanceof DivergenceError
          ? new DivergenceError(error.message, step + error.step, step + error.at)
          : error;
      });
      const took = performance.now() - clock;
      time.step += Math.max(0, took - (inputs.time - drawing));
      pace = Math.max(1, Math.min(stepsPerCall, Math.round((LONGEST_CALL * count) / took)));
      recorder.add(step, metrics);
      step = done;
      position = after();
      options.onProgress?.({ step, steps, loss: metrics['loss']!.at(-1)! });
      await look();
      if (checkpoint && step - saved >= checkpoint.every) await save();
      // Some engines hold the event loop while they run: let signals and timers in between calls.
      await new Promise<void>(resolve => yieldToEvents(() => resolve()));
    }
    if (ahead) await ahead.catch(() => undefined);
    if (ahead || runner.drawn) await batches.restore(position);
    await save();
    const state = await runner.read();
    requireFinite(state, step);
    return {
      state,
      step,
      stopped: step < steps,
      metrics: recorder.upTo(step),
      snapshots: taken,
      engine: runner.description,
      time: { ...time, data: inputs.time, total: performance.now() - started },
    };
  } catch (error) {
    throw await explainFailure(error, save, checkpoint?.where);
  } finally {
    await runner.dispose();
  }
}

/** Milliseconds that one call of the engine should take, so that progress and signals come through. */
const LONGEST_CALL = 40;
const MOST_STEPS = 200;
const FIRST_CALL = 4;
const BATCH_BYTES = 64 * 2 ** 20;

function stepsThatFit({ batch }: StepProgram): number {
  const bytes = Object.values(batch).reduce((sum, shape) => sum + 4 * sizeOf(shape), 0);
  return Math.max(1, Math.min(MOST_STEPS, Math.floor(BATCH_BYTES / bytes)));
}

/** Draws the batches of one call while those of the call before are in use; nothing where the engine draws them itself. */
class BatchDrawer {
  readonly #batches: BatchSource;
  readonly #runner: StepRunner;
  readonly #inputs: readonly { readonly name: string; readonly size: number; array(): Float32Array }[];
  #time = 0;

  constructor({ batch }: StepProgram, batches: BatchSource, stepsPerCall: number, runner: StepRunner) {
    this.#batches = batches;
    this.#runner = runner;
    this.#inputs = Object.entries(runner.drawn ? {} : batch).map(([name, shape]) => {
      const size = sizeOf(shape);
      const length = stepsPerCall * size;
      if (runner.take) return { name, size, array: () => runner.take!(length) };
      const [one, other] = [new Float32Array(length), new Float32Array(length)];
      let isFirst = false;
      const array = (): Float32Array => {
        isFirst = !isFirst;
        return isFirst ? one : other;
      };
      return { name, size, array };
    });
  }

  /** Milliseconds spent drawing, here or there. */
  get time(): number {
    return this.#runner.drawn?.milliseconds ?? this.#time;
  }

  /** The batches of the next `count` steps, and where the source stands once they have run. */
  async draw(count: number) {
    const { drawn } = this.#runner;
    if (drawn) return { count, filled: {}, position: () => drawn.position };
    const started = performance.now();
    const filled = Object.fromEntries(
      this.#inputs.map(({ name, size, array }) => [name, array().subarray(0, count * size)]),
    );
    await this.#batches.fill(filled, count);
    this.#time += performance.now() - started;
    const position = this.#batches.state();
    return { count, filled, position: () => position };
  }
}

/** Saves what is still good, and says where. */
async function explainFailure(error: unknown, save: () => Promise<void>, where: string | undefined): Promise<unknown> {
  const kept = await save().then(
    () => where,
    () => undefined,
  );
  if (!(error instanceof DivergenceError)) return error;
  const rest = kept === undefined ? '' : `; the last good state is in ${kept}`;
  return new DivergenceError(`training stopped at step ${error.at}: ${error.message}${rest}`, error.step, error.at);
}

/** A loss can be finite in the step before the parameters that it made are not. */
function requireFinite(state: HostTensors, step: number): void {
  for (const [name, { data }] of Object.entries(state)) {
    if (!data.every(Number.isFinite)) throw new DivergenceError(`${name} holds numbers that are not finite`, step);
  }
}

/** Node's setImmediate costs nothing; browsers have only timers. */
const yieldToEvents: (callback: () => void) => void = globalThis.setImmediate ?? globalThis.setTimeout;

/** Metrics of all steps, each in one array. */
class MetricRecorder {
  readonly #steps: number;
  readonly #metrics = new Map<string, { data: Float32Array; width: number }>();

  constructor(steps: number, before: Readonly<Record<string, Float32Array>> = {}) {
    this.#steps = steps;
    const done = before['loss']?.length ?? 0;
    for (const [name, values] of Object.entries(before))
      if (done > 0) this.#at(name, values.length / done).data.set(values);
  }

  add(step: number, metrics: Readonly<Record<string, Float32Array>>): void {
    const count = metrics['loss']!.length;
    for (const [name, values] of Object.entries(metrics)) {
      const { data, width } = this.#at(name, values.length / count);
      data.set(values, step * width);
    }
  }

  upTo(step: number): Record<string, Float32Array> {
    return Object.fromEntries(
      Array.from(this.#metrics, ([name, { data, width }]) => [name, data.slice(0, step * width)]),
    );
  }

  #at(name: string, width: number): { data: Float32Array; width: number } {
    let entry = this.#metrics.get(name);
    if (!entry) {
      entry = { data: new Float32Array(this.#steps * width), width };
      this.#metrics.set(name, entry);
    }
    return entry;
  }
}
