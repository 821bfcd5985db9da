/** The match matrix: latents against true directions in the order of the optimal matching; without a truth, against each other. */
import { computed } from '@preact/signals';
import { Figure } from '../components/figure.tsx';
import { COSINE_SCALE, HeatMap } from '../components/heat-map.tsx';
import { latentColour } from '../components/latent-chips.tsx';
import { LatentTable, STANDING_WORDS } from '../components/latent-table.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Term } from '../components/term.tsx';
import { featureColour } from '../data/colours.ts';
import { recoveryThreshold } from '../data/matching.ts';
import { latentRow, matching, type Standing } from '../state/matching.ts';
import { sae, truth } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { resource } from '../state/resource.ts';
import { rows } from '../state/rows.ts';
import { openLatent, selectedFeature, selectedLatent } from '../state/selection.ts';
import { fewRows, statistics } from '../state/statistics.ts';
import { analysis } from '../workers/analysis-client.ts';

/** The most latents and features that the matrix shows. */
const MOST_ROWS = 400;
const MOST_COLUMNS = 400;
/** The most latents that are compared with each other, where no truth is open. */
const MOST_SELF = 64;

/**
 * The latents against the true features. Features stand in their order and each one's own latent on the diagonal; the
 * other latents come below.
 */
const matrix = computed(() => {
  const found = matching.value;
  if (!found) return undefined;
  const columns = Array.from({ length: Math.min(MOST_COLUMNS, found.features) }, (_, i) => i);
  const own = columns.map(feature => found.latentOf[feature]!).filter(latent => latent >= 0);
  const taken = new Set(own);
  const rest = Array.from({ length: found.latents }, (_, i) => i).filter(latent => !taken.has(latent));
  const latents = [...own, ...rest].slice(0, MOST_ROWS);
  const values = new Float32Array(latents.length * columns.length);
  latents.forEach((latent, i) => {
    columns.forEach((feature, j) => {
      values[i * columns.length + j] = found.similarity[latent * found.features + feature]!;
    });
  });
  return { rows: latents, columns, values };
});

/** The latents that fire most often against each other, where no truth is open. */
const selfMatrix = resource(
  'The latents could not be compared',
  () => {
    const encoder = sae.value;
    if (!encoder?.runs || truth.value) return undefined;
    const density = statistics.value?.density;
    return {
      about: encoder.id,
      ask: async () => {
        const latents = Array.from({ length: encoder.codeSize }, (_, i) => i)
          .sort((a, b) => (density?.[b] ?? 0) - (density?.[a] ?? 0) || a - b)
          .slice(0, MOST_SELF)
          .sort((a, b) => a - b);
        return { rows: latents, columns: latents, values: await analysis().cosines(encoder.id, latents) };
      },
    };
  },
  () => view.value === 'matches',
);

function Summary() {
  const found = matching.value;
  if (!found) return null;
  const counts = new Map<Standing, number>();
  for (let latent = 0; latent < found.latents; latent++) {
    const { status } = latentRow(latent);
    if (status) counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  return (
    <section class="panel" aria-label="Summary">
      <div class="legend number" style={{ fontSize: '13.5px' }}>
        <span>
          <strong style={{ color: 'var(--ink)' }}>
            {found.recovered} of {found.features}
          </strong>
          true features found (cosine above {recoveryThreshold(found.features)})
        </span>
        {(['matched', 'duplicate', 'mixture', 'silent'] as const)
          .filter(status => status !== 'silent' || !fewRows.value)
          .map(status => (
            <span key={status}>
              <strong style={{ color: 'var(--ink)' }}>{counts.get(status) ?? 0}</strong>
              <Term id={status}>{status === 'silent' ? 'not seen firing' : status}</Term>
            </span>
          ))}
      </div>
      <p class="small quiet">
        Matched: {STANDING_WORDS.matched}. Duplicate: {STANDING_WORDS.duplicate}. Mixture: {STANDING_WORDS.mixture}.
      </p>
    </section>
  );
}

/**
 * The view of the match matrix. Where the true directions are known it begins with how many of them were found, and how
 * many latents stand for one of them, repeat another, or mix several.
 */
export function MatchesView() {
  const encoder = sae.value;
  const shownMatrix = matrix.value ?? selfMatrix.value;
  const features = truth.value?.inputSize ?? 0;
  const known = matching.value !== undefined;
  return (
    <>
      <Lead title="Matches">
        {known || !encoder ? (
          <>
            <Term id="cosine">Cosine</Term> of every latent with every true direction, in the order of the best
            one-to-one matching. A clean diagonal means that each feature has a latent of its own.
          </>
        ) : (
          'No toy model says what the true directions are, so latents are compared with each other. Off the diagonal, strong colours are latents that say the same thing twice.'
        )}
      </Lead>
      {encoder && shownMatrix ? (
        <>
          {known && <Summary />}
          <div class="two">
            <Figure
              title={known ? 'Latents against true directions' : 'Latents against each other'}
              note={
                rows.value && !known
                  ? `${shownMatrix.rows.length} latents that fire most; ${rows.value.origin}`
                  : undefined
              }
              name="match-matrix"
              scale={COSINE_SCALE}
              table={() => ({
                columns: ['Latent', ...shownMatrix.columns.map(column => `${known ? 'Feature' : 'Latent'} ${column}`)],
                rows: shownMatrix.rows.map((row, i) => [
                  row,
                  ...shownMatrix.values.subarray(i * shownMatrix.columns.length, (i + 1) * shownMatrix.columns.length),
                ]),
              })}
            >
              <HeatMap
                label="Matrix of cosines"
                {...shownMatrix}
                rowTitle="latent"
                columnTitle={known ? 'true feature' : 'latent'}
                rowColour={latentColour}
                columnColour={known ? column => featureColour(column, features) : latentColour}
                selectedRow={selectedLatent.value}
                selectedColumn={known ? selectedFeature.value : undefined}
                onRow={openLatent}
              />
            </Figure>
            <LatentTable only={['latent', 'status', 'cosine', 'density', 'label']} />
          </div>
        </>
      ) : (
        <Empty>{encoder ? 'Comparing…' : 'Open an autoencoder to see its matches.'}</Empty>
      )}
    </>
  );
}
