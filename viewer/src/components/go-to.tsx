/** A field that goes to a latent's page by its number. */
import { useState } from 'preact/hooks';
import { sae } from '../state/models.ts';
import { openLatent } from '../state/selection.ts';

/** The form that takes a latent’s number and opens its page. A number that no latent has does nothing. */
export function GoTo() {
  const [text, setText] = useState('');
  const count = sae.value?.codeSize ?? 0;
  return (
    <form
      class="row go-to"
      aria-label="Go to a latent"
      onSubmit={event => {
        event.preventDefault();
        const latent = Number(text);
        if (text.trim() === '' || !Number.isInteger(latent) || latent < 0 || latent >= count) return;
        setText('');
        openLatent(latent);
      }}
    >
      <input
        type="number"
        min={0}
        max={count - 1}
        step={1}
        value={text}
        placeholder={`0 to ${count - 1}`}
        aria-label="Number of a latent"
        onInput={event => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button tiny">
        Go to latent
      </button>
    </form>
  );
}
