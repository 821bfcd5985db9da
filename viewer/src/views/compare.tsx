/** Two autoencoders compared: the latents that both have, those that only one has, and the pairs. */
import { Figure } from '../components/figure.tsx';
import { Histogram } from '../components/histogram.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Term } from '../components/term.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { counted, percent, shown } from '../data/numbers.ts';
import { manifest, openBundled } from '../open/bundled-models.ts';
import { compared, comparison, firingTogether, pairInView, SAME, shares } from '../state/comparison.ts';
import { models, other, otherId, sae, showModel } from '../state/models.ts';
import { openLatent } from '../state/selection.ts';
import type { OneWay } from '../workers/analysis-api.ts';

const ROW = 34;
const BINS = 40;

function OtherPicker() {
  const open = models.value.filter(({ kind, id }) => kind === 'sparse-autoencoder' && id !== sae.value?.id);
  const openIds = new Set(models.value.map(({ source }) => (source.type === 'bundled' ? source.id : '')));
  const bundled =
    manifest.value?.models.filter(({ kind, id }) => kind === 'sparse-autoencoder' && !openIds.has(id)) ?? [];
  return (
    <label class="field" style={{ maxWidth: '420px' }}>
      <span>Compare {sae.value?.name} with</span>
      <select
        value={otherId.value ?? ''}
        aria-label="Compare with"
        onChange={async event => {
          const id = event.currentTarget.value;
          if (id.startsWith('bundled:')) otherId.value = (await openBundled(id.slice('bundled:'.length), false))?.id;
          else otherId.value = id || undefined;
        }}
      >
        <option value="">Choose another autoencoder</option>
        {open.map(model => (
          <option key={model.id} value={model.id}>
            {model.name}
          </option>
        ))}
        {bundled.map(entry => (
          <option key={entry.id} value={`bundled:${entry.id}`}>
            {entry.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function CosineFigure({
  title,
  name,
  cosines,
}: {
  readonly title: string;
  readonly name: string;
  readonly cosines: Float32Array;
}) {
  let lowest = 0;
  for (const cosine of cosines) lowest = Math.min(lowest, cosine);
  const from = Math.max(-1, Math.floor(lowest * 10) / 10);
  const counts = new Array<number>(BINS).fill(0);
  for (const cosine of cosines) {
    const place = Math.floor((BINS * (cosine - from)) / (1 - from));
    counts[Math.max(0, Math.min(BINS - 1, place))]! += 1;
  }
  const step = (1 - from) / BINS;
  return (
    <Figure
      title={title}
      name={name}
      note="Each latent’s largest cosine with any latent of the other"
      table={() => ({
        columns: ['Cosine from', 'to', 'Latents'],
        rows: counts.map((count, i) => [from + i * step, from + (i + 1) * step, count]),
      })}
    >
      <Histogram
        label={`${title}: histogram of the largest cosine of each latent`}
        bins={{ from, to: 1, counts }}
        xTitle="largest cosine"
        yTitle="latents"
        format={value => shown(value, 1)}
      />
    </Figure>
  );
}

function Pairs() {
  const found = comparison.value;
  if (!found) return null;
  const pair = pairInView.value;
  return (
    <section class="panel" aria-label="Mutual pairs">
      <h2>
        Pairs that are each other’s nearest <span class="quiet number">{counted(found.mutual.length)}</span>
      </h2>
      <div class="grid-row head pairs">
        <span>Here</span>
        <span>There</span>
        <span>
          <Term id="cosine">Cosine</Term>
        </span>
        <span />
      </div>
      <VirtualList
        count={found.mutual.length}
        rowHeight={ROW}
        height={12 * ROW}
        label="Mutual pairs"
        row={index => {
          const a = found.mutual[index]!;
          const b = found.forward.nearest[a]!;
          const cosine = found.forward.cosines[a]!;
          const selected = pair?.[0] === a && pair[1] === b;
          return (
            <div key={a} class={`grid-row pairs${selected ? ' selected' : ''}`} style={{ height: `${ROW}px` }}>
              <button type="button" class="as-link" aria-label={`Latent ${a} here`} onClick={() => openLatent(a)}>
                {a}
              </button>
              <button
                type="button"
                class="as-link"
                aria-label={`Latent ${b} there`}
                onClick={() => {
                  const [here, there] = [sae.value, other.value];
                  if (!here || !there) return;
                  showModel(there.id);
                  otherId.value = here.id;
                  openLatent(b);
                }}
              >
                {b}
              </button>
              <span class="number">{shown(cosine, 4)}</span>
              <button
                type="button"
                class="button tiny plain"
                aria-pressed={selected}
                aria-label={`Count rows on which ${a} and ${b} fire`}
                onClick={() => {
                  pairInView.value = [a, b];
                }}
              >
                Rows
              </button>
            </div>
          );
        }}
      />
      <p class="small quiet number" role="status">
        {pair && firingTogether.value
          ? `${pair[0]} here and ${pair[1]} there fire together on ${counted(firingTogether.value.both)} rows, of ${counted(firingTogether.value.either)} on which either does (${percent(firingTogether.value.both / Math.max(1, firingTogether.value.either))}).`
          : pair
            ? 'Needs the rows to have been run through both.'
            : ''}
      </p>
    </section>
  );
}

function Only({
  title,
  found: { cosines, alone },
  here,
}: {
  readonly title: string;
  readonly found: OneWay;
  readonly here: boolean;
}) {
  return (
    <section class="panel" aria-label={title}>
      <h2>
        {title} <span class="quiet number">{counted(alone.length)}</span>
      </h2>
      <VirtualList
        count={alone.length}
        rowHeight={30}
        height={240}
        label={title}
        row={index => {
          const latent = alone[index]!;
          return (
            <div key={latent} class="grid-row only" style={{ height: '30px' }}>
              {here ? (
                <button
                  type="button"
                  class="as-link"
                  aria-label={`Latent ${latent}`}
                  onClick={() => openLatent(latent)}
                >
                  {latent}
                </button>
              ) : (
                <span>{latent}</span>
              )}
              <span class="number quiet">{shown(cosines[latent], 3)}</span>
            </div>
          );
        }}
      />
      {alone.length === 0 && <p class="small quiet">None: each has one on the other side.</p>}
    </section>
  );
}

/** The view that compares the autoencoder in view with another that the person chooses. */
export function CompareView() {
  const [here, there] = [sae.value, other.value];
  const found = comparison.value;
  const share = shares.value;
  return (
    <>
      <Lead title="Compare">
        Which <Term id="latent">latents</Term> two autoencoders share: for each, the largest{' '}
        <Term id="cosine">cosine</Term> of its direction with any of the other’s.
      </Lead>
      {here ? <OtherPicker /> : <Empty>Open an autoencoder first.</Empty>}
      {here && there && here.outputSize !== there.outputSize && (
        <Empty>
          Their directions have {here.outputSize} and {there.outputSize} dimensions: they cannot be compared.
        </Empty>
      )}
      {here && there && !found && here.outputSize === there.outputSize && (
        <progress value={compared.value} max={1} aria-label="Comparing" />
      )}
      {here && there && found && share && (
        <>
          <div class="tiles">
            <div class="tile">
              <span class="tile-value number" data-test="shared">
                {counted(share.mutual)}
              </span>
              <span class="tile-name">pairs with cosine above {SAME}</span>
            </div>
            <div class="tile">
              <span class="tile-value number">{percent(share.forward / here.codeSize)}</span>
              <span class="tile-name">of the latents here have one there</span>
            </div>
            <div class="tile">
              <span class="tile-value number">{percent(share.backward / there.codeSize)}</span>
              <span class="tile-name">of the latents there have one here</span>
            </div>
          </div>
          <div class="two">
            <CosineFigure title={`From ${here.name}`} name="compare-forward" cosines={found.forward.cosines} />
            <CosineFigure title={`From ${there.name}`} name="compare-backward" cosines={found.backward.cosines} />
          </div>
          <div class="wide-narrow">
            <Pairs />
            <div class="stack">
              <Only title="Only here" found={found.forward} here />
              <Only title="Only there" found={found.backward} here={false} />
            </div>
          </div>
        </>
      )}
    </>
  );
}
