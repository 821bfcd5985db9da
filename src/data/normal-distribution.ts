/** The standard normal distribution: P(N ≤ z), and the threshold that it exceeds with a given probability. */

/**
 * Φ(z) = P(N ≤ z), the smaller tail to 9 digits for |z| < 7.07 (Hart's rational approximation, 1968, algorithm 5666) and to 8 beyond (a
 * continued fraction), as in West, "Better approximations to cumulative normal functions" (2005).
 */
export function normalCdf(z: number): number {
  const x = Math.abs(z);
  if (x > 37) return z > 0 ? 1 : 0;
  const density = Math.exp((-x * x) / 2);
  let tail: number;
  if (x < 7.07106781186547) {
    let above = 3.52624965998911e-2 * x + 0.700383064443688;
    above = above * x + 6.37396220353165;
    above = above * x + 33.912866078383;
    above = above * x + 112.079291497871;
    above = above * x + 221.213596169931;
    above = above * x + 220.206867912376;
    let below = 8.83883476483184e-2 * x + 1.75566716318264;
    below = below * x + 16.064177579207;
    below = below * x + 86.7807322029461;
    below = below * x + 296.564248779674;
    below = below * x + 637.333633378831;
    below = below * x + 793.826512519948;
    below = below * x + 440.413735824752;
    tail = (density * above) / below;
  } else {
    tail = density / (x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))))) / Math.sqrt(2 * Math.PI);
  }
  return z > 0 ? 1 - tail : tail;
}

/** The t with P(N > t) = `probability`, by bisection: ∞ for 0, −∞ for 1. */
export function normalThreshold(probability: number): number {
  if (probability <= 0) return Number.POSITIVE_INFINITY;
  if (probability >= 1) return Number.NEGATIVE_INFINITY;
  let [low, high] = [-38, 38];
  for (let i = 0; i < 64; i++) {
    const middle = (low + high) / 2;
    // P(N > t) = Φ(−t), which keeps its digits where it is small.
    if (normalCdf(-middle) > probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
