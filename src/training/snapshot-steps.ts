/** Steps at which to look at a training: learning happens on a log scale. */

/**
 * About `count` steps from 0 to `total`, both included, evenly spaced on a log scale as far as whole numbers allow.
 * @param include further steps (a figure's panels, for example)
 * @returns steps in ascending order, each once
 */
export function snapshotSteps(total: number, count = 60, include: readonly number[] = []): number[] {
  const steps = new Set([0, total, ...include.filter(step => step >= 0 && step <= total)]);
  // Small steps coincide when they are rounded: the finest spacing that gives at most `count` steps is taken.
  let spaced: number[] = [];
  for (let points = count; points <= 4 * count; points++) {
    const next = Array.from({ length: points }, (_, i) => Math.round(total ** (i / (points - 1))));
    const distinct = [...new Set(next)];
    if (distinct.length > count) break;
    spaced = distinct;
  }
  for (const step of spaced) if (step <= total) steps.add(step);
  return [...steps].sort((a, b) => a - b);
}
