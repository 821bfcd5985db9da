/** Sharing: the address of what is shown, the page as a file with its models inside, and the present probe as JSON. */
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { currentAddress, isShareable } from '../open/address.ts';
import { writePage } from '../open/page-file.ts';
import { models } from '../state/models.ts';
import { fail, say, statusText } from '../state/notices.ts';
import { exactProbe } from '../state/probe.ts';
import type { ProbeResult } from '../workers/inference-api.ts';
import { Dialog } from './dialog.tsx';
import { saveBlob, saveText } from './save-figure.ts';

/** Whether the dialog for sharing is shown. */
export const shareOpen = signal(false);
const writing = signal(false);

/** A probe as JSON: its models, its input and all results, of one and the same run. */
function probeJson(result: ProbeResult): string {
  const { request } = result;
  const named = (id: string | undefined) => {
    const model = models.value.find(candidate => candidate.id === id);
    return model && { name: model.name, sha256: model.sha256 };
  };
  const list = (values: Float32Array | undefined) => values && Array.from(values);
  return JSON.stringify(
    {
      toyModel: named(request.toy),
      autoencoder: named(request.sae),
      input: { [request.input.type]: list(request.input.values) },
      pins: request.pins,
      hidden: list(result.hidden),
      toyReconstruction: list(result.toyReconstruction),
      features: list(result.latents),
      reconstruction: list(result.reconstruction),
      pinnedReconstruction: list(result.pinnedReconstruction),
      toyThroughSae: list(result.toyThroughSae),
      toyWithPins: list(result.toyWithPins),
    },
    null,
    2,
  );
}

async function saveProbe(): Promise<void> {
  const result = await exactProbe();
  if (result) saveText('probe.json', 'application/json', probeJson(result));
  else say('There is no probe to save: open a model first.');
}

async function savePage(): Promise<void> {
  writing.value = true;
  try {
    saveBlob('monosemantic.html', await writePage());
  } catch (error) {
    fail('The page could not be written', error);
  } finally {
    writing.value = false;
  }
}

/** The dialog for sharing. It says so where the address works in this browser only. */
export function Share() {
  useEffect(() => {
    if (shareOpen.value) statusText.value = '';
  }, [shareOpen.value]);
  const canShare = isShareable();
  return (
    <Dialog title="Share" open={shareOpen}>
      <label class="field">
        <span>Link to this view</span>
        <input type="text" readOnly value={currentAddress()} onFocus={event => event.currentTarget.select()} />
      </label>
      {!canShare && (
        <p class="small" data-test="not-shareable">
          This link works in this browser only: the page is on this machine, or a model came from a file, which is kept
          here and goes nowhere. To show it to somebody else, send a page with the models inside.
        </p>
      )}
      <div class="row">
        <button
          type="button"
          class={`button${canShare ? ' primary' : ''}`}
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
        <button
          type="button"
          class={`button${canShare ? '' : ' primary'}`}
          disabled={writing.value}
          onClick={() => void savePage()}
        >
          {writing.value ? 'Writing…' : 'Save page with models'}
        </button>
        <button type="button" class="button" onClick={() => void saveProbe()}>
          Save probe as JSON
        </button>
      </div>
      <p class="small quiet">
        {statusText.value || 'Each figure saves itself as SVG, PNG or CSV from the menu at its corner.'}
      </p>
    </Dialog>
  );
}
