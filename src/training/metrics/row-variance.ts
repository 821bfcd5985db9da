/** How much rows vary: what a squared error is compared with. */
import type { HostTensor } from '../../tensor.ts';

/** E‖x‖² − ‖E x‖² of rows [n, d], in float64; undefined where there are none. */
export function rowVariance({ data, shape }: HostTensor): number | undefined {
  const [rows, width] = shape as [number, number];
  if (rows === 0) return undefined;
  let variance = 0;
  for (let column = 0; column < width; column++) {
    // From the first row, which keeps a large mean from cancelling the variance.
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
