/**
 * Which of a few outcomes training reaches over feature density and relative importance, with the theory's boundary:
 * the phase diagram of "Toy Models of Superposition" (Elhage et al. 2022).
 */
import { InvalidShapeError } from '../errors.ts';
import { fittedAxis } from './axes.ts';
import { ink } from './colours.ts';
import type { CellMark, Colour, Figure, FigureText, LegendSample, Mark } from './figure.ts';

/** Outcomes over density and relative importance. */
export interface PhaseDiagram {
  /** Probability 1 − S that a feature is not zero, increasing, in (0, 1]. */
  readonly densities: readonly number[];
  /** Importance of the second feature relative to the first, increasing, > 0. */
  readonly relativeImportances: readonly number[];
  /** [relativeImportances][densities]: what training found, by name. */
  readonly outcomes: readonly (readonly string[])[];
}

/** A curve of theory in a phase diagram. */
export interface PhaseBoundary {
  readonly label: string;
  /** [density, relative importance] along the curve. */
  readonly points: readonly (readonly [number, number])[];
}

/** Names, colours and curves of `plotPhaseDiagram`. */
export interface PhaseDiagramOptions extends FigureText {
  /** Names of outcomes with their colours, in the legend's order; default: those found, in calm colours. */
  readonly outcomes?: readonly { readonly name: string; readonly colour: Colour }[];
  /** Theory's curves; default: `superpositionBoundary` for two features in one dimension. An empty list draws none. */
  readonly boundaries?: readonly PhaseBoundary[];
  readonly xLabel?: string;
  readonly yLabel?: string;
}

const calm: readonly Colour[] = ['#e8ecf1', '#9ec5e8', '#f2b880', '#b5d6a7', '#d3b8dd', '#f0a8a0'];
const margin = { top: 10, right: 28, bottom: 42, left: 66 };
const width = 620;
const height = 440;

/**
 * Where an antipodal pair and a dedicated feature cost the same, for n = 2 features in m = 1 dimension: at feature
 * probability p and relative importance r the pair wins where p(1 + r)/6 < min(1, r)(1/3 − p/4).
 *
 * @param relativeImportance r, above 0
 * @returns p of the boundary: 4/7 at r = 1.
 */
export function superpositionBoundary(relativeImportance: number): number {
  const least = Math.min(1, relativeImportance);
  return least / 3 / ((1 + relativeImportance) / 6 + least / 4);
}

/**
 * A coloured cell for each trained pair of density and relative importance, both on logarithmic axes.
 *
 * @throws InvalidShapeError where `outcomes` is not [relativeImportances][densities], or names one without a colour.
 */
export function plotPhaseDiagram(diagram: PhaseDiagram, options: PhaseDiagramOptions = {}): Figure {
  const { densities, relativeImportances, outcomes } = diagram;
  const { title = 'Phase diagram: two features in one dimension', subtitle } = options;
  const { xLabel = 'feature density 1 − S', yLabel = 'relative importance' } = options;
  if (outcomes.length !== relativeImportances.length || outcomes.some(row => row.length !== densities.length)) {
    throw new InvalidShapeError(`outcomes must have shape [${relativeImportances.length}, ${densities.length}]`);
  }
  const found = [...new Set(outcomes.flat())];
  const named = options.outcomes ?? found.map((name, i) => ({ name, colour: calm[i % calm.length]! }));
  const numberOf = new Map(named.map(({ name }, i) => [name, i]));
  const unnamed = found.find(name => !numberOf.has(name));
  if (unnamed !== undefined)
    throw new InvalidShapeError(`the outcome "${unnamed}" must have a colour in options.outcomes`);
  const [xEdges, yEdges] = [logEdges(densities), logEdges(relativeImportances)];
  const cells: CellMark = {
    kind: 'cells',
    xEdges,
    yEdges,
    values: outcomes.flat().map(name => numberOf.get(name)!),
    ramp: { domain: [0, Math.max(1, named.length - 1)], colours: named.map(({ colour }) => colour) },
    tooltips: outcomes.flatMap((row, i) =>
      row.map((name, j) => `${name}: density ${short(densities[j]!)}, importance ${short(relativeImportances[i]!)}`),
    ),
  };
  const [xDomain, yDomain] = [ends(xEdges), ends(yEdges)];
  const boundaries = options.boundaries ?? [{ label: 'theory', points: boundaryPoints(yDomain) }];
  const curves = boundaries.map(
    ({ label, points }): Mark => ({
      kind: 'line',
      name: label,
      points: points.filter(([x, y]) => within(x, xDomain) && within(y, yDomain)),
      colour: ink.title,
      width: 2,
      dash: '6,4',
    }),
  );
  const samples: LegendSample[] = named.map(({ name, colour }) => ({ label: name, colour, shape: 'square' }));
  for (const { label } of boundaries) samples.push({ label, colour: ink.title, shape: 'dashed' });
  return {
    name: 'phase-diagram',
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    width,
    height,
    legends: [{ kind: 'samples', samples }],
    panels: [
      {
        left: 0,
        top: 0,
        width,
        height,
        margin,
        x: { ...fittedAxis([], { type: 'log', domain: xDomain, label: xLabel }), grid: false },
        y: { ...fittedAxis([], { type: 'log', domain: yDomain, label: yLabel }), grid: false },
        frame: true,
        marks: [cells, ...curves],
      },
    ],
  };
}

function boundaryPoints([low, high]: readonly [number, number]): [number, number][] {
  return Array.from({ length: 121 }, (_, i) => {
    const r = low * (high / low) ** (i / 120);
    return [superpositionBoundary(r), r];
  });
}

/** Edges halfway (in logarithms) between centres, and as far beyond the outer ones. */
function logEdges(centres: readonly number[]): number[] {
  if (centres.length === 1) return [centres[0]! / 1.5, centres[0]! * 1.5];
  const inner = centres.slice(1).map((centre, i) => Math.sqrt(centre * centres[i]!));
  return [centres[0]! ** 2 / inner[0]!, ...inner, centres.at(-1)! ** 2 / inner.at(-1)!];
}

function ends(edges: readonly number[]): [number, number] {
  return [edges[0]!, edges.at(-1)!];
}

function within(value: number, [low, high]: readonly [number, number]): boolean {
  return value >= low && value <= high;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
