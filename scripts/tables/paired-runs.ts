/** Trainings of one table by SAELens and by ours on the same rows, with paired seeds, each kept. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { activationFiles } from '../../src/data/activation-files.ts';
import type { DictionaryFeatures } from '../../src/data/dictionary-features.ts';
import { createEngine } from '../../src/engines/create-engine.ts';
import { writeNpy } from '../../src/files/npy.ts';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import type { FrozenSae } from '../../src/models/frozen-sae.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSae } from '../../src/training/node.ts';
import type { SaeStartSettings } from '../../src/training/sae-settings.ts';
import type { KeptResults } from './kept-results.ts';
import { trainBySaelens } from './saelens-training.ts';
import { meanOf, type TableOptions } from './table.ts';

/** The ways to train that a table compares. */
export const WAYS = ['SAELens', 'preset saelens', 'preset ours'] as const;
/** One of the ways to train. */
export type Way = (typeof WAYS)[number];

/** Rows that all train on, in a file, and others with the features that they are made of. */
export interface PlantedRows {
  readonly file: string;
  readonly trained: number;
  /** Draws the rows of the file, unless it is there. */
  readonly draw: () => Promise<void>;
  readonly heldOut: HostTensor;
  /** The features of the held-out rows. */
  readonly features: HostTensor;
  readonly dictionary: HostTensor;
}

/** Rows of `source`, those to train on for a file in `folder`. */
export async function plantedRows(
  folder: string,
  source: DictionaryFeatures,
  { rows, heldOut }: { readonly rows: number; readonly heldOut: number },
): Promise<PlantedRows> {
  const options = { seed: 0, batchSize: 1024 };
  const file = join(folder, 'rows.npy');
  const [open, features] = [await source.open(options), await source.features.open(options)];
  const draw = async (): Promise<void> => {
    if (await stat(file).catch(() => undefined)) return;
    const data = new Float32Array(rows * source.width);
    await open.batches.fill({ activations: data }, 1);
    await mkdir(folder, { recursive: true });
    await writeFileAtomic(file, writeNpy(hostTensor(data, [rows, source.width])));
  };
  const first = async (given: AsyncIterable<{ input: HostTensor }>): Promise<HostTensor> => {
    for await (const { input } of given) return input;
    throw new Error('no rows were drawn');
  };
  return {
    file,
    trained: rows,
    draw,
    heldOut: await first(open.heldOut(heldOut, heldOut)),
    features: await first(features.heldOut(heldOut, heldOut)),
    dictionary: source.dictionary,
  };
}

/** One training, in SAELens's words and in ours. */
export interface PairedTraining {
  readonly saelens: { readonly architecture: string; readonly options: Readonly<Record<string, unknown>> };
  readonly ours: ActivationConfig;
  readonly dSae: number;
  readonly steps: number;
  readonly batchSize: number;
  /** Of SAELens and of the preset of its name; `ours` has its own. */
  readonly learningRate: number;
  /** Steps without firing after which a latent is dead, for SAELens and the preset of its name; `ours` has its own. */
  readonly deadWindow: number;
  readonly seed: number;
  /** Where ours start, if not as the preset has it. */
  readonly start?: SaeStartSettings;
  /** Whether all bring activations to the mean norm √d_in; else each does what it does by itself. */
  readonly normalizes?: boolean;
}

/** TopK or BatchTopK of `k` active latents a sample. */
export function chosenLatents(kind: 'topk' | 'batchtopk', k: number): Pick<PairedTraining, 'saelens' | 'ours'> {
  return { saelens: { architecture: kind, options: { k } }, ours: { kind, k } };
}

/** The costs of a training. */
export interface Cost {
  /** Steps in which AuxK acted. */
  readonly auxKSteps: number;
  readonly processorSeconds: number;
}

/** Where trainings of pairs run. */
interface PairedPlace {
  readonly python: string | undefined;
  /** The folder that SAELens writes to. */
  readonly folder: string;
  /** The threads of either trainer. Default 1. */
  readonly threads?: number;
}

/** Trains as `way` says. */
export async function trainedBy(
  way: Way,
  training: PairedTraining,
  data: Pick<PlantedRows, 'file' | 'trained'>,
  { python, folder, threads = 1 }: PairedPlace,
): Promise<{ readonly sae: FrozenSae } & Cost> {
  const { saelens, ours, dSae, steps, batchSize, learningRate, deadWindow, seed } = training;
  const normalize = 'expected_average_only_in';
  if (way === 'SAELens') {
    const options = { ...saelens.options, ...(training.normalizes && { normalize_activations: normalize }) };
    const { architecture } = saelens;
    const rows = { rows: data.file, trained: data.trained };
    const request = { ...rows, architecture, options, dSae, steps, batchSize, seed, threads };
    const trainer = { lr: learningRate, dead_feature_window: deadWindow };
    return await trainBySaelens(python!, { ...request, trainer }, folder);
  }
  const used = process.cpuUsage();
  const hasWindow = 'k' in ours && way === 'preset saelens';
  const { sae } = await trainSae(
    {
      data: activationFiles(data.file, { shuffleBuffer: data.trained }),
      dSae,
      activation: hasWindow ? ({ ...ours, auxK: { deadAfter: deadWindow + 1 } } as ActivationConfig) : ours,
      steps,
      batchSize,
      ...(way === 'preset saelens' && { learningRate }),
      holdOut: 0,
      seed,
      ...(training.start && { start: training.start }),
      ...(training.normalizes && { normalize }),
      preset: way === 'preset ours' ? 'ours' : 'saelens',
    },
    { engine: await createEngine({ threads }) },
  );
  const { user, system } = process.cpuUsage(used);
  const auxKSteps = (sae.training['aux_k_steps'] as number | undefined) ?? 0;
  return { sae: sae.freeze(), auxKSteps, processorSeconds: (user + system) / 1e6 };
}

/** Trains as `way` says, and scores what comes out. */
export async function trainedAndScored<Data extends Pick<PlantedRows, 'file' | 'trained'>, Scored>(
  way: Way,
  training: PairedTraining,
  data: Data,
  place: PairedPlace,
  scored: (sae: FrozenSae, data: Data) => Promise<Scored>,
): Promise<Scored & Cost> {
  const { sae, auxKSteps, processorSeconds } = await trainedBy(way, training, data, place);
  return { ...(await scored(sae, data)), auxKSteps, processorSeconds };
}

/** A cell of a table for one seed: what is trained, and by whom. */
export interface Job<By extends string = Way> {
  /** The cell's name among what is kept. */
  readonly cell: string;
  readonly way: By;
  readonly seed: number;
}

/** The scores of a table: by cell, way and seed. */
export class PairedScores<Score extends Readonly<Record<string, number>>> {
  readonly #scores = new Map<string, Map<number, Score>>();

  add({ cell, way, seed }: Job<string>, score: Score): void {
    const key = `${cell} by ${way}`;
    this.#scores.set(key, (this.#scores.get(key) ?? new Map<number, Score>()).set(seed, score));
  }

  /** The metric of each seed that was run. */
  of(cell: string, way: string, metric: keyof Score): number[] {
    return [...(this.#scores.get(`${cell} by ${way}`)?.values() ?? [])].map(score => score[metric]!);
  }

  /** The mean of the metric over the seeds that were run; NaN where none was. */
  mean(cell: string, way: string, metric: keyof Score): number {
    const values = this.of(cell, way, metric);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  /** The difference of the metric for each seed that both ways were run with. */
  differences(cell: string, way: string, rival: string, metric: keyof Score): number[] {
    const theirs = this.#scores.get(`${cell} by ${rival}`);
    return [...(this.#scores.get(`${cell} by ${way}`) ?? [])].flatMap(([seed, score]) => {
      const other = theirs?.get(seed);
      return other ? [score[metric]! - other[metric]!] : [];
    });
  }

  /** The mean with its interval, or that it was not run. */
  cell(cell: string, way: string, metric: keyof Score, digits: number): string {
    const values = this.of(cell, way, metric);
    return values.length === 0 ? 'not run' : meanOf(values, digits);
  }
}

/** Runs what is not kept, in the order of `jobs`, until the minutes are over; SAELens's only where there is a Python. */
export async function pairedScores<OneJob extends Job<string>, Score extends Readonly<Record<string, number>>>(
  results: KeptResults,
  jobs: readonly OneJob[],
  settings: Readonly<Record<string, unknown>>,
  { minutes = Number.POSITIVE_INFINITY, python }: Pick<TableOptions, 'minutes' | 'python'>,
  run: (job: OneJob) => Promise<Score>,
): Promise<PairedScores<Score>> {
  const scores = new PairedScores<Score>();
  const until = performance.now() + minutes * 60_000;
  for (const job of jobs) {
    const name = `${job.cell}-${job.way}-${job.seed}`.replaceAll(' ', '-');
    const mayRun = performance.now() < until && (job.way !== 'SAELens' || python !== undefined);
    const score = await results.keepIf(mayRun, name, settings, () => run(job));
    if (score) scores.add(job, score);
  }
  return scores;
}
