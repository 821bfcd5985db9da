/** The variance of rows, with which a squared error is compared. */
import type { HostTensor } from '../../tensor.ts';

/** E‖x‖² − ‖E x‖² of rows [n, d], in float64; `undefined` for no rows. */
export function rowVariance({ data, shape }: HostTensor): number | undefined {
  const [rows, width] = shape as [number, number];
  if (rows === 0) return undefined;
  let variance = 0;
  for (let column = 0; column < width; column++) {
    // Differences from the first row are summed, so that a large mean does not cancel the variance.
    const origin = data[column]!;
    let sum = 0;
    let squares = 0;
    for (let at = column; at < data.length; at += width) {
      const value = data[at]! - origin;
      sum += value;
      squares += value * value;
    }
    variance += squares / rows - (sum / rows) ** 2;
  }
  return variance;
}
