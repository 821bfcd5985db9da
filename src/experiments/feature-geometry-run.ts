/**
 * How many dimensions features take as they grow sparse, and which arrangements they settle in, in a model of many features of equal
 * importance (section "Geometry" of "Toy Models of Superposition", Elhage et al. 2022).
 */
import { join } from 'node:path';
import { featureDimensionality } from '../analysis/feature-dimensionality.ts';
import { createSparsityRange } from '../data/schedules.ts';
import { sparseFeatures } from '../data/sparse-features.ts';
import { type FeatureGeometryPoint, plotFeatureGeometry } from '../plots/figure-data.ts';
import { trainToyModel } from '../training/node.ts';
import type { ExperimentContext } from './context.ts';
import { requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';

/** The settings of the experiment. */
export interface FeatureGeometrySettings {
  readonly nFeatures: number;
  readonly nHidden: number;
  /** The number of sparsities, from 0 to `maxSparsity`. */
  readonly models: number;
  readonly maxSparsity: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** The settings unless a caller says otherwise. */
export const FEATURE_GEOMETRY_DEFAULTS: FeatureGeometrySettings = {
  nFeatures: 200,
  nHidden: 20,
  models: 24,
  maxSparsity: 0.97,
  batchSize: 512,
  steps: 1500,
  learningRate: 3e-3,
  seed: 0,
};

/** A stretch of neighbouring sparsities over which m / ‖W‖²_F stays within a tenth of `level`. */
export interface Plateau {
  readonly level: 1 | 0.5;
  /** Ends of the stretch in 1 / (1 − S). */
  readonly from: number;
  readonly to: number;
  /** Mean of m / ‖W‖²_F over it. */
  readonly mean: number;
  readonly sparsities: number;
}

/** The results of the experiment. */
export interface FeatureGeometry {
  readonly points: readonly FeatureGeometryPoint[];
  readonly plateaus: readonly Plateau[];
}

/** Runs the sweep: writes `results.csv` (a row a sparsity), `geometry.csv` (a row a feature), `geometry.json` and the figure `feature-geometry`. */
export async function runFeatureGeometry(
  settings: FeatureGeometrySettings,
  context: ExperimentContext,
): Promise<FeatureGeometry> {
  const { nFeatures, nHidden, models, maxSparsity, batchSize, steps, learningRate, seed } = settings;
  const range = createSparsityRange(0, maxSparsity, models, nFeatures);
  const points: FeatureGeometryPoint[] = [];
  for (let i = 0; i < models; i++) {
    const sparsity = range.data[i * nFeatures]!;
    const label = `sparsity ${sparsity.toFixed(3)} (${i + 1}/${models})`;
    const run = await trainToyModel(
      { data: sparseFeatures({ nFeatures, sparsity }), nHidden, batchSize, steps, learningRate, seed: seed + i },
      { ...trainingOptions(context, { name: `geometry-${i}`, label, steps }), stepsPerCall: 20 },
    );
    requireFinished(run, 'the sweep over sparsities', context);
    const weight = run.model.featureDirections();
    const squaredNorm = weight.data.reduce((sum, value) => sum + value ** 2, 0);
    points.push({
      sparsity,
      dimensionsPerFeature: nHidden / squaredNorm,
      dimensionalities: Array.from(featureDimensionality(weight).data),
    });
  }
  const plateaus = ([1, 0.5] as const).flatMap(level => plateauAt(level, points));
  await writeTable(
    join(context.folder, 'results.csv'),
    points.map(({ sparsity, dimensionsPerFeature, dimensionalities }) => ({
      sparsity,
      dimensions_per_feature: dimensionsPerFeature,
      mean_dimensionality: dimensionalities.reduce((sum, value) => sum + value, 0) / nFeatures,
    })),
  );
  const rows = points.flatMap(({ sparsity, dimensionsPerFeature, dimensionalities }) =>
    dimensionalities.map((dimensionality, feature) => ({
      sparsity,
      dimensions_per_feature: dimensionsPerFeature,
      feature,
      dimensionality,
    })),
  );
  await writeTable(join(context.folder, 'geometry.csv'), rows);
  await writeJson(join(context.folder, 'geometry.json'), { settings, plateaus, points }, false);
  await context.draw(
    'feature-geometry',
    plotFeatureGeometry(points, {
      title: 'Features settle in few geometries',
      subtitle: `n = ${nFeatures} features of equal importance, m = ${nHidden} dimensions, ${steps.toLocaleString('en')} steps`,
    }),
  );
  return { points, plateaus };
}

/** The longest stretch near `level`; nothing where no point is. */
function plateauAt(level: Plateau['level'], points: readonly FeatureGeometryPoint[]): Plateau[] {
  const isNear = ({ dimensionsPerFeature }: FeatureGeometryPoint): boolean =>
    Math.abs(dimensionsPerFeature - level) <= level / 10;
  let longest: FeatureGeometryPoint[] = [];
  let current: FeatureGeometryPoint[] = [];
  for (const point of points) {
    current = isNear(point) ? [...current, point] : [];
    if (current.length > longest.length) longest = current;
  }
  if (longest.length === 0) return [];
  const density = ({ sparsity }: FeatureGeometryPoint): number => 1 / (1 - sparsity);
  const mean = longest.reduce((sum, point) => sum + point.dimensionsPerFeature, 0) / longest.length;
  return [{ level, from: density(longest[0]!), to: density(longest.at(-1)!), mean, sparsities: longest.length }];
}
