/**
 * The panel that says which rows the statistics come from and how many of them were run, and lets the person open
 * others.
 */
import { counted } from '../data/numbers.ts';
import { chosenFiles } from '../open/dropped-files.ts';
import { openFiles } from '../open/open-files.ts';
import { bundleInUse } from '../state/bundles.ts';
import { firings } from '../state/firings.ts';
import { sae } from '../state/models.ts';
import { namesOfRows, rows } from '../state/rows.ts';
import { fewRows } from '../state/statistics.ts';

function OpenRows({ title }: { readonly title: string }) {
  return (
    <label class="button open-button tiny">
      {title}
      <input
        type="file"
        multiple
        aria-label={title}
        accept=".npy,.safetensors,.csv,.json,.txt"
        onChange={async event => {
          const input = event.currentTarget;
          await openFiles(chosenFiles([...(input.files ?? [])]));
          input.value = '';
        }}
      />
    </label>
  );
}

/** The panel for the autoencoder in view; nothing while none is open. */
export function RowsPanel() {
  const model = sae.value;
  const used = rows.value;
  const now = firings.value;
  if (!model) return null;
  const bundle = bundleInUse.value;
  if (bundle) {
    const { activations, sae: about } = bundle.bundle.manifest;
    return (
      <section class="panel rows-panel" aria-label="Rows">
        <p class="number">
          From <strong>{bundle.name}</strong>: {counted(activations.rows)} rows
          {activations.files.length > 0 && ` of ${activations.files.join(', ')}`}
          {activations.model && ` of ${activations.model.name}`}
          {activations.tensor && `, tensor ${activations.tensor}`}
          {about.fold_decoder_norm && '. Activations are multiplied by the norm of W_dec, as Neuronpedia shows them'}.
          {!model.runs && ' The autoencoder’s file is not open: samples cannot be run.'}
        </p>
      </section>
    );
  }
  if (!used) {
    return (
      <section class="panel rows-panel" aria-label="Rows">
        <p>
          No activations are open, so the page knows the weights only: not what fires, nor how often. Open activations
          of {model.inputSize} values a row (.npy or .safetensors), with labels (.csv, .txt) or tokens (.json) if you
          have them; they stay in this browser.
        </p>
        <div class="row">
          <OpenRows title="Open activations" />
        </div>
      </section>
    );
  }
  const done = now?.summary.rows ?? 0;
  return (
    <section class="panel rows-panel" aria-label="Rows">
      <p class="number">
        {used.kind === 'noise' ? (
          <>
            From {used.origin}: this tells how it answers to <strong>noise</strong>, not what it learned.
          </>
        ) : (
          <>
            From <strong>{used.origin}</strong>
            {used.kind === 'own' && `, ${counted(used.count)} rows`}
            {namesOfRows.value && `, named by ${namesOfRows.value.name}`}.
          </>
        )}{' '}
        {now?.done === false && `${counted(done)} rows so far, a sample spread over all of them.`}
        {!now && 'Running them…'}
        {now?.done && fewRows.value && 'Too few rows to tell anything of a latent that did not fire.'}
      </p>
      {!now?.done && <progress value={done} max={used.count} aria-label="Rows that were run" />}
      <div class="row">
        <OpenRows title={used.kind === 'own' ? 'Open other rows or labels' : 'Open activations'} />
      </div>
    </section>
  );
}
