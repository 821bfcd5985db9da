/** Estimates how long a run takes from its settings alone, by which groups are sized. */

/**
 * Nanoseconds that a sample takes in a step besides its multiplications, and that one multiplication with its gradient
 * takes. Measured on two cores: 20 to 90 ns a sample for 5 → 2 → 5 and 2 → 5, some 10 µs a sample for 512 → 4,096.
 */
const SAMPLE = 40;
const MULTIPLICATION = 0.005;

/** Seconds on one core for `multiplications` of a sample's forward pass. */
export function secondsOf(
  { steps, batchSize }: { readonly steps: number; readonly batchSize: number },
  multiplications: number,
): number {
  return steps * batchSize * (SAMPLE + MULTIPLICATION * multiplications) * 1e-9;
}
