// biome-ignore-all lint/a11y/useSemanticElements: rows out of sight do not exist, which no table element can say
// biome-ignore-all lint/a11y/useFocusableInteractive: what is in the cells is focusable
/**
 * All latents in a table that can be sorted by any column and filtered by number, label, density and the saved list.
 * Only the rows in sight exist.
 */
import { featureColour } from '../data/colours.ts';
import { counted, percent, shown } from '../data/numbers.ts';
import { columnsInUse, labelsOfLatents, tableOrder } from '../state/latent-table.ts';
import { latentRow, matching, type Standing } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import { openLatent, selectedLatent } from '../state/selection.ts';
import { statistics } from '../state/statistics.ts';
import {
  type Column,
  densityRange,
  descending,
  firing,
  onlySaved,
  saved,
  searched,
  sortBy,
  toggleSaved,
} from '../state/table.ts';
import { GoTo } from './go-to.tsx';
import { latentColour } from './latent-chips.tsx';
import { VirtualList } from './virtual-list.tsx';

const ROW = 34;

const TITLES: Record<Column, string> = {
  latent: 'Latent',
  status: 'Status',
  cosine: 'Feature, cosine',
  label: 'Label, F1',
  density: 'Density',
  mean: 'Mean',
  max: 'Max',
  norm: 'Norm',
  encoder: 'cos(enc, dec)',
};

/** What the table says for each standing of a latent. */
export const STANDING_WORDS: Record<Standing, string> = {
  matched: 'its own feature',
  duplicate: 'a feature that another has',
  mixture: 'no feature’s own',
  silent: 'not seen firing',
};

/** The button that saves a latent, or takes it off the saved list. */
export function Star({ latent }: { readonly latent: number }) {
  const isSaved = saved.value.has(latent);
  return (
    <button
      type="button"
      class="star"
      aria-pressed={isSaved}
      aria-label={`Save latent ${latent}`}
      onClick={() => toggleSaved(latent)}
    >
      <svg width="14" height="14" viewBox="-8 -8 16 16" aria-hidden="true">
        <path
          d="M0-7L2-2.4L7-2L3.2 1.3L4.3 6.2L0 3.6L-4.3 6.2L-3.2 1.3L-7-2L-2-2.4z"
          fill={isSaved ? 'currentColor' : 'none'}
          stroke="currentColor"
          stroke-width="1.3"
          stroke-linejoin="round"
        />
      </svg>
    </button>
  );
}

function Cell({ column, latent }: { readonly column: Column; readonly latent: number }) {
  const summary = statistics.value;
  const geometry = sae.value?.geometry;
  const found = matching.value;
  switch (column) {
    case 'latent':
      return (
        <span class="status">
          <Star latent={latent} />
          <button
            type="button"
            class="as-link status"
            aria-label={`Latent ${latent}`}
            onClick={() => openLatent(latent)}
          >
            <span class="dot" style={{ '--dot': latentColour(latent) }} />
            {latent}
          </button>
        </span>
      );
    case 'status': {
      const { status } = latentRow(latent);
      return <>{status ? STANDING_WORDS[status] : '…'}</>;
    }
    case 'cosine': {
      const { feature, cosine } = latentRow(latent);
      return (
        <span class="status">
          <span class="dot" style={{ '--dot': featureColour(feature, found?.features ?? 1) }} />
          {feature}
          <span class="quiet">{shown(cosine, 3)}</span>
        </span>
      );
    }
    case 'label': {
      const label = labelsOfLatents.value?.(latent);
      return (
        <span class="label-cell">
          <span title={label}>{label || '–'}</span>
          <span class="quiet">{label ? shown(summary?.labels?.f1[latent], 2) : ''}</span>
        </span>
      );
    }
    case 'density':
      return <>{percent(summary?.density[latent])}</>;
    case 'mean':
      return <>{shown(summary?.mean[latent], 3)}</>;
    case 'max':
      return <>{shown(summary?.max[latent], 3)}</>;
    case 'norm':
      return <>{shown(geometry?.decoderNorms[latent], 3)}</>;
    case 'encoder':
      return <>{shown(geometry?.encoderCosines?.[latent], 3)}</>;
  }
}

const WIDTHS: Record<Column, string> = {
  latent: 'minmax(92px, 0.8fr)',
  status: 'minmax(100px, 1fr)',
  cosine: 'minmax(104px, 0.9fr)',
  label: 'minmax(140px, 2fr)',
  density: 'minmax(62px, 0.7fr)',
  mean: 'minmax(64px, 0.6fr)',
  max: 'minmax(64px, 0.6fr)',
  norm: 'minmax(68px, 0.6fr)',
  encoder: 'minmax(96px, 0.7fr)',
};

const isText = (column: Column): boolean => column === 'status' || column === 'label' || column === 'latent';

interface LatentTableProps {
  /** The columns to show, as far as they have values; default all. */
  readonly only?: readonly Column[];
}

/**
 * The table of the autoencoder in view, with its filters, how many latents are listed, and the field that goes to one.
 */
export function LatentTable({ only }: LatentTableProps) {
  const model = sae.value;
  if (!model) return null;
  const columns = columnsInUse.value.filter(column => !only || only.includes(column));
  const height = 14 * ROW;
  const order = tableOrder.value;
  const grid = { gridTemplateColumns: columns.map(column => WIDTHS[column]).join(' ') };
  const sort = (column: Column): void => {
    // A column that is newly chosen shows its largest values first, and latents and their standing from the first on.
    descending.value = sortBy.value === column ? !descending.value : column !== 'latent' && column !== 'status';
    sortBy.value = column;
  };
  const filtered = order && order.length < model.codeSize;
  const clear = (): void => {
    searched.value = '';
    densityRange.value = undefined;
    onlySaved.value = false;
    firing.value = 'all';
  };
  return (
    <section class="panel" aria-label="Table of latents">
      <div class="spread">
        <h2>
          Latents{' '}
          <span class="quiet number" data-test="table-count">
            {order
              ? filtered
                ? `${counted(order.length)} of ${counted(model.codeSize)}`
                : counted(model.codeSize)
              : ''}
          </span>
        </h2>
        <GoTo />
      </div>
      <div class="row filters">
        <input
          type="search"
          aria-label={labelsOfLatents.value ? 'Search numbers and labels' : 'Search numbers'}
          placeholder={labelsOfLatents.value ? 'Search labels' : 'Search a number'}
          value={searched.value}
          onInput={event => {
            searched.value = event.currentTarget.value;
          }}
        />
        {statistics.value && (
          <select
            aria-label="Which latents"
            value={firing.value}
            onChange={event => {
              firing.value = event.currentTarget.value as typeof firing.value;
            }}
          >
            <option value="all">all latents</option>
            <option value="fired">that fired</option>
            <option value="silent">not seen firing</option>
          </select>
        )}
        <label class="check small">
          <input
            type="checkbox"
            checked={onlySaved.value}
            onChange={event => {
              onlySaved.value = event.currentTarget.checked;
            }}
          />
          Saved ({saved.value.size})
        </label>
        {filtered && (
          <button type="button" class="button tiny" onClick={clear}>
            Show all
          </button>
        )}
      </div>
      <div class="grid-scroll">
        <div role="table" aria-label="Latents" aria-rowcount={(order?.length ?? 0) + 1} class="grid-table">
          <div role="rowgroup">
            <div role="row" class="grid-row head" style={grid}>
              {columns.map(column => {
                const active = sortBy.value === column;
                return (
                  <span
                    key={column}
                    role="columnheader"
                    class={isText(column) ? 'text' : ''}
                    aria-sort={active ? (descending.value ? 'descending' : 'ascending') : 'none'}
                  >
                    <button type="button" onClick={() => sort(column)}>
                      {TITLES[column]}
                      {active ? (descending.value ? ' ↓' : ' ↑') : ''}
                    </button>
                  </span>
                );
              })}
            </div>
          </div>
          <VirtualList
            role="rowgroup"
            count={order?.length ?? 0}
            rowHeight={ROW}
            height={height}
            label="Latents"
            row={position => {
              const latent = order![position]!;
              return (
                <div
                  key={latent}
                  role="row"
                  aria-rowindex={position + 2}
                  class={`grid-row${selectedLatent.value === latent ? ' selected' : ''}`}
                  style={{ ...grid, height: `${ROW}px` }}
                >
                  {columns.map(column => (
                    <span key={column} role="cell" class={isText(column) ? 'text' : 'number'}>
                      <Cell column={column} latent={latent} />
                    </span>
                  ))}
                </div>
              );
            }}
          />
        </div>
      </div>
      {order?.length === 0 && <p class="small quiet">No latent is left.</p>}
    </section>
  );
}
