/** One horizontal bar on a shared scale; negative values run left of zero. */

interface BarProps {
  readonly value: number;
  /** Values that reach the ends: [least, most]. */
  readonly range: readonly [number, number];
  readonly colour: string;
  readonly look?: 'solid' | 'outline' | 'faded';
}

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
