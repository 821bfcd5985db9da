/** What is computed without an engine: the geometric median, metrics and schedules. */
import { cosineSimilarityMatrix } from '../../src/analysis/cosine-similarity.ts';
import { ExplainedVariance } from '../../src/analysis/explained-variance.ts';
import { featureDimensionality } from '../../src/analysis/feature-dimensionality.ts';
import { FiringDensity } from '../../src/analysis/firing-density.ts';
import { L0 } from '../../src/analysis/l0.ts';
import { maxFeatureSimilarity } from '../../src/analysis/max-feature-similarity.ts';
import { optimalMatching } from '../../src/analysis/optimal-matching.ts';
import { polysemanticity, polysemanticityUnnormalised } from '../../src/analysis/polysemanticity.ts';
import { createSparsityRange, importanceDecayByMin, importanceDecayByRatio } from '../../src/data/schedules.ts';
import { geometricMedian } from '../../src/models/geometric-median.ts';
import { fromNested, hostTensor, type NestedArray } from '../../src/tensor.ts';
import { type Check, compare } from './check.ts';

/** The reference makes 2,000 passes; a few points may need more than our default of 100. */
const MEDIAN_ITERATIONS = 2000;

/** The checks by the kind of file. */
export const PLAIN_CHECKS = {
  'geometric-median': checkGeometricMedian,
  metrics: checkMetrics,
  schedules: checkSchedules,
} as const satisfies Record<string, (file: never) => Check[]>;

/** The kind of a file, by what it holds; undefined where it is of none of these kinds. */
export function plainKindOf(contents: unknown): keyof typeof PLAIN_CHECKS | undefined {
  const holds = (value: unknown, ...names: readonly string[]): boolean =>
    typeof value === 'object' && value !== null && names.every(name => name in value);
  if (Array.isArray(contents) && holds(contents[0], 'points', 'median')) return 'geometric-median';
  if (holds(contents, 'sae_directions', 'hungarian')) return 'metrics';
  if (holds(contents, 'sparsity_range', 'importance_by_ratio')) return 'schedules';
  return undefined;
}

interface MedianCase {
  readonly name: string;
  readonly points: NestedArray;
  readonly median: readonly number[];
  readonly sum_of_distances: number;
}

function checkGeometricMedian(cases: readonly MedianCase[]): Check[] {
  return cases.flatMap(({ name, points, median, sum_of_distances }) => {
    const samples = fromNested(points);
    const ours = geometricMedian(samples, { maxIterations: MEDIAN_ITERATIONS });
    let sum = 0;
    for (let row = 0; row < samples.data.length; row += median.length) {
      sum += Math.hypot(...Array.from(ours.data, (value, i) => samples.data[row + i]! - value));
    }
    return [compare(`median of ${name}`, ours, median), compare(`sum of distances of ${name}`, sum, sum_of_distances)];
  });
}

type MetricsFile = Readonly<Record<string, NestedArray>> & {
  readonly hungarian: { readonly pairs: readonly [number, number][]; readonly mean_max_cosine: number };
  readonly explained_variance: number;
  readonly l0: number;
};

function checkMetrics(file: MetricsFile): Check[] {
  const tensor = (name: string) => fromNested(file[name]!);
  const similarity = cosineSimilarityMatrix(tensor('sae_directions'), tensor('true_directions'));
  const matching = optimalMatching(similarity);
  const pairs = Array.from(matching.latents, (latent, feature) => [latent, feature])
    .filter(([latent]) => latent! >= 0)
    .sort(([a], [b]) => a! - b!);
  const features = tensor('features');
  const explained = new ExplainedVariance();
  explained.add(tensor('x'), tensor('reconstruction'));
  const l0 = new L0();
  l0.add(features);
  const firing = new FiringDensity();
  firing.add(features);
  const { density } = firing.compute();
  const weight = tensor('toy_W');
  return [
    compare('cosine similarity', similarity, file['cosine_similarity']!),
    compare('largest similarity', maxFeatureSimilarity(similarity), file['max_similarity']!),
    compare('pairs of the optimal matching', fromNested(pairs), file.hungarian.pairs),
    compare('mean cosine of the optimal matching', matching.mean, file.hungarian.mean_max_cosine),
    compare('explained variance', explained.compute() ?? Number.NaN, file.explained_variance),
    compare('L0', l0.compute(), file.l0),
    compare('firing density', hostTensor(density, [density.length]), file['fire_density']!),
    compare('polysemanticity', polysemanticity(weight), file['polysemanticity']!),
    compare('polysemanticity, unnormalised', polysemanticityUnnormalised(weight), file['polysemanticity_paper']!),
    compare('feature dimensionality', featureDimensionality(weight), file['feature_dimensionality']!),
  ];
}

interface SchedulesFile {
  readonly sparsity_range: readonly { min: number; max: number; n: number; sparsity: readonly number[] }[];
  readonly importance_by_ratio: { readonly n: number; readonly ratio: number; readonly importance: readonly number[] };
  readonly importance_by_min: { readonly n: number; readonly min: number; readonly importance: readonly number[] };
}

function checkSchedules({ sparsity_range, importance_by_ratio: byRatio, importance_by_min: byMin }: SchedulesFile) {
  const ranges = sparsity_range.map(({ min, max, n, sparsity }) => {
    const { data } = createSparsityRange(min, max, n, 1);
    return compare(`sparsity from ${min} to ${max} in ${n}`, { data, shape: [n] }, sparsity);
  });
  return [
    ...ranges,
    compare('importance by ratio', importanceDecayByRatio(byRatio.n, byRatio.ratio), byRatio.importance),
    compare('importance by minimum', importanceDecayByMin(byMin.n, byMin.min), byMin.importance),
  ];
}
