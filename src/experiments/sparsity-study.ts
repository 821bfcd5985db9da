/**
 * How many latents should be active: TopK autoencoders that differ in k, on the larger toy model's activations, with and without the loss that
 * revives dead latents. What they find of the model's features, what they explain, and what dies.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { max, mean, min } from 'd3-array';
import type { AuxKOptions } from '../models/architectures/aux-k.ts';
import { plotSparsitySweep, type SparsitySweepSeries } from '../plots/figure-data.ts';
import type { HostTensor } from '../tensor.ts';
import { trainSaes } from '../training/node.ts';
import { readClusteredTruth, type SaeScore, scoreClustered } from './clustered-truth.ts';
import type { ExperimentContext } from './context.ts';
import { requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';
import { saeSettings } from './sae-run.ts';

export interface SparsityStudySettings {
  readonly dSae: number;
  readonly ks: readonly number[];
  readonly auxK: Required<Pick<AuxKOptions, 'coefficient' | 'deadAfter'>>;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  /** The first seed, and how many from it on: each k is trained from every one. */
  readonly seed: number;
  readonly seeds: number;
}

export const SPARSITY_STUDY_DEFAULTS = {
  dSae: 100,
  ks: [2, 3, 4, 6, 8, 12, 16, 24],
  // Ten batches without firing: a latent that fires more rarely has nothing to learn from.
  auxK: { coefficient: 1, deadAfter: 10 },
  batchSize: 1024,
  steps: 4000,
  learningRate: 0.001,
  seed: 0,
  seeds: 4,
} as const satisfies SparsityStudySettings;

export interface SparsityResult extends SaeScore {
  readonly k: number;
  readonly revived: boolean;
  readonly seed: number;
}

/**
 * Runs the study on the toy model `file`, which `runClusteredToyModel` froze: writes `results.csv`, `summary.json` and the figure
 * `sparsity-sweep` (means over seeds, bands from lowest to highest).
 */
export async function runSparsityStudy(
  settings: SparsityStudySettings,
  toyModel: { readonly file: string; readonly weight: HostTensor },
  context: ExperimentContext,
): Promise<readonly SparsityResult[]> {
  const { dSae, ks, seeds } = settings;
  const truth = await readClusteredTruth(toyModel, settings.seed);
  await mkdir(context.folder, { recursive: true });
  const results: SparsityResult[] = [];
  const own = { ...settings, decoder: 'reparametrise', init: 'spread' } as const;
  for (const auxK of [undefined, settings.auxK]) {
    const activationOf = (k: number) => ({ kind: 'topk', k, ...(auxK && { auxK }) }) as const;
    const vary = Array.from({ length: seeds }, (_, i) => settings.seed + i).flatMap(seed =>
      ks.map(k => ({ seed, k, activation: activationOf(k) })),
    );
    const label = `${ks.length} k × ${seeds} seeds${auxK ? ', with AuxK' : ''}`;
    const name = auxK ? 'auxk' : 'topk';
    const trained = await trainSaes(
      {
        ...saeSettings({ ...own, activation: activationOf(ks[0]!) }, truth.data),
        sampleSeed: settings.seed,
        vary: vary.map(({ seed, activation }) => ({ seed, activation })),
      },
      trainingOptions(context, { name, label, steps: settings.steps }),
    );
    requireFinished(trained[0]!, `the study${auxK ? ' with AuxK' : ''}`, context);
    for (const [i, { sae }] of trained.entries()) {
      const { seed, k } = vary[i]!;
      results.push({ k, revived: auxK !== undefined, seed, ...scoreClustered(sae, truth) });
    }
  }
  await writeTable(
    join(context.folder, 'results.csv'),
    results.map(({ revived, ...rest }) => ({ ...rest, revived: Number(revived) })),
  );
  await writeJson(join(context.folder, 'summary.json'), { trueL0: truth.trueL0, settings, results });
  const found = truth.directions.shape[0]!;
  const share = (name: string, revived: boolean, of: (result: SparsityResult) => number): SparsitySweepSeries => {
    const at = ks.map(k => results.filter(result => result.k === k && result.revived === revived).map(of));
    return {
      name,
      k: ks,
      share: at.map(values => mean(values)!),
      low: at.map(values => min(values)!),
      high: at.map(values => max(values)!),
      isVariant: revived,
    };
  };
  const figure = plotSparsitySweep(
    [
      share(`of ${found} features recovered`, false, ({ recovered, of }) => recovered / of),
      share('recovered with AuxK', true, ({ recovered, of }) => recovered / of),
      share(`of ${dSae} latents dead`, false, ({ dead }) => dead / dSae),
      share('dead with AuxK', true, ({ dead }) => dead / dSae),
      share('variance explained', false, ({ explainedVariance }) => explainedVariance),
    ],
    {
      trueL0: truth.trueL0,
      subtitle: `TopK ${toyModel.weight.shape[1]}→${dSae}, ${seeds} seeds each; ${truth.trueL0.toFixed(1)} represented features are active in a sample`,
    },
  );
  await context.draw('sparsity-sweep', figure);
  return results;
}
