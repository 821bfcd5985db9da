/** The check that metrics make of two sets of directions: matrices of the same width. */
import { InvalidShapeError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

/**
 * Rows and width of directions [n, d].
 * @throws InvalidShapeError where they are no matrix, or not `width` wide
 */
export function requireDirections(
  { shape }: HostTensor,
  name: string,
  width?: number,
): { readonly rows: number; readonly width: number } {
  const [rows, own] = shape;
  if (shape.length !== 2 || rows === undefined || own === undefined || (width !== undefined && own !== width)) {
    throw new InvalidShapeError(`${name} have shape [${shape.join(', ')}]: expected [n, ${width ?? 'd'}]`);
  }
  return { rows, width: own };
}
