/**
 * One colour for each true feature, the same everywhere on the page. Up to eight features take the palette of Okabe and
 * Ito, which people with any colour vision can tell apart. Its colours are CSS variables, darkened for the light theme
 * and lightened for the dark one until each has a contrast of 3 to 1 with the background. More features take viridis by
 * their index, without the part of it that the theme's background would swallow.
 */
import { interpolateViridis } from 'd3-scale-chromatic';

/** Colour of a latent that has found no true feature. */
export const UNMATCHED = 'var(--unmatched)';

const NAMED = 8;

const within = (part: number, from: number, to: number): string => interpolateViridis(from + (to - from) * part);

/**
 * The colour of viridis at `part`, from 0 to 1, without its yellow in the light theme and without its purple in the
 * dark one.
 */
export const viridis = (part: number): string => `light-dark(${within(part, 0, 0.72)}, ${within(part, 0.32, 1)})`;

/** CSS colour of true feature `index` of `count`. */
export function featureColour(index: number, count: number): string {
  if (count <= NAMED) return `var(--feature-${index})`;
  return viridis(index / Math.max(1, count - 1));
}

const resolved = new Map<string, string>();

/** A CSS colour as the browser resolves it in the present theme, for drawing on a canvas. */
export function resolvedColour(colour: string): string {
  const key = `${document.documentElement.dataset['theme']} ${colour}`;
  const known = resolved.get(key);
  if (known) return known;
  const probe = document.createElement('span');
  probe.style.color = colour;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  resolved.set(key, found);
  return found;
}
