/** Trains a sparse autoencoder on activations from files, freezes it, and measures it on the part that training never saw. */
import { join } from 'node:path';
import type { ActivationSource, OpenSource } from '../data/activation-source.ts';
import { plotTrainingCurves } from '../plots/figure-data.ts';
import { trainSae } from '../training/node.ts';
import { resolveSaeSettings, type SaeSettings } from '../training/sae-settings.ts';
import type { SaeTrainingResult } from '../training/train-sae.ts';
import type { ExperimentContext } from './context.ts';
import { type HeldOutScore, scoreHeldOut, warningsOf } from './held-out-score.ts';
import { lossCurve } from './loss-curve.ts';
import { requireFinished, writeJson } from './run-files.ts';
import { trainingOptions } from './run-options.ts';

/** The settings of the training, and its data. */
export interface ActivationSaeSettings extends Omit<SaeSettings, 'data'> {
  /** The source of the activations: files, or a model that runs meanwhile. */
  readonly data: ActivationSource;
}

/** The results of the experiment. */
export interface ActivationSaeRun {
  readonly file: string;
  /** The scores at step 0 and at the end; `undefined` where nothing was held out. */
  readonly before: HeldOutScore | undefined;
  readonly after: HeldOutScore | undefined;
  readonly run: SaeTrainingResult;
}

/**
 * Runs the experiment: writes `sae.onnx`, `sae.json` and the figure `training-curve` into the run's folder. The model is there before it is
 * measured, so that nothing about held-out data can cost it. Errors as the data's `open` and `train`.
 */
export async function runActivationSae(
  settings: ActivationSaeSettings,
  context: ExperimentContext,
): Promise<ActivationSaeRun> {
  const { data } = settings;
  const { activation, batchSize, steps, seed, holdOut } = resolveSaeSettings(settings);
  // The source stays open until the autoencoder is measured, because a model would compute its first rows again.
  await using opened = await data.open({ seed, batchSize, holdOut, signal: context.signal });
  const words = describeData(opened);
  context.log(`activations: ${words}`);
  const run = await trainSae(
    settings,
    trainingOptions(context, { name: 'sae', label: `SAE (${activation.kind})`, steps, alone: true }),
  );
  requireFinished(run, 'the autoencoder', context);
  const { sae, start, history } = run;
  const file = join(context.folder, 'sae.onnx');
  await sae.save(file);
  const curve = lossCurve(`${activation.kind}, ${sae.init}`, history.loss);
  await context.draw('training-curve', plotTrainingCurves([curve], { subtitle: words, logSteps: true }));

  const before = await scoreHeldOut(start.freeze(), opened);
  const after = await scoreHeldOut(sae.freeze(), opened, { dictionary: true });
  const metrics = { step_0: before, end: after };
  const record = { ...sae.training, metrics: { ...metrics, loss: sae.training['metrics'] } };
  await sae.save(file, { training: record });
  await writeJson(join(context.folder, 'sae.json'), record);
  const warnings = [...run.warnings, ...(after ? warningsOf(after, sae.config) : [])];
  if (run.recordsFailed) warnings.push(`metrics are incomplete: ${run.recordsFailed.message}`);
  for (const warning of warnings) context.log(`warning: ${warning}`);
  return { file, before, after, run };
}

/** Width and numbers of rows, for a person. */
function describeData({ rows, heldOutRows = 0, width }: OpenSource): string {
  if (rows === undefined) return `rows of ${width}`;
  const counted = (count: number): string => count.toLocaleString('en');
  return `${counted(rows)} rows of ${width} to train on, ${counted(heldOutRows)} held out`;
}
