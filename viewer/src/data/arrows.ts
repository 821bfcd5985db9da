/** Directions as arrows of the plane. */
import { featureColour, UNMATCHED } from './colours.ts';
import type { Frame } from './frame.ts';
import { featureOfLatent, type Matching, type Matrix } from './matching.ts';
import type { History } from './model.ts';
import { type PlaneBasis, project } from './plane-basis.ts';

/** A point in the coordinates of the plane, y upwards. */
export interface PlanePoint {
  readonly x: number;
  readonly y: number;
}

/** An arrow of the plane; x and y are its tip. */
export interface PlaneArrow extends PlanePoint {
  readonly index: number;
  /** Where the arrow begins. Default the origin. */
  readonly from?: PlanePoint | undefined;
  readonly colour: string;
  readonly label: string;
  readonly selected?: boolean;
  /** Whether the latent has found no true feature. Its arrow is then dashed. */
  readonly loose?: boolean;
}

/** The most arrows that are drawn; of wider models the first ones are. */
const MOST_ARROWS = 200;

/** True directions in the plane. */
export function truthArrows(directions: Matrix, axes: PlaneBasis, selected?: number): PlaneArrow[] {
  return directions.slice(0, MOST_ARROWS).map((row, index) => {
    const [x, y] = project(axes, row, true);
    const colour = featureColour(index, directions.length);
    return { index, x, y, colour, label: directions.length <= 24 ? String(index) : '', selected: index === selected };
  });
}

/** How latents are drawn as arrows. */
export interface LatentArrowOptions {
  /** The true feature of each latent. Without it each latent has a colour of its own. */
  readonly found?: Matching | undefined;
  /** How long a direction of norm 1 is drawn. */
  readonly length: number;
  readonly selected?: number | undefined;
  /** The point b_dec from which the decoder adds directions. Default the origin. */
  readonly from?: ArrayLike<number> | undefined;
}

/** The point of b_dec in the plane; the origin where there is none of the plane's width. */
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

/**
 * The mean norm of the true directions. Latents have unit norm and are drawn this long, so that the two can be
 * compared.
 */
export function typicalLength(directions: Matrix): number {
  const norms = directions.map(row => Math.hypot(...row)).filter(norm => norm > 0.05);
  return norms.length > 0 ? norms.reduce((a, b) => a + b, 0) / norms.length : 1;
}

/** The way that the tip of an arrow has gone, and the arrow's colour. */
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

/** Half the side of the square around the origin that holds all of these points and arrows, with some room. */
export function extentOf(...groups: readonly (readonly (PlanePoint | PlaneArrow)[])[]): number {
  let most = 0;
  for (const point of groups.flat()) {
    const from = ('from' in point && point.from) || { x: 0, y: 0 };
    most = Math.max(most, Math.abs(point.x), Math.abs(point.y), Math.abs(from.x), Math.abs(from.y));
  }
  return 1.16 * Math.max(most, 0.5);
}
