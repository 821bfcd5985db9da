/** Directions as arrows of the plane. */
import { featureColour, UNMATCHED } from './colours.ts';
import type { Frame } from './frame.ts';
import { featureOfLatent, type Matching, type Matrix } from './matching.ts';
import type { History } from './model.ts';
import { type PlaneBasis, project } from './plane-basis.ts';

export interface PlanePoint {
  readonly x: number;
  readonly y: number;
}

export interface PlaneArrow extends PlanePoint {
  readonly index: number;
  /** Where it begins; default the origin. */
  readonly from?: PlanePoint | undefined;
  readonly colour: string;
  readonly label: string;
  readonly selected?: boolean;
  /** Has found no true feature: drawn dashed. */
  readonly loose?: boolean;
}

/** Wide models show only their first arrows. */
const MOST_ARROWS = 200;

/** True directions in the plane. */
export function truthArrows(directions: Matrix, axes: PlaneBasis, selected?: number): PlaneArrow[] {
  return directions.slice(0, MOST_ARROWS).map((row, index) => {
    const [x, y] = project(axes, row, true);
    const colour = featureColour(index, directions.length);
    return { index, x, y, colour, label: directions.length <= 24 ? String(index) : '', selected: index === selected };
  });
}

export interface LatentArrowOptions {
  /** What each latent stands for; without it each has a colour of its own. */
  readonly found?: Matching | undefined;
  /** How long a direction of norm 1 is drawn. */
  readonly length: number;
  readonly selected?: number | undefined;
  /** b_dec: what the decoder adds directions to. Default the origin. */
  readonly from?: ArrayLike<number> | undefined;
}

/** b_dec in the plane. */
export function pointOf(axes: PlaneBasis, bias: ArrayLike<number> | undefined): PlanePoint {
  if (!bias || bias.length !== axes.origin.length) return { x: 0, y: 0 };
  const [x, y] = project(axes, bias);
  return { x, y };
}

/** Latents in the plane: rays from b_dec, in the colour of the true feature that each has found. */
export function latentArrows(directions: Matrix, axes: PlaneBasis, options: LatentArrowOptions): PlaneArrow[] {
  const { found, length, selected } = options;
  const from = pointOf(axes, options.from);
  return directions.slice(0, MOST_ARROWS).map((row, index) => {
    const [x, y] = project(axes, row, true);
    const feature = featureOfLatent(index, found);
    const own = found ? UNMATCHED : featureColour(index, directions.length);
    const colour = found && feature >= 0 ? featureColour(feature, found.features) : own;
    const loose = found !== undefined && feature < 0;
    const tip = { x: from.x + x * length, y: from.y + y * length };
    return { index, ...tip, from, colour, label: '', loose, selected: index === selected };
  });
}

/** Mean norm of the true directions: latents, of unit norm, are drawn this long so that the two can be compared. */
export function typicalLength(directions: Matrix): number {
  const norms = directions.map(row => Math.hypot(...row)).filter(norm => norm > 0.05);
  return norms.length > 0 ? norms.reduce((a, b) => a + b, 0) / norms.length : 1;
}

export interface Trail {
  /** x and y in turn. */
  readonly points: readonly number[];
  readonly colour: string;
}

/** Where the tips of `arrows` have been up to a moment. */
export function tipTrails(
  history: History,
  frame: Frame,
  axes: PlaneBasis,
  arrows: readonly PlaneArrow[],
  length: number,
): Trail[] {
  const past = history.directions.slice(0, frame.index + 1);
  return arrows.map(arrow => ({
    colour: arrow.colour,
    points: past
      .flatMap((rows, i) => {
        const from = pointOf(axes, history.b_dec?.[i]);
        const [x, y] = project(axes, rows[arrow.index]!, true);
        return [from.x + x * length, from.y + y * length];
      })
      .concat(arrow.x, arrow.y),
  }));
}

/** Where b_dec has been up to a moment; undefined where the history does not say. */
export function biasTrail({ b_dec }: History, frame: Frame, axes: PlaneBasis): readonly number[] | undefined {
  if (!b_dec || !frame.bias) return undefined;
  const now = pointOf(axes, frame.bias);
  return b_dec
    .slice(0, frame.index + 1)
    .flatMap(bias => {
      const { x, y } = pointOf(axes, bias);
      return [x, y];
    })
    .concat(now.x, now.y);
}

/** Half the side of a square around 0 that holds all of these, with some room. */
export function extentOf(...groups: readonly (readonly (PlanePoint | PlaneArrow)[])[]): number {
  let most = 0;
  for (const point of groups.flat()) {
    const from = ('from' in point && point.from) || { x: 0, y: 0 };
    most = Math.max(most, Math.abs(point.x), Math.abs(point.y), Math.abs(from.x), Math.abs(from.y));
  }
  return 1.16 * Math.max(most, 0.5);
}
