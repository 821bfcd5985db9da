/**
 * Determines when two features share one dimension: the lowest loss over restarts for each feature density and relative
 * importance, beside the boundary that theory gives ("Toy Models of Superposition", Elhage et al. 2022, "Superposition
 * as a phase change").
 */
import { join } from 'node:path';
import { sparseFeatures } from '../data/sparse-features.ts';
import { plotPhaseDiagram, superpositionBoundary } from '../plots/figure-data.ts';
import type { HostTensor } from '../tensor.ts';
import { trainToyModels } from '../training/node.ts';
import type { ExperimentContext } from './context.ts';
import { requireFinished, writeJson, writeTable } from './run-files.ts';
import { trainingOptions } from './run-options.ts';

/** The settings of the experiment. */
export interface PhaseDiagramSettings {
  /** Cells along each side. */
  readonly cells: number;
  readonly restarts: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
}

/**
 * The settings unless a caller says otherwise. In half of all starts both weights have one sign, and the model stays
 * with a single feature: few restarts would miss pairs.
 */
export const PHASE_DIAGRAM_DEFAULTS: PhaseDiagramSettings = {
  cells: 15,
  restarts: 8,
  batchSize: 1024,
  steps: 2000,
  learningRate: 3e-3,
  seed: 0,
};

/** The least feature density 1 − S; the largest is 1. */
const MIN_DENSITY = 0.05;
/** The largest importance of the second feature relative to the first; the least is 1 / this. */
const MAX_IMPORTANCE = 10;
/** A feature weaker than this share of the other is not represented. */
const ABSENT = 0.5;

/** What a model of two features in one dimension represents. */
export type Phase = 'first feature alone' | 'second feature alone' | 'antipodal pair' | 'neither';

const COLOURS: readonly { readonly name: Phase; readonly colour: string }[] = [
  { name: 'antipodal pair', colour: '#e8ecf1' },
  { name: 'first feature alone', colour: '#9ec5e8' },
  { name: 'second feature alone', colour: '#f2b880' },
  { name: 'neither', colour: '#d3b8dd' },
];

/** One cell of the phase diagram. */
export interface PhaseCell {
  readonly density: number;
  readonly relativeImportance: number;
  readonly phase: Phase;
  /** Whether training and theory agree on whether there is a pair. */
  readonly agrees: boolean;
  readonly loss: number;
  readonly weight: readonly [number, number];
}

/** The results of the experiment. */
export interface PhaseDiagramRun {
  readonly cells: readonly PhaseCell[];
  /** Share of cells where training and theory agree on whether features share the dimension. */
  readonly agreement: number;
}

/** Runs the diagram: writes `phase-diagram.csv` (a row a cell), `phase-diagram.json` and the figure `phase-diagram`. */
export async function runPhaseDiagram(
  settings: PhaseDiagramSettings,
  context: ExperimentContext,
): Promise<PhaseDiagramRun> {
  const { cells: side, restarts, batchSize, steps, learningRate, seed } = settings;
  const densities = logarithmic(MIN_DENSITY, 1, side);
  const relativeImportances = logarithmic(1 / MAX_IMPORTANCE, MAX_IMPORTANCE, side);
  const cells: PhaseCell[] = [];
  for (const [row, relativeImportance] of relativeImportances.entries()) {
    const sources = densities.map(density => sparseFeatures({ nFeatures: 2, sparsity: 1 - density }));
    const label = `importance ${relativeImportance.toFixed(2)} (${row + 1}/${side})`;
    const runs = await trainToyModels(
      {
        data: sources[0]!,
        nHidden: 1,
        importance: [1, relativeImportance],
        batchSize,
        steps,
        learningRate,
        seed: seed + row,
        vary: Array.from({ length: side * restarts }, (_, i) => ({ data: sources[i % side]!, restart: i })),
      },
      trainingOptions(context, { name: `phase-diagram-${row}`, label, steps }),
    );
    requireFinished(runs[0]!, 'the phase diagram', context);
    for (const [column, density] of densities.entries()) {
      const own = Array.from({ length: restarts }, (_, restart) => runs[restart * side + column]!.restarts[0]!);
      const best = own.reduce((least, next) => (next.trainingLoss < least.trainingLoss ? next : least));
      const weight = best.model.featureDirections();
      const phase = phaseOf(weight);
      const agrees = (phase === 'antipodal pair') === density < superpositionBoundary(relativeImportance);
      const [first, second] = weight.data as unknown as [number, number];
      cells.push({ density, relativeImportance, phase, agrees, loss: best.loss, weight: [first, second] });
    }
  }
  const agreement = cells.filter(({ agrees }) => agrees).length / cells.length;
  await writeTable(
    join(context.folder, 'phase-diagram.csv'),
    cells.map(({ weight: [first, second], agrees, ...rest }) => ({ ...rest, agrees: Number(agrees), first, second })),
  );
  await writeJson(join(context.folder, 'phase-diagram.json'), { settings, agreement, cells }, false);
  const outcomes = relativeImportances.map((_, row) =>
    cells.slice(row * side, (row + 1) * side).map(({ phase }) => phase),
  );
  await context.draw(
    'phase-diagram',
    plotPhaseDiagram(
      { densities, relativeImportances, outcomes },
      {
        outcomes: COLOURS.filter(({ name }) => outcomes.flat().includes(name)),
        subtitle: `the lowest loss of ${restarts} restarts in each of ${side} × ${side} cells`,
      },
    ),
  );
  return { cells, agreement };
}

/** The phase of a model with the weight [2, 1]. */
export function phaseOf({ data }: HostTensor): Phase {
  const [first, second] = [data[0]!, data[1]!];
  const longest = Math.max(Math.abs(first), Math.abs(second));
  if (longest < 0.1) return 'neither';
  if (Math.abs(second) < ABSENT * longest) return 'first feature alone';
  if (Math.abs(first) < ABSENT * longest) return 'second feature alone';
  return 'antipodal pair';
}

/** `count` numbers from `low` to `high`, evenly spaced on a log scale. */
function logarithmic(low: number, high: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => low * (high / low) ** (i / Math.max(1, count - 1)));
}
