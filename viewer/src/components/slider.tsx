/** A range input that fills with a colour. */

interface SliderProps {
  /** The name that screen readers say. */
  readonly label: string;
  readonly value: number;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  /** The colour of the filled part. Default the accent colour. */
  readonly colour?: string;
  /** The id of the element, for a label elsewhere. */
  readonly id?: string;
  /** What screen readers say in place of the number. */
  readonly valueText?: string;
  readonly onInput: (value: number) => void;
}

/** A slider from `min` to `max`, by default from 0 to 1 in steps of .01, filled up to its value. */
export function Slider({ label, value, min = 0, max = 1, step = 0.01, colour, id, valueText, onInput }: SliderProps) {
  const filled = (100 * (Math.max(min, Math.min(max, value)) - min)) / (max - min || 1);
  return (
    <input
      type="range"
      aria-label={label}
      min={min}
      max={max}
      step={step}
      value={value}
      {...(id ? { id } : {})}
      {...(valueText ? { 'aria-valuetext': valueText } : {})}
      style={{ '--filled': `${filled}%`, ...(colour ? { '--thumb': colour } : {}) }}
      onInput={event => onInput(event.currentTarget.valueAsNumber)}
    />
  );
}
