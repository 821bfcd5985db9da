/** Trains a sparse autoencoder on activations from files, freezes it, and measures the frozen file on rows that it never saw. */
import { join } from 'node:path';
import { ExplainedVariance } from '../analysis/explained-variance.ts';
import { FiringDensity } from '../analysis/firing-density.ts';
import { L0 } from '../analysis/l0.ts';
import { type ActivationFiles, openActivations } from '../data/activation-files.ts';
import { InvalidValueError } from '../errors.ts';
import { freezeSae } from '../export/freeze.ts';
import { writeFileAtomic } from '../files/write-atomic.ts';
import { loadSae } from '../inference/node.ts';
import type { ActivationConfig } from '../models/activations/registry.ts';
import type { DecoderForm } from '../models/decoder.ts';
import type { Initialisation } from '../models/initialisation.ts';
import type { LearningRateSchedule } from '../training/learning-rate.ts';
import { initialSae, SAE_OPTIMIZER, type SaeTraining, saeProgram, trainSae } from '../training/train-sae.ts';
import type { ExperimentContext } from './context.ts';
import { checkpointing, requireFinished, writeJson } from './run-files.ts';

export interface SaeFromFilesSettings {
  /** A glob pattern, a path, or several. */
  readonly activations: string | readonly string[];
  /** Which tensor of each safetensors file, where they hold several. */
  readonly tensor?: string | undefined;
  readonly shuffleBuffer?: number | undefined;
  /** Share of rows kept from training. Default .05. */
  readonly holdOut?: number | undefined;
  readonly dSae: number;
  readonly activation: ActivationConfig;
  readonly decoder: DecoderForm;
  readonly init: Initialisation;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly schedule?: LearningRateSchedule | undefined;
  readonly seed: number;
}

/** Measured on the held-out rows. */
export interface HeldOutMetrics {
  readonly rows: number;
  readonly explainedVariance: number;
  /** Mean number of active latents a row. */
  readonly l0: number;
  /** Latents that fired on none of the rows. */
  readonly deadLatents: number;
}

export interface SaeFromFilesRun {
  readonly file: string;
  readonly heldOut: HeldOutMetrics;
  readonly steps: number;
  readonly loss: number;
  readonly engine: string;
}

/** Rows seen beforehand, for the geometric median and the initialisation. */
const SAMPLE_ROWS = 10_000;
/** More held-out rows than this change the figures in the third digit. */
const MOST_HELD_OUT_ROWS = 100_000;

/**
 * Writes `sae.onnx` and `sae.json` into the run's folder; resumes to the same bits from its checkpoint.
 * FileFormatError where files are missing, damaged or unlike, InvalidValueError where no row is held out.
 */
export async function runSaeFromFiles(
  settings: SaeFromFilesSettings,
  context: ExperimentContext,
): Promise<SaeFromFilesRun> {
  const { activations, tensor, shuffleBuffer, holdOut, dSae, batchSize, steps, learningRate, seed } = settings;
  const { activation, decoder, init, schedule } = settings;
  const stream = await openActivations(activations, {
    tensor,
    seed,
    ...(shuffleBuffer !== undefined && { shuffleBuffer }),
    ...(holdOut !== undefined && { holdOut }),
  });
  try {
    if (stream.heldOutRows === 0) {
      throw new InvalidValueError(`holdOut ${holdOut} keeps no row to measure on; .05 is usual`);
    }
    context.log(
      `${stream.files.length} files: ${stream.rows} rows of ${stream.width} to train on, ${stream.heldOutRows} held out`,
    );
    const training: SaeTraining = {
      dIn: stream.width,
      dSae,
      activation,
      decoder,
      init,
      batchSize,
      steps,
      optimizer: { ...SAE_OPTIMIZER, learningRate },
      ...(schedule && { schedule }),
      seed,
    };
    const sample = await stream.sample(SAMPLE_ROWS, seed);
    const start = initialSae(training, sample);
    const experiment = { what: 'sae-from-files', ...settings };
    const { sae, run } = await trainSae(
      training,
      { sample, batches: () => stream },
      {
        engine: context.engine,
        signal: context.signal,
        onProgress: context.progress(`SAE (${activation.kind}, ${init})`, steps),
        ...(await checkpointing(context, 'sae', experiment, saeProgram(training, [start]).state)),
      },
    );
    requireFinished(run, 'the autoencoder', context);
    const record = {
      seed,
      data: { kind: 'files', files: stream.files.length, rows: stream.rows, held_out: stream.heldOutRows },
      steps,
      batch: batchSize,
      optimizer: training.optimizer,
      ...(schedule && { schedule }),
      engine: `${run.engine.engine} (${run.engine.provider})`,
    };
    const file = join(context.folder, 'sae.onnx');
    await writeFileAtomic(file, freezeSae(sae, { training: record, init }));
    const heldOut = await measure(file, stream, batchSize);
    const loss = run.metrics['loss']!.at(-1)!;
    await writeJson(join(context.folder, 'sae.json'), { ...record, loss, held_out: heldOut });
    return { file, heldOut, steps, loss, engine: record.engine };
  } finally {
    await stream.close();
  }
}

async function measure(file: string, stream: ActivationFiles, batchSize: number): Promise<HeldOutMetrics> {
  await using sae = await loadSae(file, { provider: 'cpu' });
  const [variance, l0, density] = [new ExplainedVariance(), new L0(), new FiringDensity()];
  let rows = 0;
  for await (const batch of stream.heldOut(batchSize)) {
    const { features, reconstruction } = await sae.forward(batch);
    variance.add(batch, reconstruction);
    l0.add(features);
    density.add(features);
    rows += batch.shape[0]!;
    if (rows >= MOST_HELD_OUT_ROWS) break;
  }
  const dead = density.compute().dead.length;
  return { rows, explainedVariance: variance.compute(), l0: l0.compute(), deadLatents: dead };
}
