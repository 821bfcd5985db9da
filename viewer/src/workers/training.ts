/**
 * The training worker. It runs the library's own training programs for toy models and autoencoders on the onnxruntime
 * engine in WASM.
 */

import type { GeneratedSource } from '../../../src/data/generated-source.ts';
import { importanceDecayByRatio } from '../../../src/data/schedules.ts';
import { sparseFeatures } from '../../../src/data/sparse-features.ts';
import { toyModelActivations } from '../../../src/data/toy-model-activations.ts';
import type { Engine } from '../../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../../src/engines/onnxruntime.ts';
import { frozenSaeToOnnx } from '../../../src/export/frozen-sae-onnx.ts';
import { loadSaeFromFiles } from '../../../src/export/load-sae-checkpoint.ts';
import { ACTIVATION_KINDS, type ActivationKind, configFromFlags } from '../../../src/models/architectures/registry.ts';
import type { Runtime } from '../../../src/sessions/runtime.ts';
import { fromNested, type HostTensor } from '../../../src/tensor.ts';
import { trainSaes, trainToyModel } from '../../../src/training/browser.ts';
import { finalLoss, type ModelSnapshot, type TrainingHistory } from '../../../src/training/history.ts';
import type { RunReport, TrainingOptions } from '../../../src/training/run-settings.ts';
import { snapshotSteps } from '../../../src/training/snapshot-steps.ts';
import { lossTerms } from '../../../src/training/training-step.ts';
import { transfer } from '../../../src/workers/protocol.ts';
import type { History } from '../data/model.ts';
import { readWasm } from '../data/shipped.ts';
import type {
  SaeSettings,
  ToySettings,
  TrainedModel,
  TrainingApi,
  TrainingProgress,
  TrainingSettings,
} from './training-api.ts';

const TOY_BATCH = 1024;
const SAE_BATCH = 2048;
/** How many updates are sent during a training, beside the snapshots that the history keeps. */
const UPDATES = 120;
const STEPS_PER_CALL = 50;

type Rows = number[][];

function rowsOf({ data, shape }: HostTensor): Rows {
  const [rows, width] = shape as [number, number];
  return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
}

/** Pauses and stops a run from outside. */
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
  /** Gives a source of the same data whose batches wait while the run is paused. */
  holding(source: GeneratedSource): GeneratedSource {
    return {
      ...source,
      open: async options => {
        const opened = await source.open(options);
        const { batches } = opened;
        return {
          ...opened,
          batches: {
            fill: async (inputs, steps) => {
              await this.#gate;
              await batches.fill(inputs, steps);
            },
            state: () => batches.state(),
            restore: state => batches.restore(state),
          },
        };
      },
    };
  }
}

/** A model at one step, and its losses at that step. */
interface Frame extends ModelSnapshot {
  readonly loss: number;
  readonly terms: Readonly<Record<string, number>>;
}

/**
 * The frames of a run's models. The page shows the restarts of a toy model as one model, for which the first restart
 * stands during training.
 */
class Frames {
  readonly #steps: number;
  readonly #kept: ReadonlySet<number>;
  readonly #started = performance.now();
  readonly #frames: Frame[][];
  readonly #tell: (progress: TrainingProgress) => void;
  readonly #isSae: boolean;
  #metrics: Readonly<Record<string, Float32Array>> = {};

  constructor({ kind, steps }: TrainingSettings, models: number, tell: (progress: TrainingProgress) => void) {
    this.#steps = steps;
    this.#isSae = kind === 'sparse-autoencoder';
    this.#kept = new Set(snapshotSteps(steps));
    this.#frames = Array.from({ length: models }, () => []);
    this.#tell = tell;
  }

  options(engine: Engine, signal: AbortSignal): TrainingOptions {
    const updates = Array.from({ length: UPDATES }, (_, i) => Math.round((i * this.#steps) / UPDATES));
    return {
      engine,
      signal,
      stepsPerCall: STEPS_PER_CALL,
      snapshotAt: [...new Set([...this.#kept, ...updates])].sort((a, b) => a - b),
      onProgress: ({ metrics }) => {
        this.#metrics = metrics;
      },
      onSnapshot: (snapshot, index) => {
        const own = (values: Float32Array | undefined): number =>
          values?.at(values.length === 1 || !this.#metrics['losses'] ? -1 : index - this.#frames.length) ?? Number.NaN;
        const terms = Object.entries(lossTerms(this.#metrics)).map(([name, values]) => [name, own(values)] as const);
        const loss = own(this.#metrics['losses'] ?? this.#metrics['loss']);
        this.#frames[index]!.push({ ...snapshot, loss, terms: Object.fromEntries(terms) });
        if (snapshot.step > 0 && (this.#isSae || index === 0)) this.#report(index, snapshot.step);
      },
    };
  }

  #report(index: number, step: number): void {
    const shown = this.#frames[index]!.filter((frame, i, all) => this.#kept.has(frame.step) || i === all.length - 1);
    const names = Object.keys(shown.at(-1)!.terms);
    const losses = names.map(name => [name, shown.map(({ terms }) => terms[name] ?? Number.NaN)]);
    this.#tell({
      index,
      step,
      steps: this.#steps,
      history: {
        steps: shown.map(frame => frame.step),
        loss: shown.map(frame => frame.loss),
        ...(names.length > 1 && { losses: Object.fromEntries(losses) }),
        directions: shown.map(({ directions }) => rowsOf(directions)),
        ...(this.#isSae && { b_dec: shown.map(({ bias }) => Array.from(bias.data)) }),
      },
      stepsPerSecond: (1000 * step) / (performance.now() - this.#started),
      engine: 'ONNX Runtime, WASM',
    });
  }
}

/** A finished training's history: its kept snapshots, and where it ended. */
function historyOf({ loss, losses, snapshots, steps }: TrainingHistory, settings: TrainingSettings): History {
  const kept = new Set(snapshotSteps(settings.steps));
  const shown = snapshots.filter(({ step }, i) => kept.has(step) || i === snapshots.length - 1);
  const at = (values: Float32Array) => shown.map(({ step }) => values[Math.min(step, steps - 1)] ?? Number.NaN);
  const terms = Object.entries(losses);
  return {
    steps: shown.map(({ step }) => step),
    loss: at(loss),
    ...(terms.length > 1 && { losses: Object.fromEntries(terms.map(([name, values]) => [name, at(values)])) }),
    directions: shown.map(({ directions }) => rowsOf(directions)),
    ...(settings.kind === 'sparse-autoencoder' && { b_dec: shown.map(({ bias }) => Array.from(bias.data)) }),
  };
}

/** The record of its training that a file holds, as the scripts write it. */
const trainingRecord = (
  settings: ToySettings | SaeSettings,
  seed: number,
  { history, engine }: RunReport & { readonly history: TrainingHistory },
  batch: number,
  optimizer: string,
) => ({
  seed,
  data: { kind: 'sparse', sparsity: settings.sparsity },
  steps: history.steps,
  batch,
  optimizer,
  engine: `${engine.engine} (${engine.provider})`,
  metrics: { loss: history.loss.at(-1)! },
});

function requireSteps({ history }: { readonly history: TrainingHistory }): void {
  if (history.steps === 0) throw new Error('training was stopped before its first step');
}

async function trainToy(
  settings: ToySettings,
  engine: Engine,
  control: Control,
  progress: (progress: TrainingProgress) => void,
): Promise<TrainedModel[]> {
  const { nFeatures, nHidden, sparsity, restarts, steps, seed } = settings;
  const data = control.holding(sparseFeatures({ nFeatures, sparsity }));
  const result = await trainToyModel(
    {
      data,
      nHidden,
      restarts,
      importance: importanceDecayByRatio(nFeatures, settings.importance),
      batchSize: TOY_BATCH,
      steps,
      seed,
    },
    new Frames(settings, restarts, progress).options(engine, control.signal),
  );
  requireSteps(result);
  const onnx = result.model.toOnnx(trainingRecord(settings, seed, result, TOY_BATCH, 'adamw'));
  const losses = result.restarts.map(({ history }) => finalLoss(history.loss));
  return [{ onnx: onnx.slice(), history: historyOf(result.history, settings), losses }];
}

function activationOf({ architecture, flags }: SaeSettings) {
  const kind = ACTIVATION_KINDS.find(name => name === architecture);
  if (!kind) throw new Error(`there is no architecture "${architecture}"`);
  return configFromFlags(kind satisfies ActivationKind, flags);
}

async function trainAutoencoders(
  settings: SaeSettings,
  engine: Engine,
  control: Control,
  progress: (progress: TrainingProgress) => void,
): Promise<TrainedModel[]> {
  const { dSae, steps, seeds, sparsity, initialisation, trainedOn } = settings;
  const weight = fromNested(settings.weight);
  const features = sparseFeatures({ nFeatures: weight.shape[0]!, sparsity });
  const results = await trainSaes(
    {
      data: control.holding(toyModelActivations(weight, features)),
      dSae,
      activation: activationOf(settings),
      start: { directions: initialisation },
      batchSize: SAE_BATCH,
      steps,
      vary: seeds.map(seed => ({ seed })),
    },
    new Frames(settings, seeds.length, progress).options(engine, control.signal),
  );
  return results.map((result, i) => {
    requireSteps(result);
    const training = trainingRecord(settings, seeds[i]!, result, SAE_BATCH, 'adam');
    return {
      onnx: result.sae.toOnnx({ training, trainedOn }).slice(),
      history: historyOf(result.history, settings),
      losses: [finalLoss(result.history.loss)],
    };
  });
}

/**
 * Makes the methods of the training worker.
 * @param giveWasm - Hands ONNX Runtime its wasm.
 * @param runtime - Gives ONNX Runtime once it has its wasm.
 */
export function createTraining(giveWasm: (wasm: ArrayBuffer) => void, runtime: () => Runtime): TrainingApi {
  let control = new Control();
  return {
    start: async wasm => giveWasm(await readWasm(wasm)),
    async train(settings, progress) {
      control = new Control();
      const engine = createOnnxRuntimeEngine(runtime(), { reason: 'the viewer' });
      const trained =
        settings.kind === 'toy-model'
          ? await trainToy(settings, engine, control, progress)
          : await trainAutoencoders(settings, engine, control, progress);
      return transfer(
        trained,
        trained.map(({ onnx }) => onnx.buffer),
      );
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
