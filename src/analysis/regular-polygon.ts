/** Whether directions in a plane form a regular polygon: the star into which a toy model packs n features in two dimensions. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/** How far from regular a polygon may be. */
export interface PolygonOptions {
  /** How far each gap between neighbours may be from 360° / n, in degrees. Default 10. */
  readonly toleranceDegrees?: number;
  /** A direction shorter than this share of the longest counts as absent. Default 0.5. */
  readonly minimumLength?: number;
}

/**
 * The angles between neighbouring directions [n, 2], in degrees, in order around the circle. Their sum is 360.
 * @throws InvalidShapeError where the directions are not [n, 2]
 */
export function angularGaps({ data, shape }: HostTensor): number[] {
  if (shape.length !== 2 || shape[1] !== 2) {
    throw new InvalidShapeError(`directions in a plane must have shape [n, 2], got [${shape.join(', ')}]`);
  }
  const angles = Array.from(
    { length: shape[0]! },
    (_, i) => Math.atan2(data[2 * i + 1]!, data[2 * i]!) * (180 / Math.PI),
  );
  angles.sort((a, b) => a - b);
  return angles.map((angle, i) => (i + 1 < angles.length ? angles[i + 1]! - angle : angles[0]! + 360 - angle));
}

/** Whether all of the directions [n, 2] are there and lie at equal angles. */
export function isRegularPolygon(directions: HostTensor, options: PolygonOptions = {}): boolean {
  const { toleranceDegrees = 10, minimumLength = 0.5 } = options;
  const gaps = angularGaps(directions);
  const lengths = gaps.map((_, i) => Math.hypot(directions.data[2 * i]!, directions.data[2 * i + 1]!));
  const longest = Math.max(...lengths);
  return (
    lengths.every(length => length > minimumLength * longest) &&
    gaps.every(gap => Math.abs(gap - 360 / gaps.length) <= toleranceDegrees)
  );
}
