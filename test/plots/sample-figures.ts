/** One small figure of each kind, from closed forms: what the snapshots show. */
import {
  type Figure,
  plotCosineHeatMap,
  plotDirectionSnapshots,
  plotFeatureAnalysis,
  plotFeatureDirections,
  plotFeatureGeometry,
  plotPhaseDiagram,
  plotRecovery,
  plotRecoveryRates,
  plotScaling,
  plotSparsitySweep,
  plotTrainingCurves,
  superpositionBoundary,
} from '../../src/plots/index.ts';

const importance = [1, 0.9, 0.81, 0.729, 0.6561];

/** n directions of equal length, evenly around the circle. */
export function star(n: number, turn = 0, length = 1): number[][] {
  return Array.from({ length: n }, (_, i) => {
    const angle = turn + (2 * Math.PI * i) / n;
    return [length * Math.cos(angle), length * Math.sin(angle)];
  });
}

const digons = [
  [1, 0],
  [-1, 0],
  [0, 1],
  [0, -1],
  [0, 0.004],
];
const orthogonal = [
  [1, 0],
  [0, 1],
  [0, 0],
  [0, 0],
  [0, 0],
];

const sweep = [2, 4, 8, 16, 24];

/** By snapshot name. */
export const sampleFigures: Readonly<Record<string, Figure>> = {
  'feature-directions': plotFeatureDirections(
    [orthogonal, digons, star(5, 0.3), star(5, 1), star(5, 1.6, 1.1), star(5, 2.2, 1.15)],
    {
      labels: ['S = 0', 'S = 0.7', 'S = 0.9', 'S = 0.93', 'S = 0.95', 'S = 0.97'],
      importance,
      title: 'Toy models of superposition',
      subtitle: 'Five features in two dimensions: the sparser they are, the more are represented',
    },
  ),
  'feature-directions-single': plotFeatureDirections(star(5, 0.3), { importance }),
  'direction-snapshots': plotDirectionSnapshots(
    star(5, 0.3, 1.1),
    [0, 5, 10, 15, 20].map((thousands, i) => ({
      label: thousands === 0 ? 'SAE@0' : `SAE@${thousands},000`,
      directions: star(5, 0.3 + 0.5 * (1 - i / 4)),
      alive: [true, true, true, true, i > 1],
    })),
    { importance },
  ),
  'feature-analysis': plotFeatureAnalysis(
    [orthogonal, digons, star(5, 0.3)],
    [
      [0, 0, 0.5, 0.4, 0.3],
      [0, 0, 0, 0, 0.2],
      [-0.3, -0.3, -0.3, -0.3, -0.3],
    ],
  ),
  'training-curves': plotTrainingCurves(
    [1, 2, 3].map(rate => ({
      name: `seed ${rate}`,
      steps: Array.from({ length: 41 }, (_, i) => i * 250),
      loss: Array.from({ length: 41 }, (_, i) => 0.05 * Math.exp(-i / (4 * rate)) + 0.001 * rate),
    })),
    { subtitle: 'Toy model 5 → 2 → 5' },
  ),
  'cosine-heat-map': plotCosineHeatMap([...star(6, 0.1).toReversed(), ...star(2, 0.6)], star(6, 0)),
  recovery: plotRecovery(
    ['gaussian', 'activations', 'spread'].map((name, i) => {
      const steps = [0, 1000, 2000, 5000, 10_000, 20_000];
      const fraction = steps.map(step => Math.min(1, 0.2 * i + (1 - Math.exp(-step / 5000)) * 0.6));
      const shifted = (by: number): number[] => fraction.map(value => Math.min(1, Math.max(0, value + by)));
      return { name, steps, fraction, low: shifted(-0.07), high: shifted(0.06) };
    }),
    { chance: 0.08 },
  ),
  'recovery-rates': plotRecoveryRates(
    ['all five features', 'each feature'].flatMap((measure, at) =>
      ['gaussian', 'activations', 'spread'].flatMap((group, i) =>
        ['step 0', 'step 20,000'].map((series, j) => {
          const rate = (i + j + at) / 4;
          return { group, series, measure, rate, low: Math.max(0, rate - 0.1), high: Math.min(1, rate + 0.08) };
        }),
      ),
    ),
    { subtitle: '64 seeds; cosine > 0.98; Wilson 95% intervals' },
  ),
  'feature-geometry': plotFeatureGeometry(
    Array.from({ length: 9 }, (_, i) => ({
      sparsity: 1 - 10 ** (-i / 4),
      dimensionsPerFeature: 1 / (1 + Math.min(1, i / 5)),
      dimensionalities: [0, 3 / 8, 2 / 5, 1 / 2, 2 / 3, 3 / 4, 1].slice(0, 7 - (i % 3)),
    })),
    { subtitle: 'n = 200 features, m = 20 dimensions, equal importance' },
  ),
  'phase-diagram': plotPhaseDiagram(phases()),
  scaling: plotScaling(
    [
      { name: 'ONNX Runtime', sizes: [512, 1024, 4096, 16_384], milliseconds: [6, 11, 45, 150] },
      { name: 'PyTorch', sizes: [512, 1024, 4096, 16_384], milliseconds: [25, 50, 190, 1300], dashed: true },
    ],
    { subtitle: 'TopK SAE with Adam, batch 1024' },
  ),
  'sparsity-sweep': plotSparsitySweep(
    [
      { name: 'recovered', share: (k: number) => 1 / (1 + (k / 12) ** 4) },
      { name: 'recovered, revived', share: (k: number) => 1 / (1 + (k / 14) ** 4), isVariant: true },
      { name: 'variance explained', share: (k: number) => 1 - Math.exp(-k / 4) },
    ].map(({ share, ...rest }) => ({
      ...rest,
      k: sweep,
      share: sweep.map(share),
      low: sweep.map(k => Math.max(0, share(k) - 0.05)),
      high: sweep.map(k => Math.min(1, share(k) + 0.05)),
    })),
    { trueL0: 10.3, subtitle: 'TopK 25→100' },
  ),
};

function phases(): Parameters<typeof plotPhaseDiagram>[0] {
  const densities = Array.from({ length: 12 }, (_, i) => 10 ** (-2 + (2 * i) / 11));
  const relativeImportances = Array.from({ length: 11 }, (_, i) => 10 ** (-1 + i / 5));
  return {
    densities,
    relativeImportances,
    outcomes: relativeImportances.map(r =>
      densities.map(p =>
        p < superpositionBoundary(r) ? 'antipodal pair' : r < 1 ? 'first feature' : 'second feature',
      ),
    ),
  };
}
