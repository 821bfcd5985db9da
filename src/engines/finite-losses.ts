/** The check that every engine makes before it keeps an update. */

/** Index of the first value that is NaN or infinite, −1 where there is none. */
export function firstNotFinite(values: Float32Array): number {
  return values.findIndex(value => !Number.isFinite(value));
}
