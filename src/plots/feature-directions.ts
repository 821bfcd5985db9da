/**
 * Feature directions in two dimensions, as arrows from the origin: the picture of "Toy Models of Superposition"
 * (Elhage et al. 2022), for toy models side by side and for a dictionary as it learns them.
 */
import { InvalidShapeError, InvalidValueError } from '../errors.ts';
import { accent, ink, viridis, viridisRamp } from './colours.ts';
import type { ArrowMark, Colour, Figure, FigureText, Legend, Mark, Panel, TextMark } from './figure.ts';
import { type Matrix, type Numbers, norm, toMatrices, toRows } from './matrices.ts';

const shortest = 1e-2;
const figureWidth = 880;
const left = 48;
const right = 14;
const gap = 10;
const labelsHeight = 38;
/** Pixels kept free beyond the longest arrow, for its index. */
const indexRoom = 21;

/** Titles, colours and layout of `plotFeatureDirections`. */
export interface FeatureDirectionsOptions extends FigureText {
  /** Panel titles, one for each instance; default: none for one instance, else `instance 0`, `instance 1`, … */
  readonly labels?: readonly string[];
  /**
   * The importance of features, [n] or […, n]: colours are viridis of importance / max. Default: one colour for all.
   */
  readonly importance?: Numbers;
  /** The number of panels in a row. Default 5. */
  readonly columns?: number;
}

/**
 * One panel per instance: an arrow from the origin along each feature's direction, its index beside the tip.
 *
 * @param directions […, n, 2]; arrows shorter than 1e-2 are left out. Axes are equal, with the same limits everywhere.
 * @throws InvalidShapeError where the last dimension is not 2, or labels or importance do not fit the instances.
 */
export function plotFeatureDirections(directions: Numbers, options: FeatureDirectionsOptions = {}): Figure {
  const { columns = 5, title = 'Feature directions' } = options;
  const instances = planar(directions, 'directions');
  const labels = options.labels ?? defaultLabels(instances.length);
  if (labels.length !== instances.length) {
    throw new InvalidShapeError(
      `labels must be as many as instances: expected ${instances.length}, got ${labels.length}`,
    );
  }
  const importance = importanceRows(options.importance, instances);
  const panels = instances.map(
    (rows, i): DirectionsPanel => ({
      ...(labels[i] === '' ? {} : { label: labels[i]! }),
      rows,
      colours: importance === undefined ? rows.map(() => accent) : importanceColours(importance[i]!),
      tooltips: rows.map((row, j) => tooltip('feature', j, row, importance?.[i]?.[j])),
    }),
  );
  return directionsFigure(panels, columns, {
    name: 'feature-directions',
    title,
    ...(options.subtitle === undefined ? {} : { subtitle: options.subtitle }),
    legends: importance === undefined ? [] : [importanceLegend],
  });
}

/** Directions of an SAE at one moment of its training: one panel. */
export interface DirectionSnapshot {
  readonly label: string;
  /** [d_sae, 2]. */
  readonly directions: Numbers;
  /** Which latents fire; dead ones are drawn faint. Default: all. */
  readonly alive?: readonly boolean[];
}

/** Titles and colours of `plotDirectionSnapshots`. */
export interface DirectionSnapshotsOptions extends FigureText {
  /** Title of the first panel; default `target`. */
  readonly targetLabel?: string;
  /** The importance of the true features, [n], for their colours. Default: one colour for all. */
  readonly importance?: Numbers;
  /** Whether the target's directions are drawn dashed beneath each snapshot. Default true. */
  readonly guides?: boolean;
  /** The number of panels in a row. Default 6: the target and five steps. */
  readonly columns?: number;
}

/**
 * True directions, then a dictionary's at several steps: target → SAE@0 → SAE@5000 → …
 *
 * @param target [n, 2], in the first panel.
 * @param snapshots one panel each, after it; indices are latents' own.
 * @throws InvalidShapeError where directions are not [rows, 2] or `alive` does not fit them.
 */
export function plotDirectionSnapshots(
  target: Numbers,
  snapshots: readonly DirectionSnapshot[],
  options: DirectionSnapshotsOptions = {},
): Figure {
  const {
    columns = 6,
    guides = true,
    targetLabel = 'target',
    title = 'Directions learned by the dictionary',
  } = options;
  const rows = single(target, 'target');
  const importance = importanceRows(options.importance, [rows]);
  const first: DirectionsPanel = {
    label: targetLabel,
    rows,
    colours: importance === undefined ? rows.map(() => ink.text) : importanceColours(importance[0]!),
    tooltips: rows.map((row, j) => tooltip('feature', j, row, importance?.[0]?.[j])),
  };
  const rest = snapshots.map(({ label, directions, alive }): DirectionsPanel => {
    const latents = single(directions, `directions of ${label}`);
    if (alive !== undefined && alive.length !== latents.length) {
      throw new InvalidShapeError(`alive of ${label} must have shape [${latents.length}], got [${alive.length}]`);
    }
    return {
      label,
      rows: latents,
      colours: latents.map((_, j) => (alive?.[j] === false ? ink.line : accent)),
      tooltips: latents.map((row, j) => tooltip(alive?.[j] === false ? 'dead latent' : 'latent', j, row)),
      ...(guides ? { guides: rows } : {}),
    };
  });
  const samples: Legend = {
    kind: 'samples',
    samples: [
      { label: 'latent (decoder row)', colour: accent, shape: 'line' },
      ...(snapshots.some(({ alive }) => alive?.includes(false))
        ? [{ label: 'dead latent', colour: ink.line, shape: 'line' as const }]
        : []),
      ...(guides ? [{ label: 'true direction', colour: ink.muted, shape: 'dashed' as const }] : []),
    ],
  };
  return directionsFigure([first, ...rest], columns, {
    name: 'direction-snapshots',
    title,
    ...(options.subtitle === undefined ? {} : { subtitle: options.subtitle }),
    legends: importance === undefined ? [samples] : [importanceLegend, samples],
  });
}

interface DirectionsPanel {
  readonly label?: string;
  readonly rows: Matrix;
  readonly colours: readonly Colour[];
  readonly tooltips: readonly string[];
  /** Directions to draw faint and dashed beneath. */
  readonly guides?: Matrix;
}

const importanceLegend: Legend = {
  kind: 'ramp',
  label: 'importance / largest',
  ramp: viridisRamp([0, 1]),
  ticks: [0, 0.5, 1],
};

function directionsFigure(
  panels: readonly DirectionsPanel[],
  columns: number,
  text: Pick<Figure, 'name' | 'title' | 'subtitle' | 'legends'>,
): Figure {
  if (!Number.isInteger(columns) || columns < 1) {
    throw new InvalidValueError(`columns must be positive, a whole number; got ${columns}`);
  }
  const used = Math.min(columns, panels.length);
  const side = Math.min(280, Math.floor((figureWidth - left - right - gap * (used - 1)) / used));
  const limit = commonLimit(panels, side);
  const titleHeight = panels.some(({ label }) => label !== undefined) ? 24 : 8;
  const rows = Math.ceil(panels.length / columns);
  const rowHeight = titleHeight + side + gap;
  return {
    ...text,
    width: Math.max(420, left + right + used * side + (used - 1) * gap),
    height: rows * rowHeight + labelsHeight,
    panels: panels.map((panel, i): Panel => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const leftmost = column === 0;
      const lowest = i + columns >= panels.length;
      const ticks = axisTicks(limit);
      return {
        left: column * (side + gap) + (leftmost ? 0 : left),
        top: row * rowHeight,
        width: side + (leftmost ? left : 0) + (column === used - 1 ? right : 0),
        height: titleHeight + side + (lowest ? labelsHeight : 0),
        margin: {
          top: titleHeight,
          left: leftmost ? left : 0,
          right: column === used - 1 ? right : 0,
          bottom: lowest ? labelsHeight : 0,
        },
        ...(panel.label === undefined ? {} : { title: panel.label }),
        x: {
          type: 'linear',
          domain: [-limit, limit],
          ticks: lowest ? ticks : [],
          ...(lowest ? { label: 'hidden 0' } : {}),
        },
        y: {
          type: 'linear',
          domain: [-limit, limit],
          ticks: leftmost ? ticks : [],
          ...(leftmost ? { label: 'hidden 1' } : {}),
        },
        frame: true,
        marks: directionMarks(panel, limit, side),
      };
    }),
  };
}

function directionMarks(panel: DirectionsPanel, limit: number, side: number): Mark[] {
  const arrows: ArrowMark['data'][number][] = [];
  const tips: { readonly at: readonly [number, number]; readonly text: string }[] = [];
  for (const [i, [x = 0, y = 0]] of panel.rows.entries()) {
    if (Math.hypot(x, y) < shortest) continue;
    arrows.push({ from: [0, 0], to: [x, y], colour: panel.colours[i]!, tooltip: panel.tooltips[i]! });
    tips.push({ at: [x, y], text: String(i) });
  }
  const guides: ArrowMark['data'][number][] = (panel.guides ?? [])
    .filter(row => norm(row) >= shortest)
    .map(row => ({ from: [0, 0], to: [row[0]!, row[1]!], colour: ink.muted }));
  return [
    { kind: 'rule', at: 0, along: 'x', colour: ink.grid },
    { kind: 'rule', at: 0, along: 'y', colour: ink.grid },
    ...(guides.length > 0
      ? [{ kind: 'arrows', data: guides, width: 1.2, head: false, dash: '3,3', opacity: 0.7 } as const]
      : []),
    { kind: 'arrows', data: arrows, width: 2, head: true, outlined: true },
    indexLabels(tips, (2 * limit) / side),
  ];
}

/** Each index a few pixels beyond its tip, turned aside where another index already stands there. */
function indexLabels(
  tips: readonly { readonly at: readonly [number, number]; readonly text: string }[],
  unitsPerPixel: number,
): TextMark {
  const placed: { readonly x: number; readonly y: number; readonly text: string }[] = [];
  for (const { at, text } of tips) {
    const angle = Math.atan2(at[1], at[0]);
    const candidates = [0, 0.9, -0.9, 1.7, -1.7, 2.5, -2.5].map(turn => ({
      x: at[0] + 11 * unitsPerPixel * Math.cos(angle + turn),
      y: at[1] + 11 * unitsPerPixel * Math.sin(angle + turn),
    }));
    const free = candidates.find(candidate =>
      placed.every(label => Math.hypot(label.x - candidate.x, label.y - candidate.y) > 9 * unitsPerPixel),
    );
    placed.push({ ...(free ?? candidates[0]!), text });
  }
  return { kind: 'text', data: placed, size: 11, colour: ink.title };
}

/** The same for all panels: the longest direction and room for its index. */
function commonLimit(panels: readonly DirectionsPanel[], side: number): number {
  const longest = Math.max(0, ...panels.flatMap(({ rows, guides = [] }) => [...rows, ...guides].map(norm)));
  return longest < shortest ? 1 : longest / (1 - (2 * indexRoom) / side);
}

function axisTicks(limit: number): number[] {
  const step = 10 ** Math.floor(Math.log10(limit));
  const nice = [5, 2, 1, 0.5].map(multiple => multiple * step).find(value => value <= limit * 0.9) ?? step / 2;
  return [-nice, 0, nice];
}

function importanceColours(importance: readonly number[]): Colour[] {
  const largest = Math.max(...importance);
  return importance.map(value => viridis(largest > 0 ? value / largest : 0));
}

function importanceRows(importance: Numbers | undefined, instances: readonly Matrix[]): number[][] | undefined {
  if (importance === undefined) return undefined;
  const rows = toRows(importance, 'importance');
  const n = instances[0]?.length ?? 0;
  const given = rows.length === 1 ? instances.map(() => rows[0]!) : rows;
  if (given.length !== instances.length || given.some(row => row.length !== n)) {
    throw new InvalidShapeError(`importance must have shape [${n}] or [${instances.length}, ${n}]`);
  }
  return given;
}

function planar(directions: Numbers, name: string): Matrix[] {
  const matrices = toMatrices(directions, name);
  if (matrices.length === 0) throw new InvalidShapeError(`${name} must hold at least one instance`);
  const width = matrices[0]![0]?.length ?? 2;
  if (width !== 2) throw new InvalidShapeError(`${name} must have shape [..., n, 2]: the last dimension is ${width}`);
  return matrices;
}

function single(directions: Numbers, name: string): Matrix {
  const matrices = planar(directions, name);
  if (matrices.length !== 1) throw new InvalidShapeError(`${name} must have shape [n, 2], without leading dimensions`);
  return matrices[0]!;
}

function defaultLabels(count: number): string[] {
  return count === 1 ? [''] : Array.from({ length: count }, (_, i) => `instance ${i}`);
}

function tooltip(kind: string, index: number, row: readonly number[], importance?: number): string {
  const length = `length ${norm(row).toFixed(3)}`;
  return `${kind} ${index}: ${length}${importance === undefined ? '' : `, importance ${Number(importance.toPrecision(3))}`}`;
}
