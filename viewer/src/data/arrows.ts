/** Directions as arrows of the plane. */
import { featureColour, UNMATCHED } from './colours.ts';
import { featureOfLatent, type Matching, type Rows } from './matching.ts';
import { type PlaneBasis, project } from './plane-basis.ts';

export interface PlaneArrow {
  readonly index: number;
  readonly x: number;
  readonly y: number;
  readonly colour: string;
  readonly label: string;
  readonly selected?: boolean;
  /** Stands for no true feature: drawn dashed. */
  readonly loose?: boolean;
}

/** Wide models show only their longest arrows. */
const MOST_ARROWS = 200;

/** True directions in the plane. */
export function truthArrows(directions: Rows, axes: PlaneBasis, selected: number | undefined): PlaneArrow[] {
  return directions.slice(0, MOST_ARROWS).map((row, index) => {
    const [x, y] = project(axes, row, true);
    const colour = featureColour(index, directions.length);
    return { index, x, y, colour, label: directions.length <= 24 ? String(index) : '', selected: index === selected };
  });
}

/** Latents in the plane, scaled to `length`, in the colour of the true feature that each stands for. */
export function latentArrows(
  directions: Rows,
  axes: PlaneBasis,
  found: Matching | undefined,
  length: number,
  selected: number | undefined,
): PlaneArrow[] {
  return directions.slice(0, MOST_ARROWS).map((row, index) => {
    const [x, y] = project(axes, row, true);
    const feature = featureOfLatent(index, found);
    const colour = found
      ? feature < 0
        ? UNMATCHED
        : featureColour(feature, found.features)
      : featureColour(index, directions.length);
    const loose = found !== undefined && feature < 0;
    return { index, x: x * length, y: y * length, colour, label: '', loose, selected: index === selected };
  });
}

/** Mean norm of the true directions: latents, of unit norm, are drawn this long so that the two can be compared. */
export function typicalLength(directions: Rows): number {
  const norms = directions.map(row => Math.hypot(...row)).filter(norm => norm > 0.05);
  return norms.length > 0 ? norms.reduce((a, b) => a + b, 0) / norms.length : 1;
}
