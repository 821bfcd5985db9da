/** The colours of all figures: viridis for amounts, red–white–blue for signed values, Observable's ten for series. */
import { interpolateViridis, schemeObservable10, schemeRdBu } from 'd3-scale-chromatic';
import type { Colour, ColourRamp } from './figure.ts';

/** Ink for words and frames, from strong to faint. */
export const ink = { title: '#1b1f24', text: '#3d444d', muted: '#6e7781', line: '#d0d7de', grid: '#eaeef2' } as const;

/** The colour of the background. */
export const paper: Colour = '#ffffff';

/** Accent for a single series or for directions without importance. */
export const accent: Colour = '#3b528b';

/** viridis at t in [0, 1]: dark violet for 0, yellow for 1. Numbers outside take the ends. */
export function viridis(t: number): Colour {
  return interpolateViridis(Math.min(1, Math.max(0, t)));
}

/** viridis over `domain`. */
export function viridisRamp(domain: readonly [number, number]): ColourRamp {
  return { domain, colours: sampled(interpolateViridis) };
}

/** Blue for positive, white for 0, red for negative, over −limit to limit. */
export function divergingRamp(limit: number): ColourRamp {
  return { domain: [-limit, limit], colours: sampled(interpolateRedBlue) };
}

// ColorBrewer's RdBu with a white middle, so that zeros are as the paper and small values do not look speckled.
const redToBlue: readonly Colour[] = schemeRdBu[7]!.with(3, paper);

function interpolateRedBlue(t: number): Colour {
  const at = Math.min(redToBlue.length - 2, Math.floor(t * (redToBlue.length - 1)));
  const within = t * (redToBlue.length - 1) - at;
  const channel = (colour: Colour, i: number): number => Number.parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map(i => {
    const value = (1 - within) * channel(redToBlue[at]!, i) + within * channel(redToBlue[at + 1]!, i);
    return Math.round(value).toString(16).padStart(2, '0');
  });
  return `#${mixed.join('')}`;
}

/** The colour of series number `index`; after ten they repeat. */
export function seriesColour(index: number): Colour {
  return schemeObservable10[index % schemeObservable10.length]!;
}

/** The colour of `value` in `ramp`; grey for NaN. */
export function colourOf(value: number, ramp: ColourRamp): Colour {
  const [low, high] = ramp.domain;
  if (Number.isNaN(value)) return '#e6e6e6';
  const t = Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  return ramp.colours[Math.round(t * (ramp.colours.length - 1))]!;
}

function sampled(interpolate: (t: number) => Colour): Colour[] {
  return Array.from({ length: 65 }, (_, i) => interpolate(i / 64));
}
