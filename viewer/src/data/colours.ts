/**
 * One colour per true feature, the same everywhere. Up to eight features take Okabe and Ito's palette, which people with any colour
 * vision tell apart (as CSS variables: darkened for light and lightened for dark until each stands out 3 to 1); more take viridis by
 * index, of which each theme shows the part that it can.
 */
import { interpolateViridis } from 'd3-scale-chromatic';

/** Colour of a latent that has found no true feature. */
export const UNMATCHED = 'var(--unmatched)';

const NAMED = 8;

const within = (part: number, from: number, to: number): string => interpolateViridis(from + (to - from) * part);

/** Viridis at `part` from 0 to 1, in the range that can be seen: without yellow on light, without purple on dark. */
export const viridis = (part: number): string => `light-dark(${within(part, 0, 0.72)}, ${within(part, 0.32, 1)})`;

/** CSS colour of true feature `index` of `count`. */
export function featureColour(index: number, count: number): string {
  if (count <= NAMED) return `var(--feature-${index})`;
  return viridis(index / Math.max(1, count - 1));
}

const resolved = new Map<string, string>();

/** The colour as the browser resolves it in the theme of now, for what is drawn on a canvas. */
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
