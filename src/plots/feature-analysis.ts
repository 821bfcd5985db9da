/**
 * Which features a toy model represents, and which of them share dimensions: the bars, W Wᵀ and bias of
 * "Toy Models of Superposition" (Elhage et al. 2022), a row for each instance.
 */

import { nice } from 'd3-array';
import { polysemanticity } from '../analysis/polysemanticity.ts';
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { colourOf, divergingRamp, ink, viridisRamp } from './colours.ts';
import type { ColourRamp, Figure, FigureText, Mark, Panel } from './figure.ts';
import { type Matrix, type Numbers, norm, toMatrices, toRows, toTensor } from './matrices.ts';
import { textWidth } from './svg-element.ts';

/** Labels and layout of `plotFeatureAnalysis`. */
export interface FeatureAnalysisOptions extends FigureText {
  /** The labels at the left of each instance's row. Default: none for one instance, otherwise `instance 0`, … */
  readonly labels?: readonly string[];
  /** The number of instances side by side. Default: 1 up to four instances, otherwise 2. */
  readonly columns?: number;
}

const mostWidth = 880;
const side = 16;
const top = 24;
const gap = 10;
const bottom = 40;
const between = 28;
const biasWidth = 14;
const ticksWidth = 30;

/**
 * For each instance one row: ‖W_i‖ as bars coloured by polysemanticity, W Wᵀ from −1 to 1, and the bias, feature 0 at
 * the top, with a thin line after feature n_hidden.
 * @param weight […, n_features, n_hidden]
 * @param bias […, n_features], or `undefined` for a model without one
 * @throws InvalidShapeError where bias or labels do not fit weight
 * @throws InvalidValueError where `columns` is no positive integer
 */
export function plotFeatureAnalysis(
  weight: Numbers,
  bias: Numbers | undefined,
  options: FeatureAnalysisOptions = {},
): Figure {
  const { title = 'Feature analysis', subtitle } = options;
  const weights = toMatrices(weight, 'weight');
  if (weights.length === 0) throw new InvalidShapeError('weight must hold at least one instance');
  const n = weights[0]!.length;
  const biases = bias === undefined ? undefined : toRows(bias, 'bias');
  if (biases !== undefined && (biases.length !== weights.length || biases[0]?.length !== n)) {
    throw new InvalidShapeError(`bias must have shape [..., ${n}], one row for each of ${weights.length} instances`);
  }
  const labels = options.labels ?? (weights.length === 1 ? [''] : weights.map((_, i) => `instance ${i}`));
  if (labels.length !== weights.length) {
    throw new InvalidShapeError(
      `labels must be as many as instances: expected ${weights.length}, got ${labels.length}`,
    );
  }
  const columns = options.columns ?? (weights.length > 4 ? 2 : 1);
  if (!Number.isInteger(columns) || columns < 1) {
    throw new InvalidValueError(`columns must be positive, a whole number; got ${columns}`);
  }
  const shared = toRows(polysemanticity(toTensor(weight)), 'polysemanticity');
  const norms = weights.map(rows => rows.map(norm));
  const [, mostShared] = nice(0, Math.max(1, ...shared.flat()), 4);
  const bars = viridisRamp([0, mostShared]);
  const longest = Math.max(1, ...norms.flat()) * 1.02;
  const labelWidth = Math.max(...labels.map(label => textWidth(label, 11))) + 12;
  const mostBlock = (mostWidth - 2 * side - (columns - 1) * between) / columns;
  const plots = mostBlock - labelWidth - ticksWidth - 2 * gap - (biases === undefined ? 0 : biasWidth);
  const square = Math.min(300, Math.floor(plots * 0.5), Math.max(130, 22 * n));
  const barsWidth = Math.min(plots - square, square * 1.6);
  const block = mostBlock - (plots - square - barsWidth);
  const rowHeight = square + gap;
  const rowCount = Math.ceil(weights.length / columns);
  const panels = weights.flatMap((rows, i): Panel[] => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return instancePanels({
      rows,
      norms: norms[i]!,
      shared: shared[i]!,
      bias: biases?.[i],
      label: labels[i]!,
      bars,
      longest,
      square,
      barsWidth,
      labelWidth,
      left: side + column * (block + between),
      top: row * rowHeight,
      first: row === 0,
      last: i + columns >= weights.length,
    });
  });
  return {
    name: 'feature-analysis',
    title,
    ...(subtitle === undefined ? {} : { subtitle }),
    width: Math.max(420, 2 * side + columns * block + (columns - 1) * between),
    height: top + rowCount * rowHeight + bottom,
    legends: [
      { kind: 'ramp', label: 'polysemanticity', ramp: bars, ticks: [0, bars.domain[1] / 2, bars.domain[1]] },
      {
        kind: 'ramp',
        label: biases === undefined ? 'Wᵢ · Wⱼ' : 'Wᵢ · Wⱼ and bias',
        ramp: divergingRamp(1),
        ticks: [-1, 0, 1],
      },
    ],
    panels,
  };
}

interface Instance {
  readonly rows: Matrix;
  readonly norms: readonly number[];
  readonly shared: readonly number[];
  readonly bias: readonly number[] | undefined;
  readonly label: string;
  readonly bars: ColourRamp;
  readonly longest: number;
  readonly square: number;
  readonly barsWidth: number;
  readonly labelWidth: number;
  readonly left: number;
  readonly top: number;
  readonly first: boolean;
  readonly last: boolean;
}

function instancePanels(instance: Instance): Panel[] {
  const { rows, norms, shared, bias, square, barsWidth, labelWidth, first, last } = instance;
  const n = rows.length;
  const hidden = rows[0]?.length ?? 0;
  const features = { type: 'linear', domain: [n - 0.5, -0.5] } as const;
  const afterHidden: Mark[] =
    hidden < n ? [{ kind: 'rule', at: hidden - 0.5, along: 'y', colour: ink.muted, width: 0.8 }] : [];
  const edges = Array.from({ length: n + 1 }, (_, i) => i - 0.5);
  const margin = { top, right: 0, bottom: last ? bottom : 0, left: 0 };
  const place = { top: instance.top, height: margin.top + square + margin.bottom };
  const barsLeft = labelWidth + ticksWidth;
  const panels: Panel[] = [
    {
      ...place,
      left: instance.left,
      width: barsLeft + barsWidth,
      margin: { ...margin, left: barsLeft },
      ...(first ? { title: 'norm ‖Wᵢ‖' } : {}),
      ...(instance.label === '' ? {} : { rowLabel: instance.label }),
      x: {
        type: 'linear',
        domain: [0, instance.longest],
        ticks: last ? [0, 0.5, 1] : [],
        ...(last ? { label: '‖Wᵢ‖' } : {}),
      },
      y: { ...features, ticks: featureTicks(n, square), ...(instance.label === '' ? { label: 'feature i' } : {}) },
      frame: false,
      marks: [
        {
          kind: 'bars',
          data: norms.map((value, i) => ({
            y: i,
            value,
            colour: colourOf(shared[i]!, instance.bars),
            ...(n <= 30
              ? { tooltip: `feature ${i}: norm ${value.toFixed(3)}, polysemanticity ${shared[i]!.toFixed(3)}` }
              : {}),
          })),
        },
        { kind: 'rule', at: 0, along: 'x', colour: ink.line },
        ...afterHidden,
      ],
    },
    {
      ...place,
      left: instance.left + barsLeft + barsWidth + gap,
      width: square,
      margin,
      ...(first ? { title: 'Wᵢ · Wⱼ' } : {}),
      x: {
        type: 'linear',
        domain: [-0.5, n - 0.5],
        ticks: last ? featureTicks(n, square) : [],
        ...(last ? { label: 'feature j' } : {}),
      },
      y: { ...features, ticks: [] },
      frame: true,
      marks: [
        {
          kind: 'cells',
          xEdges: edges,
          yEdges: edges,
          values: gram(rows),
          ramp: divergingRamp(1),
          ...gramTooltips(rows),
        },
        ...afterHidden,
      ],
    },
  ];
  if (bias !== undefined) {
    panels.push({
      ...place,
      left: instance.left + barsLeft + barsWidth + gap + square + gap,
      width: biasWidth,
      margin,
      ...(first ? { title: 'bᵢ' } : {}),
      x: { type: 'linear', domain: [0, 1], ticks: [] },
      y: { ...features, ticks: [] },
      frame: true,
      marks: [
        {
          kind: 'cells',
          xEdges: [0, 1],
          yEdges: edges,
          values: bias,
          ramp: divergingRamp(1),
          tooltips: bias.map((value, i) => `bias of feature ${i}: ${value.toFixed(3)}`),
        },
        ...afterHidden,
      ],
    });
  }
  return panels;
}

/** W Wᵀ, row-major. */
function gram(rows: Matrix): number[] {
  return rows.flatMap(a => rows.map(b => a.reduce((sum, value, k) => sum + value * b[k]!, 0)));
}

/** Tooltips for small matrices, in which one can point at a cell. */
function gramTooltips(rows: Matrix): { readonly tooltips?: readonly string[] } {
  const n = rows.length;
  if (n > 30) return {};
  const products = gram(rows);
  return {
    tooltips: products.map((value, at) => `features ${Math.floor(at / n)} and ${at % n}: ${value.toFixed(3)}`),
  };
}

/** A tick at every feature where there is room, otherwise at every fifth, tenth, … */
function featureTicks(n: number, pixels: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find(step => (pixels * step) / n >= 15) ?? n;
  return Array.from({ length: Math.ceil(n / step) }, (_, i) => i * step);
}
