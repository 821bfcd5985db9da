/** A range input that fills with a colour. */

interface SliderProps {
  readonly label: string;
  readonly value: number;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly colour?: string;
  readonly id?: string;
  readonly valueText?: string;
  readonly onInput: (value: number) => void;
}

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
