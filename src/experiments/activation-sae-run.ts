/** Trains a sparse autoencoder on activations from files, freezes it, and measures it on the part that training never saw. */
import { join } from 'node:path';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { L0 } from '../analysis/l0.ts';
import { type ActivationFiles, openActivations } from '../data/activation-files.ts';
import { freezeSae } from '../export/freeze.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { loadSae } from '../inference/node.ts';
import { plotTrainingCurves } from '../plots/index.ts';
import type { Trained } from '../training/train.ts';
import { trainSae } from '../training/train-sae.ts';
import type { ExperimentContext } from './context.ts';
import { lossCurve } from './loss-curve.ts';
import { requireFinished, writeJson } from './run-files.ts';
import { runOptions } from './run-options.ts';
import { type SaeSettings, saeTraining } from './sae-run.ts';

export interface ActivationSaeSettings extends Omit<SaeSettings, 'sparsity'> {
  /** Paths or glob patterns. */
  readonly files: readonly string[];
  /** Which tensor of each safetensors file. */
  readonly tensor?: string | undefined;
  readonly holdOut: number;
  readonly shuffleBuffer: number;
}

/** How an autoencoder does on held-out activations. */
export interface HeldOutScore {
  readonly explainedVariance: number;
  readonly l0: number;
  /** Latents that never fire. */
  readonly dead: number;
  readonly samples: number;
}

export interface ActivationSaeRun {
  readonly file: string;
  /** At step 0 and at the end; undefined where nothing was held out. */
  readonly before: HeldOutScore | undefined;
  readonly after: HeldOutScore | undefined;
  readonly run: Trained;
}

/** Activations seen before training, at least; more for large dictionaries, whose directions start among them. */
const SAMPLE_SIZE = 10_000;
/** Held-out activations that are measured, at most. */
const MEASURED = 65_536;
const MEASURED_AT_ONCE = 1024;

/**
 * Runs the experiment: writes `sae.onnx`, `sae.json` and the figure `training-curve` into the run's folder. Errors as `openActivations` and
 * `train`.
 */
export async function runActivationSae(
  settings: ActivationSaeSettings,
  context: ExperimentContext,
): Promise<ActivationSaeRun> {
  const { files, tensor, holdOut, shuffleBuffer, ...model } = settings;
  const { dSae, activation, init, batchSize, steps, seed } = model;
  const activations = await openActivations(files, { tensor, holdOut, shuffleBuffer, seed });
  try {
    const dIn = activations.width;
    const training = saeTraining(model, dIn);
    const words = `${activations.files.length} files, ${activations.rows} rows of ${dIn} (${activations.heldOutRows} held out)`;
    context.log(`activations: ${words}`);
    const sample = await activations.sample(Math.max(SAMPLE_SIZE, dSae), seed);
    const experiment = { what: 'activation-sae', dIn, rows: activations.rows, ...settings };
    const label = `SAE (${activation.kind}, ${init})`;
    const options = await runOptions(context, { name: 'sae', experiment, label, steps });
    const { sae, start, run } = await trainSae(training, { sample, batches: () => activations }, options);
    requireFinished(run, 'the autoencoder', context);
    const record = {
      seed,
      data: { kind: 'files', files: activations.files, rows: activations.rows, held_out: activations.heldOutRows },
      steps,
      batch: batchSize,
      optimizer: training.optimizer,
      engine: `${run.engine.engine} (${run.engine.provider})`,
    };
    const [before, after] = [await measure(freezeSae(start), activations), await measure(freezeSae(sae), activations)];
    const file = join(context.folder, 'sae.onnx');
    const metrics = { step_0: before, end: after };
    await writeFileAtomic(file, freezeSae(sae, { training: { ...record, metrics }, init }));
    await writeJson(join(context.folder, 'sae.json'), { ...record, metrics });
    const curve = lossCurve(`${activation.kind}, ${init}`, run.metrics['loss']!);
    await context.draw('training-curve', plotTrainingCurves([curve], { subtitle: words, logSteps: true }));
    return { file, before, after, run };
  } finally {
    await activations.close();
  }
}

/** Runs a frozen autoencoder on the held-out part, as any app would. */
async function measure(sae: Uint8Array, activations: ActivationFiles): Promise<HeldOutScore | undefined> {
  if (activations.heldOutRows === 0) return undefined;
  await using loaded = await loadSae(sae, { provider: 'cpu' });
  const [variance, l0, density] = [new ExplainedVariance(), new L0(), new FiringDensity()];
  let samples = 0;
  for await (const batch of activations.heldOut(MEASURED_AT_ONCE)) {
    const { features, reconstruction } = await loaded.forward(batch);
    variance.add(batch, reconstruction);
    l0.add(features);
    density.add(features);
    samples += batch.shape[0]!;
    if (samples >= MEASURED) break;
  }
  return { explainedVariance: variance.compute(), l0: l0.compute(), dead: density.compute().dead.length, samples };
}
