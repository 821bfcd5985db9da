/** The legend of a figure and its scale of colours. */
import { type ColourScale, type LegendEntry, markPath } from './save-figure.ts';

/** The marks of a figure, each with its meaning. */
export function Legend({ entries }: { readonly entries: readonly LegendEntry[] }) {
  return (
    <div class="legend">
      {entries.map(({ mark, colour, text }) => {
        const { d, filled, width, opacity } = markPath(mark);
        return (
          <span key={text}>
            <svg width="26" height="10" viewBox="0 0 26 10" aria-hidden="true">
              <path
                d={d}
                fill={filled ? colour : 'none'}
                stroke={filled ? 'none' : colour}
                stroke-width={width}
                stroke-opacity={opacity}
                stroke-linecap={mark === 'band' ? 'round' : 'butt'}
                {...(mark === 'dashed' ? { 'stroke-dasharray': '4 3' } : {})}
              />
            </svg>
            {text}
          </span>
        );
      })}
    </div>
  );
}

/** A scale of colours between its two end values. */
export function Scale({ title, from, to, colours }: ColourScale) {
  return (
    <div class="legend number">
      <span>
        {from}
        <span aria-hidden="true" class="scale" style={{ background: `linear-gradient(90deg, ${colours.join(',')})` }} />
        {to}
      </span>
      <span>{title}</span>
    </div>
  );
}

/** The legend of the plane's arrows. */
export const PLANE_LEGEND: readonly LegendEntry[] = [
  { mark: 'band', colour: 'var(--feature-0)', text: 'true direction' },
  { mark: 'arrow', colour: 'var(--feature-0)', text: 'latent, in the colour of the feature it found' },
  { mark: 'dashed', colour: 'var(--unmatched)', text: 'latent that found none' },
  { mark: 'cross', colour: 'var(--ink)', text: 'b_dec, where latents start from' },
];

/** The legend of the point in the plane that can be dragged. */
export const POINT_LEGEND: readonly LegendEntry[] = [
  { mark: 'dot', colour: 'var(--ink)', text: 'activation' },
  { mark: 'diamond', colour: 'var(--ink)', text: 'its reconstruction' },
];
