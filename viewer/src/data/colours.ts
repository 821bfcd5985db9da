/**
 * One colour per true feature, the same everywhere. Up to eight features take Okabe and Ito's palette, which people with
 * any colour vision tell apart (as CSS variables: the dark theme lightens them); more take viridis by index.
 */
import { interpolateViridis } from 'd3-scale-chromatic';

/** Colour of a latent that stands for no true feature. */
export const UNMATCHED = 'var(--unmatched)';

const NAMED = 8;

/** CSS colour of true feature `index` of `count`. */
export function featureColour(index: number, count: number): string {
  if (count <= NAMED) return `var(--feature-${index})`;
  return interpolateViridis(0.06 + (0.86 * index) / Math.max(1, count - 1));
}

/** The colour as the browser resolves it now, for what is drawn on a canvas. */
export function resolvedColour(colour: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
  return name ? getComputedStyle(document.documentElement).getPropertyValue(name).trim() : colour;
}
