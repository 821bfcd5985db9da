/** The latents as chips in the colours of the true features that they found. Pressing one selects it everywhere. */
import { featureColour, UNMATCHED } from '../data/colours.ts';
import { featureOfLatent } from '../data/matching.ts';
import { shown } from '../data/numbers.ts';
import { latentRow, matching } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import { selectedLatent, toggleLatent } from '../state/selection.ts';

const MOST = 24;

/** The colour of a latent: that of the true feature it found, or a colour of its own where no truth is open. */
export function latentColour(latent: number): string {
  const found = matching.value;
  if (!found) return featureColour(latent, sae.value?.codeSize ?? 1);
  const feature = featureOfLatent(latent, found);
  return feature < 0 ? UNMATCHED : featureColour(feature, found.features);
}

/** The panel with a chip for each of the first latents of the autoencoder in view. */
export function LatentChips() {
  const count = sae.value?.codeSize ?? 0;
  if (count === 0) return null;
  return (
    <section class="panel" aria-label="Latents">
      <h2>Latents</h2>
      <div class="chips">
        {Array.from({ length: Math.min(MOST, count) }, (_, i) => latentRow(i)).map(({ latent, cosine, feature }) => (
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
      {count > MOST && (
        <p class="small quiet">
          The first {MOST} of {count}; the overview lists them all.
        </p>
      )}
    </section>
  );
}
