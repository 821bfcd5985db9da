/** What the training worker does: the toy models' and autoencoders' own training programs, on the onnxruntime engine in WASM. */
import { transfer } from 'comlink';
import { type BatchSource, generatedBatches } from '../../../src/data/batch-source.ts';
import { hiddenActivations } from '../../../src/data/hidden-activations.ts';
import { importanceDecayByRatio } from '../../../src/data/schedules.ts';
import { randomStream } from '../../../src/data/streams.ts';
import { SyntheticSparseDataGenerator } from '../../../src/data/synthetic-sparse.ts';
import type { Engine } from '../../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../../src/engines/onnxruntime.ts';
import { freezeSae, freezeToyModel } from '../../../src/export/freeze.ts';
import { frozenSaeToOnnx } from '../../../src/export/frozen-sae-onnx.ts';
import { loadSaeFromFiles } from '../../../src/export/load-sae-checkpoint.ts';
import type { ActivationConfig } from '../../../src/models/activations/registry.ts';
import { unitRows } from '../../../src/models/sparse-autoencoder.ts';
import { loadWebRuntime } from '../../../src/sessions/browser.ts';
import { fromNested, type HostTensor, type HostTensors } from '../../../src/tensor.ts';
import { snapshotSteps } from '../../../src/training/snapshot-steps.ts';
import { type Trained, train } from '../../../src/training/train.ts';
import { initialSae, saeProgram } from '../../../src/training/train-sae.ts';
import { modelsOf, toyModelProgram } from '../../../src/training/train-toy-models.ts';
import { modelState } from '../../../src/training/training-step.ts';
import type { History } from '../data/model.ts';
import { unpacked } from '../data/shipped.ts';
import type { SaeSettings, ToySettings, TrainedModel, TrainingApi, TrainingProgress } from './training-api.ts';

const TOY_BATCH = 1024;
const SAE_BATCH = 2048;
/** Activations that initialisations and the geometric median see. */
const SAMPLE = 10_000;
/** Updates while it trains, beside the snapshots that the history keeps. */
const UPDATES = 120;
const STEPS_PER_CALL = 50;

type Rows = number[][];

function rowsOf({ data, shape }: HostTensor, first = 0, count = shape[0]!): Rows {
  const width = shape.at(-1)!;
  return Array.from({ length: count }, (_, i) =>
    Array.from(data.subarray((first + i) * width, (first + i + 1) * width)),
  );
}

/** Where a run may be held and stopped from outside. */
class Control {
  readonly #abort = new AbortController();
  #gate: Promise<void> | undefined;
  #open: (() => void) | undefined;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }
  pause(): void {
    this.#gate ??= new Promise(open => {
      this.#open = open;
    });
  }
  resume(): void {
    this.#open?.();
    this.#gate = undefined;
  }
  stop(): void {
    this.#abort.abort();
    this.resume();
  }
  /** The same batches, which wait while the run is paused. */
  holding(source: BatchSource): BatchSource {
    return {
      fill: async (inputs, steps) => {
        await this.#gate;
        await source.fill(inputs, steps);
      },
      state: () => source.state(),
      restore: state => source.restore(state),
    };
  }
}

/** The same engine; `see` is shown the metrics of every call. */
function watched(engine: Engine, see: (metrics: Readonly<Record<string, Float32Array>>) => void): Engine {
  return {
    name: engine.name,
    async prepare(program, options) {
      const runner = await engine.prepare(program, options);
      return {
        description: runner.description,
        read: () => runner.read(),
        dispose: () => runner.dispose(),
        async run(steps, batches) {
          const metrics = await runner.run(steps, batches);
          see(metrics);
          return metrics;
        },
      };
    },
  };
}

interface Run {
  readonly program: Parameters<typeof train>[0]['program'];
  readonly batches: BatchSource;
  readonly steps: number;
  /** Loss of each instance in a call's metrics. */
  readonly instances: number;
  /** Directions of one instance, out of the state. */
  readonly directions: (state: HostTensors, instance: number) => Rows;
  /** b_dec, out of the state of an autoencoder. */
  readonly bias?: (state: HostTensors) => number[];
}

interface Finished {
  readonly run: Trained;
  readonly losses: readonly number[];
  readonly best: number;
  readonly history: History;
}

function meanLosses(losses: Float32Array, steps: number, instances: number): number[] {
  const window = Math.max(1, Math.floor(steps / 20));
  return Array.from({ length: instances }, (_, instance) => {
    let sum = 0;
    for (let step = steps - window; step < steps; step++) sum += losses[step * instances + instance]! / window;
    return sum;
  });
}

const lowest = (losses: readonly number[]): number => losses.indexOf(Math.min(...losses));

/** Trains, and tells of it about `UPDATES` times. */
async function follow(
  { program, batches, steps, instances, directions, bias }: Run,
  engine: Engine,
  control: Control,
  progress: (progress: TrainingProgress) => void,
): Promise<Finished> {
  const kept = new Set(snapshotSteps(steps));
  const looks = new Set([...kept, ...Array.from({ length: UPDATES }, (_, i) => Math.round((i * steps) / UPDATES))]);
  const frames: { step: number; all: Rows[]; bias: number[] | undefined; losses: readonly number[] }[] = [];
  let last: readonly number[] = [];
  let done = 0;
  const started = performance.now();

  const historyOf = (instance: number): History => {
    const shown = frames.filter((frame, i) => kept.has(frame.step) || i === frames.length - 1);
    return {
      steps: shown.map(frame => frame.step),
      loss: shown.map(frame => frame.losses[instance] ?? Number.NaN),
      directions: shown.map(frame => frame.all[instance]!),
      ...(bias && { b_dec: shown.map(frame => frame.bias!) }),
    };
  };
  const seeing = watched(engine, metrics => {
    const values = metrics['losses'] ?? metrics['loss']!;
    // A loss is of the state before its step: the first one belongs to step 0.
    if (frames.length === 1 && last.length === 0) {
      frames[0] = { ...frames[0]!, losses: Array.from(values.subarray(0, instances)) };
    }
    last = Array.from(values.subarray(values.length - instances));
    done += metrics['loss']!.length;
  });

  const result = await train({
    program,
    batches: control.holding(batches),
    steps,
    engine: seeing,
    stepsPerCall: STEPS_PER_CALL,
    signal: control.signal,
    snapshots: {
      steps: [...looks].sort((a, b) => a - b),
      take: state => {
        frames.push({
          step: done,
          all: Array.from({ length: instances }, (_, i) => directions(state, i)),
          bias: bias?.(state),
          losses: last,
        });
        if (last.length > 0) {
          progress({
            step: done,
            steps,
            history: historyOf(lowest(last)),
            stepsPerSecond: (1000 * done) / (performance.now() - started),
            engine: 'ONNX Runtime, WASM',
          });
        }
        // The frames are kept here; the loop's own copy is not needed.
        return { data: new Float32Array(0), shape: [0] };
      },
    },
  });
  if (result.step === 0) throw new Error('training was stopped before its first step');
  const losses = meanLosses(result.metrics['losses'] ?? result.metrics['loss']!, result.step, instances);
  const best = lowest(losses);
  if (frames.at(-1)!.step !== result.step) {
    frames.push({
      step: result.step,
      all: Array.from({ length: instances }, (_, i) => directions(result.state, i)),
      bias: bias?.(result.state),
      losses: last,
    });
  }
  return { run: result, losses, best, history: historyOf(best) };
}

/** What a file says of its training, as the scripts say it. */
const trainingRecord = (settings: ToySettings | SaeSettings, { run }: Finished, batch: number, optimizer: string) => ({
  seed: settings.seed,
  data: { kind: 'sparse', sparsity: settings.sparsity },
  steps: run.step,
  batch,
  optimizer,
  engine: `${run.engine.engine} (${run.engine.provider})`,
  metrics: { loss: run.metrics['loss']!.at(-1)! },
});

async function trainToy(
  settings: ToySettings,
  engine: Engine,
  control: Control,
  progress: (progress: TrainingProgress) => void,
): Promise<TrainedModel> {
  const { nFeatures, nHidden, sparsity, restarts, steps, seed } = settings;
  const importance = importanceDecayByRatio(nFeatures, settings.importance);
  const made = toyModelProgram({
    nFeatures,
    nHidden,
    nInstances: restarts,
    sparsity,
    importance,
    batchSize: TOY_BATCH,
    steps,
    seed,
  });
  const finished = await follow(
    {
      program: made.program,
      batches: made.batches,
      steps,
      instances: restarts,
      directions: (state, i) => rowsOf(modelState(state).parameters['weight']!, i * nFeatures, nFeatures),
    },
    engine,
    control,
    progress,
  );
  made.model.state = modelState(finished.run.state);
  const model = modelsOf(made.model)[finished.best]!;
  const onnx = freezeToyModel(model, trainingRecord(settings, finished, TOY_BATCH, 'adamw'));
  return { onnx: onnx.slice(), history: finished.history, losses: finished.losses };
}

async function trainSae(
  settings: SaeSettings,
  engine: Engine,
  control: Control,
  progress: (progress: TrainingProgress) => void,
): Promise<TrainedModel> {
  const { dSae, k, l1, steps, seed, sparsity, initialisation, trainedOn } = settings;
  const weight = fromNested(settings.weight);
  const [nFeatures, nHidden] = weight.shape as [number, number];
  const columns = new Array<number>(nFeatures).fill(sparsity);
  const drawn = { data: new Float32Array(SAMPLE * nHidden), shape: [SAMPLE, nHidden] };
  hiddenActivations(weight, new SyntheticSparseDataGenerator(SAMPLE, columns, randomStream(seed, 2))).fill(drawn.data);
  const activation: ActivationConfig =
    settings.activation === 'relu' ? { kind: 'relu', l1 } : { kind: settings.activation, k };
  const training = {
    dIn: nHidden,
    dSae,
    activation,
    init: initialisation,
    batchSize: SAE_BATCH,
    steps,
    seed,
  };
  const sae = initialSae(training, drawn);
  const finished = await follow(
    {
      program: saeProgram(training, [sae]),
      batches: generatedBatches('activations', randomStream(seed, 1), random =>
        hiddenActivations(weight, new SyntheticSparseDataGenerator(SAE_BATCH, columns, random)),
      ),
      steps,
      instances: 1,
      directions: state => rowsOf(unitRows(modelState(state).parameters['V']!.data, dSae, nHidden)),
      bias: state => Array.from(modelState(state).parameters['b_dec']!.data),
    },
    engine,
    control,
    progress,
  );
  sae.state = modelState(finished.run.state);
  const onnx = freezeSae(sae, {
    training: trainingRecord(settings, finished, SAE_BATCH, 'adam'),
    init: initialisation,
    trainedOn,
  });
  return { onnx: onnx.slice(), history: finished.history, losses: finished.losses };
}

/** What the worker offers; `giveWasm` hands ONNX Runtime its wasm. */
export function createTraining(giveWasm: (wasm: ArrayBuffer) => void): TrainingApi {
  let control = new Control();
  return {
    start: async wasm => giveWasm(typeof wasm === 'string' ? await unpacked(wasm) : wasm),
    async train(settings, progress) {
      control = new Control();
      const engine = createOnnxRuntimeEngine(await loadWebRuntime({ threads: 1 }), { reason: 'the viewer' });
      const trained =
        settings.kind === 'toy-model'
          ? await trainToy(settings, engine, control, progress)
          : await trainSae(settings, engine, control, progress);
      return transfer(trained, [trained.onnx.buffer]);
    },
    pause: () => control.pause(),
    resume: () => control.resume(),
    stop: () => control.stop(),
    async convert(files) {
      const named: Record<string, Uint8Array> = {};
      for (const [name, file] of Object.entries(files)) named[name] = new Uint8Array(await file.arrayBuffer());
      const { sae, notes } = loadSaeFromFiles(named);
      return { onnx: new Blob([frozenSaeToOnnx(sae).slice()]), notes };
    },
  };
}
