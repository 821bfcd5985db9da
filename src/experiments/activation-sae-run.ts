/** Trains a sparse autoencoder on activations from files, freezes it, and measures it on the part that training never saw. */
import { join } from 'node:path';
import { type DensityHistogram, densityHistogram } from '../analysis/density-histogram.ts';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { L0 } from '../analysis/l0.ts';
import type { ActivationSource, OpenSource } from '../data/activation-source.ts';
import { freezeSae } from '../export/freeze.ts';
import { loadSae } from '../inference/node.ts';
import type { Initialisation } from '../models/initialisation.ts';
import { plotTrainingCurves } from '../plots/index.ts';
import { trainSae } from '../training/node.ts';
import type { SaeTrainingResult } from '../training/train-sae.ts';
import type { ExperimentContext } from './context.ts';
import { lossCurve } from './loss-curve.ts';
import { requireFinished, writeJson } from './run-files.ts';
import { trainingOptions } from './run-options.ts';
import { type SaeRunSettings, saeSettings } from './sae-run.ts';

export interface ActivationSaeSettings extends Omit<SaeRunSettings, 'sparsity' | 'init'> {
  /** Default the trainer's, which depends on the number of latents. */
  readonly init?: Initialisation | undefined;
  /** Where the activations come from: files, or a model that runs meanwhile. */
  readonly data: ActivationSource;
  readonly holdOut: number;
}

/** How an autoencoder does on held-out activations. */
export interface HeldOutScore {
  /** Null where the activations do not vary. */
  readonly explained_variance: number | null;
  readonly l0: number;
  /** Latents that fired on none of `samples`. */
  readonly never_fired: number;
  readonly samples: number;
  readonly density: DensityHistogram;
}

export interface ActivationSaeRun {
  readonly file: string;
  /** At step 0 and at the end; undefined where nothing was held out. */
  readonly before: HeldOutScore | undefined;
  readonly after: HeldOutScore | undefined;
  readonly run: SaeTrainingResult;
}

/** Held-out activations that are measured, at most. */
const MEASURED = 65_536;
const MEASURED_AT_ONCE = 1024;

/**
 * Runs the experiment: writes `sae.onnx`, `sae.json` and the figure `training-curve` into the run's folder. The model is there before it is
 * measured, so that nothing about held-out data can cost it. Errors as the data's `open` and `train`.
 */
export async function runActivationSae(
  settings: ActivationSaeSettings,
  context: ExperimentContext,
): Promise<ActivationSaeRun> {
  const { data, holdOut, ...model } = settings;
  const { activation, batchSize, steps, seed } = model;
  const training = { ...saeSettings(model, data), holdOut };
  // Open until it has measured: a model would compute its first rows again.
  await using opened = await data.open({ seed, batchSize, holdOut, signal: context.signal });
  const words = describeData(opened);
  context.log(`activations: ${words}`);
  const run = await trainSae(
    training,
    trainingOptions(context, { name: 'sae', label: `SAE (${activation.kind})`, steps, alone: true }),
  );
  requireFinished(run, 'the autoencoder', context);
  const { sae, start, history } = run;
  const file = join(context.folder, 'sae.onnx');
  await sae.save(file);
  const curve = lossCurve(`${activation.kind}, ${sae.init}`, history.loss);
  await context.draw('training-curve', plotTrainingCurves([curve], { subtitle: words, logSteps: true }));

  const before = await measure(freezeSae(start), opened);
  const after = await measure(sae.toOnnx(), opened);
  const metrics = { step_0: before, end: after };
  const record = { ...sae.training, metrics: { ...metrics, loss: sae.training['metrics'] } };
  await sae.save(file, { training: record });
  await writeJson(join(context.folder, 'sae.json'), record);
  if (after && !(after.explained_variance === null || after.explained_variance > 0)) {
    context.log(
      `warning: the autoencoder learned nothing: it reconstructs held-out activations worse than their mean does ` +
        `(explained variance ${after.explained_variance.toFixed(2)}). Try a smaller learning rate.`,
    );
  }
  return { file, before, after, run };
}

/** Width and numbers of rows, for a person. */
function describeData({ rows, heldOutRows = 0, width }: OpenSource): string {
  if (rows === undefined) return `rows of ${width}`;
  const counted = (count: number): string => count.toLocaleString('en');
  return `${counted(rows)} rows of ${width} to train on, ${counted(heldOutRows)} held out`;
}

/** Runs a frozen autoencoder on the held-out part, as any app would. */
async function measure(sae: Uint8Array, source: OpenSource): Promise<HeldOutScore | undefined> {
  await using loaded = await loadSae(sae, { provider: 'cpu' });
  const [variance, l0, firing] = [new ExplainedVariance(), new L0(), new FiringDensity()];
  let samples = 0;
  for await (const { input, target = input } of source.heldOut(MEASURED, MEASURED_AT_ONCE)) {
    const { features, reconstruction } = await loaded.forward(input);
    variance.add(target, reconstruction);
    l0.add(features);
    firing.add(features);
    samples += input.shape[0]!;
  }
  if (samples === 0) return undefined;
  const { density, dead } = firing.compute();
  return {
    explained_variance: variance.compute() ?? null,
    l0: l0.compute(),
    never_fired: dead.length,
    samples,
    density: densityHistogram(density),
  };
}
