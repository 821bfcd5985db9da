/** A horizontal bar on a scale that it shares with others. Negative values run left of zero. */

interface BarProps {
  readonly value: number;
  /** The values at the two ends of the scale: [least, most]. */
  readonly range: readonly [number, number];
  readonly colour: string;
  /** `outline` is for a value that another bar is compared with, `faded` for the less important of two bars. Default solid. */
  readonly look?: 'solid' | 'outline' | 'faded';
}

/** A bar from 0 to `value`. */
export function Bar({ value, range: [least, most], colour, look = 'solid' }: BarProps) {
  const span = most - least || 1;
  const place = (v: number): number => (100 * (Math.max(least, Math.min(most, v)) - least)) / span;
  const zero = place(0);
  const end = place(value);
  const classes = look === 'solid' ? 'bar' : `bar ${look}`;
  return (
    <div class={classes} style={{ '--zero': `${zero}%`, '--bar': colour }}>
      <i style={{ left: `${Math.min(zero, end)}%`, width: `${Math.abs(end - zero)}%` }} />
    </div>
  );
}
