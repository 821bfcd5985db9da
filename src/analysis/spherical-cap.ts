/** How much of a sphere lies within an angle of a point: the chance that a random direction is that near. */

const STEPS = 4096;

/**
 * P(cosine > `cosine`) for a uniformly random direction in `dimension` dimensions and any fixed one:
 * ∫₀^acos(cosine) sin^(dimension−2) / ∫₀^π sin^(dimension−2), by Simpson's rule. `cosine` lies in [−1, 1].
 */
export function sphericalCapShare(dimension: number, cosine: number): number {
  if (cosine >= 1) return 0;
  if (dimension === 1) return cosine >= -1 ? 0.5 : 1;
  const angle = Math.acos(Math.max(cosine, -1));
  return integrateSinePower(dimension - 2, angle) / integrateSinePower(dimension - 2, Math.PI);
}

/** ∫₀^end sin(t)^power dt. */
function integrateSinePower(power: number, end: number): number {
  const step = end / STEPS;
  let sum = 0;
  for (let i = 0; i <= STEPS; i++) {
    const weight = i === 0 || i === STEPS ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * Math.max(Math.sin(i * step), 0) ** power;
  }
  return (sum * step) / 3;
}
