/** The share of a training step that each of its parts takes. */
import { mean } from 'd3-array';

/** `parts`: mean milliseconds of each, as of all steps `ms`; in words. */
export function partShares(parts: Readonly<Record<string, number>>, ms: readonly number[]): string {
  const whole = mean(ms)!;
  return Object.entries(parts)
    .map(([name, time]) => `${name} ${((100 * time) / whole).toFixed(0)}%`)
    .join(', ');
}
