/** A few choices side by side, one of which is in force. */
import { useId } from 'preact/hooks';

interface SegmentedProps<T extends string> {
  readonly legend: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly title: string }[];
  readonly onChange: (value: T) => void;
}

/** The choices as a group of radio buttons, so that the arrow keys move between them. */
export function Segmented<T extends string>({ legend, value, options, onChange }: SegmentedProps<T>) {
  const name = useId();
  return (
    <fieldset class="field">
      <legend class="label" style={{ padding: 0, marginBottom: '4px' }}>
        {legend}
      </legend>
      <div class="segmented">
        {options.map(option => (
          <label key={option.value}>
            <input type="radio" name={name} checked={option.value === value} onChange={() => onChange(option.value)} />
            {option.title}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
