/**
 * The geometry of features as sparsity grows: dimensions per feature, and each feature's dimensionality, as in
 * "Toy Models of Superposition" (Elhage et al. 2022).
 */
import { InvalidValueError } from '../errors.ts';
import { fittedAxis } from './axes.ts';
import { accent, ink } from './colours.ts';
import type { Figure, FigureText, Mark, Panel } from './figure.ts';

/** One toy model: its sparsity, and the hidden dimensions it spends on a feature. */
export interface FeatureGeometryPoint {
  /** Probability S that a feature is zero, in [0, 1). */
  readonly sparsity: number;
  /** The hidden dimensions per feature, m / ‖W‖²_F. */
  readonly dimensionsPerFeature: number;
  /** The dimensionality D_i of each feature. */
  readonly dimensionalities: readonly number[];
}

/** Dimensionalities of the regular arrangements that features settle in; `labelAt` keeps close labels apart. */
const arrangements = [
  { value: 3 / 4, labelAt: 0.75, label: '3/4 tetrahedron' },
  { value: 2 / 3, labelAt: 2 / 3, label: '2/3 triangle' },
  { value: 1 / 2, labelAt: 0.5, label: '1/2 antipodal pair' },
  { value: 2 / 5, labelAt: 0.413, label: '2/5 pentagon' },
  { value: 3 / 8, labelAt: 0.362, label: '3/8 square antiprism' },
] as const;

const width = 880;
const height = 360;
const labelRoom = 122;

/**
 * Two panels against 1 / (1 − S), logarithmic: m / ‖W‖²_F with its plateaus at 1 and 1/2, and every D_i with the lines
 * 3/4, 2/3, 1/2, 2/5 and 3/8. Features that are not represented (D_i < 0.02) stay on the floor and are drawn faint.
 *
 * @throws InvalidValueError for a sparsity outside [0, 1).
 */
export function plotFeatureGeometry(points: readonly FeatureGeometryPoint[], options: FigureText = {}): Figure {
  const { title = 'Feature geometry', subtitle } = options;
  for (const { sparsity } of points) {
    if (!(sparsity >= 0 && sparsity < 1)) throw new InvalidValueError(`sparsity must be in [0, 1), got ${sparsity}`);
  }
  const sorted = points.toSorted((a, b) => a.sparsity - b.sparsity);
  const density = (point: FeatureGeometryPoint): number => 1 / (1 - point.sparsity);
  const x = fittedAxis(sorted.map(density), { type: 'log', label: '1 / (1 − S)' });
  const panelWidth = (width - labelRoom + 20) / 2;
  const margin = { top: 26, right: 18, bottom: 44, left: 56 };
  const common = { top: 0, height, x, frame: false } as const;
  const dimensions: Panel = {
    ...common,
    left: 0,
    width: panelWidth,
    margin,
    title: 'dimensions per feature',
    y: fittedAxis(
      sorted.map(point => point.dimensionsPerFeature),
      { label: 'm / ‖W‖²', include: [0, 1.1] },
    ),
    marks: [
      ...[1, 1 / 2].map((at): Mark => ({ kind: 'rule', at, along: 'y', colour: ink.muted, dash: '4,3' })),
      {
        kind: 'line',
        name: 'm / ‖W‖²',
        points: sorted.map(point => [density(point), point.dimensionsPerFeature] as const),
        colour: accent,
        dots: true,
      },
    ],
  };
  const floor = 0.02;
  const scatter = sorted.flatMap(point => point.dimensionalities.map(value => ({ x: density(point), y: value })));
  const right = x.domain[1] as number;
  const dimensionality: Panel = {
    ...common,
    left: panelWidth - 6,
    width: panelWidth + labelRoom - 14,
    margin: { ...margin, right: labelRoom },
    title: 'dimensionality of each feature',
    y: { type: 'linear', domain: [0, 1.05], ticks: [0, 0.25, 0.5, 0.75, 1], label: 'Dᵢ', grid: true },
    marks: [
      ...arrangements.map(
        ({ value }): Mark => ({ kind: 'rule', at: value, along: 'y', colour: ink.muted, dash: '4,3' }),
      ),
      { kind: 'dots', data: scatter.filter(p => p.y < floor), colour: accent, radius: 2, opacity: 0.15 },
      { kind: 'dots', name: 'Dᵢ', data: scatter.filter(p => p.y >= floor), colour: accent, radius: 2, opacity: 0.45 },
      {
        kind: 'text',
        data: arrangements.map(({ labelAt, label }) => ({ x: right, y: labelAt, text: label })),
        anchor: 'start',
        dx: 6,
        size: 10,
        colour: ink.text,
      },
    ],
  };
  return {
    name: 'feature-geometry',
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    width,
    height,
    legends: [],
    panels: [dimensions, dimensionality],
  };
}
