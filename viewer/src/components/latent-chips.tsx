/** The latents as chips, in the colours of their true features; pressing one selects it everywhere. */
import { featureColour, UNMATCHED } from '../data/colours.ts';
import { featureOfLatent } from '../data/matching.ts';
import { latentRows, matching } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import { selectedLatent, toggleLatent } from '../state/selection.ts';
import { shown } from './figure.tsx';

const MOST = 24;

/** Colour of a latent: its true feature's, or its own where no truth is open. */
export function latentColour(latent: number): string {
  const found = matching.value;
  if (!found) return featureColour(latent, sae.value?.codeSize ?? 1);
  const feature = featureOfLatent(latent, found);
  return feature < 0 ? UNMATCHED : featureColour(feature, found.features);
}

export function LatentChips() {
  const rows = latentRows.value;
  if (rows.length === 0) return null;
  return (
    <section class="panel" aria-label="Latents">
      <h2>Latents</h2>
      <div class="chips">
        {rows.slice(0, MOST).map(({ latent, cosine, feature }) => (
          <button
            key={latent}
            type="button"
            class="chip number"
            aria-pressed={selectedLatent.value === latent}
            onClick={() => toggleLatent(latent)}
          >
            <span class="dot" style={{ '--dot': latentColour(latent) }} />
            {latent}
            {feature >= 0 && <span class="quiet">cos {shown(cosine, 2)}</span>}
          </button>
        ))}
      </div>
      {rows.length > MOST && (
        <p class="small quiet">
          The first {MOST} of {rows.length}; the matches view lists them all.
        </p>
      )}
    </section>
  );
}
