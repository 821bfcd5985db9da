/** Sharing: the address of what is shown, and the current probe as JSON. */
import { signal } from '@preact/signals';
import { currentAddress } from '../open/address.ts';
import { link, sae, toy } from '../state/models.ts';
import { say, statusText } from '../state/notices.ts';
import { pins, probeResult } from '../state/probe.ts';
import { Dialog } from './dialog.tsx';
import { saveText } from './save-figure.ts';

export const shareOpen = signal(false);

/** The current probe: models, input and everything that came out. */
export function probeJson(): string {
  const result = probeResult.value;
  const named = (model: typeof toy.value) => model && { name: model.name, sha256: model.sha256 };
  const list = (values: Float32Array | undefined) => values && Array.from(values);
  return JSON.stringify(
    {
      toyModel: named(toy.value),
      autoencoder: named(sae.value),
      link: link.value,
      input: result && { [result.input.type]: list(result.input.values) },
      pins: Array.from(pins.value, ([latent, value]) => ({ latent, value })),
      hidden: list(result?.hidden),
      toyReconstruction: list(result?.toyReconstruction),
      features: list(result?.latents),
      reconstruction: list(result?.reconstruction),
      pinnedReconstruction: list(result?.pinnedReconstruction),
    },
    null,
    2,
  );
}

export function Share() {
  const fromFiles = [toy.value, sae.value].some(
    model => model?.source.type === 'file' || model?.source.type === 'trained',
  );
  return (
    <Dialog title="Share" open={shareOpen}>
      <label class="field">
        <span>Link to this view</span>
        <input type="text" readOnly value={currentAddress()} onFocus={event => event.currentTarget.select()} />
      </label>
      {fromFiles && (
        <p class="small quiet">A model that was opened from a file is not in the link: send the file along.</p>
      )}
      <div class="row">
        <button
          type="button"
          class="button primary"
          onClick={async () => {
            try {
              await navigator.clipboard.writeText(currentAddress());
              say('Link copied.');
            } catch {
              say('The browser did not allow copying: select the link and copy it.');
            }
          }}
        >
          Copy link
        </button>
        <button type="button" class="button" onClick={() => saveText('probe.json', 'application/json', probeJson())}>
          Save probe as JSON
        </button>
      </div>
      <p class="small quiet">
        {statusText.value || 'Each figure saves itself as SVG or PNG from the menu at its corner.'}
      </p>
    </Dialog>
  );
}
