/** The match matrix: latents against true directions in the order of the optimal matching, and a table of what became of each. */
import { computed, signal } from '@preact/signals';
import { cosineSimilarityMatrix } from '../../../src/analysis/cosine-similarity.ts';
import { Figure, shown } from '../components/figure.tsx';
import { HeatMap, HeatScale } from '../components/heat-map.tsx';
import { latentColour } from '../components/latent-chips.tsx';
import { LatentDetail } from '../components/latent-detail.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { featureColour } from '../data/colours.ts';
import { recoveryThreshold } from '../data/matching.ts';
import { type LatentRow, type LatentStatus, latentRows, matching } from '../state/matching.ts';
import { sae, truth } from '../state/models.ts';
import { samples, statistics } from '../state/samples.ts';
import { selectedFeature, selectedLatent, toggleLatent } from '../state/selection.ts';

/** The most latents and features that the matrix shows. */
const MOST_ROWS = 400;
const MOST_COLUMNS = 400;
/** Latents that are compared with each other where there is no truth. */
const MOST_SELF = 64;

type Column = 'latent' | 'status' | 'feature' | 'cosine' | 'density' | 'mean';

const sortBy = signal<Column>('latent');
const descending = signal(false);

const STATUS_ORDER: Record<LatentStatus, number> = { dead: 0, mixture: 1, duplicate: 2, matched: 3 };

function sortKey(row: LatentRow, column: Column): number {
  if (column === 'status') return row.status ? STATUS_ORDER[row.status] : 4;
  return row[column] ?? -1;
}

const sorted = computed(() => {
  const column = sortBy.value;
  const sign = descending.value ? -1 : 1;
  return latentRows.value.toSorted((a, b) => sign * (sortKey(a, column) - sortKey(b, column)) || a.latent - b.latent);
});

/** The matrix against the truth: features in their order, each one's own latent on the diagonal, the rest below. */
const matrix = computed(() => {
  const found = matching.value;
  if (!found) return undefined;
  const columns = Array.from({ length: Math.min(MOST_COLUMNS, found.features) }, (_, i) => i);
  const own = columns.map(feature => found.latentOf[feature]!).filter(latent => latent >= 0);
  const taken = new Set(own);
  const rest = Array.from({ length: found.latents }, (_, i) => i).filter(latent => !taken.has(latent));
  const rows = [...own, ...rest].slice(0, MOST_ROWS);
  const values = new Float32Array(rows.length * columns.length);
  rows.forEach((latent, i) => {
    columns.forEach((feature, j) => {
      values[i * columns.length + j] = found.similarity[latent * found.features + feature]!;
    });
  });
  return { rows, columns, values };
});

/** Latent against latent, those that fire most often, where there is no truth. */
const selfMatrix = computed(() => {
  const encoder = sae.value;
  if (!encoder || matching.value) return undefined;
  const density = statistics.value?.density;
  const rows = Array.from({ length: encoder.codeSize }, (_, i) => i)
    .sort((a, b) => (density?.[b] ?? 0) - (density?.[a] ?? 0) || a - b)
    .slice(0, MOST_SELF)
    .sort((a, b) => a - b);
  const width = encoder.directions.shape[1]!;
  const data = new Float32Array(rows.length * width);
  for (const [i, latent] of rows.entries()) {
    data.set(encoder.directions.data.subarray(latent * width, (latent + 1) * width), i * width);
  }
  const picked = { data, shape: [rows.length, width] };
  return { rows, columns: rows, values: cosineSimilarityMatrix(picked, picked).data };
});

const STATUS_WORDS: Record<LatentStatus, string> = {
  matched: 'its own feature',
  duplicate: 'a feature that another latent has',
  mixture: 'between features',
  dead: 'never fires',
};

function Summary() {
  const found = matching.value;
  const rows = latentRows.value;
  const count = (status: LatentStatus): number => rows.filter(row => row.status === status).length;
  if (!found) return null;
  return (
    <div class="legend number" style={{ fontSize: '13.5px' }}>
      <span>
        <strong style={{ color: 'var(--ink)' }}>
          {found.recovered} of {found.features}
        </strong>
        true features recovered (cosine above {recoveryThreshold(found.features)})
      </span>
      {(['matched', 'duplicate', 'mixture', 'dead'] as const).map(status => (
        <span key={status} title={STATUS_WORDS[status]}>
          <strong style={{ color: 'var(--ink)' }}>{count(status)}</strong> {status}
        </span>
      ))}
    </div>
  );
}

const MOST_TABLE = 300;

function LatentTable() {
  const found = matching.value;
  const columns: readonly (readonly [Column, string])[] = found
    ? [
        ['latent', 'Latent'],
        ['status', 'Status'],
        ['feature', 'Feature'],
        ['cosine', 'Cosine'],
        ['density', 'Fires'],
        ['mean', 'Mean'],
      ]
    : [
        ['latent', 'Latent'],
        ['status', 'Status'],
        ['density', 'Fires'],
        ['mean', 'Mean'],
      ];
  const rows = sorted.value;
  return (
    <section class="panel" aria-label="Table of latents">
      <h2>What became of each latent</h2>
      <Summary />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable */}
      <section class="table-scroll" tabIndex={0} aria-label="Latents">
        <table>
          <thead>
            <tr>
              {columns.map(([column, title]) => {
                const active = sortBy.value === column;
                return (
                  <th
                    key={column}
                    scope="col"
                    class={column === 'status' ? 'text' : ''}
                    aria-sort={active ? (descending.value ? 'descending' : 'ascending') : 'none'}
                  >
                    <button
                      type="button"
                      onClick={() => {
                        descending.value = active ? !descending.value : false;
                        sortBy.value = column;
                      }}
                    >
                      {title}
                      {active ? (descending.value ? ' ↓' : ' ↑') : ''}
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, MOST_TABLE).map(row => (
              // The button in the row does the same by keyboard.
              <tr
                key={row.latent}
                class={`clickable${selectedLatent.value === row.latent ? ' selected' : ''}`}
                onClick={() => toggleLatent(row.latent)}
              >
                <td>
                  <button
                    type="button"
                    class="as-link status"
                    aria-pressed={selectedLatent.value === row.latent}
                    aria-label={`Latent ${row.latent}`}
                  >
                    <span class="dot" style={{ '--dot': latentColour(row.latent) }} />
                    {row.latent}
                  </button>
                </td>
                <td class="text">{row.status ?? (row.density === undefined ? '…' : 'fires')}</td>
                {found && (
                  <>
                    <td>
                      <span class="status">
                        <span class="dot" style={{ '--dot': featureColour(row.feature, found.features) }} />
                        {row.feature}
                      </span>
                    </td>
                    <td>{shown(row.cosine, 3)}</td>
                  </>
                )}
                <td>{row.density === undefined ? '…' : `${shown(100 * row.density, 1)}%`}</td>
                <td>{row.mean === undefined ? '…' : shown(row.mean, 3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {rows.length > MOST_TABLE && (
        <p class="small quiet">
          The first {MOST_TABLE} of {rows.length} in this order.
        </p>
      )}
    </section>
  );
}

export function MatchesView() {
  const encoder = sae.value;
  const shownMatrix = matrix.value ?? selfMatrix.value;
  const features = truth.value?.inputSize ?? 0;
  const known = matching.value !== undefined;
  return (
    <>
      <Lead title="Matches">
        {known || !encoder
          ? 'Cosine of every latent with every true direction, in the order of the best one-to-one matching. A clean diagonal means that each feature has a latent of its own.'
          : 'No toy model says what the true directions are, so latents are compared with each other. Off the diagonal, strong colours are latents that say the same thing twice.'}
      </Lead>
      {encoder && shownMatrix ? (
        <div class="wide-narrow">
          <div class="stack">
            <Figure
              title={known ? 'Latents against true directions' : 'Latents against each other'}
              note={
                samples.value && !known
                  ? `${shownMatrix.rows.length} latents that fire most; ${samples.value.origin}`
                  : undefined
              }
              name="match-matrix"
              table={() => ({
                columns: ['Latent', ...shownMatrix.columns.map(column => `${known ? 'Feature' : 'Latent'} ${column}`)],
                rows: shownMatrix.rows.map((row, i) => [
                  row,
                  ...shownMatrix.values.subarray(i * shownMatrix.columns.length, (i + 1) * shownMatrix.columns.length),
                ]),
              })}
            >
              <div class="stack">
                <HeatMap
                  label="Matrix of cosines"
                  {...shownMatrix}
                  rowTitle="latent"
                  columnTitle={known ? 'true feature' : 'latent'}
                  rowColour={latentColour}
                  columnColour={known ? column => featureColour(column, features) : latentColour}
                  selectedRow={selectedLatent.value}
                  selectedColumn={known ? selectedFeature.value : undefined}
                  onRow={toggleLatent}
                />
                <HeatScale />
              </div>
            </Figure>
            <LatentTable />
          </div>
          <LatentDetail />
        </div>
      ) : (
        <Empty>Open an autoencoder to see its matches.</Empty>
      )}
    </>
  );
}
