/** One latent: the rows on which it fires, how often and how strongly, the latents near it, and its direction. */
import { Examples } from '../components/examples.tsx';
import { Figure } from '../components/figure.tsx';
import { GoTo } from '../components/go-to.tsx';
import { Histogram } from '../components/histogram.tsx';
import { latentColour } from '../components/latent-chips.tsx';
import { STANDING_WORDS, Star } from '../components/latent-table.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { RowsPanel } from '../components/rows-panel.tsx';
import { saveText } from '../components/save-figure.ts';
import { Term } from '../components/term.tsx';
import type { Model } from '../data/model.ts';
import { counted, percent, shown } from '../data/numbers.ts';
import { bundleInUse } from '../state/bundles.ts';
import { type LatentOnPage, latentInView, latentPage, weightsOfLatent } from '../state/latent-page.ts';
import { labelsOfLatents, tableOrder } from '../state/latent-table.ts';
import { latentRow } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import { rows } from '../state/rows.ts';
import { openLatent, selectedLatent } from '../state/selection.ts';
import { fewRows, statisticsDone } from '../state/statistics.ts';

/** How many dimensions of a direction are listed. */
const STRONGEST = 10;

/** The latent before or after this one in the table's order; by number where the table does not list it. */
function neighbourInOrder(latent: number, step: 1 | -1, count: number): number {
  const order = tableOrder.value;
  const at = order?.indexOf(latent) ?? -1;
  if (!order || at < 0) return (latent + step + count) % count;
  return order[(at + step + order.length) % order.length]!;
}

function Steps({ latent, count }: { readonly latent: number; readonly count: number }) {
  return (
    <div class="row">
      <button
        type="button"
        class="button tiny"
        onClick={() => {
          selectedLatent.value = neighbourInOrder(latent, -1, count);
        }}
      >
        Previous
      </button>
      <button
        type="button"
        class="button tiny"
        onClick={() => {
          selectedLatent.value = neighbourInOrder(latent, 1, count);
        }}
      >
        Next
      </button>
      <button
        type="button"
        class="button tiny"
        onClick={() => {
          const order = tableOrder.value;
          const at = Math.floor(Math.random() * (order?.length || count));
          selectedLatent.value = order?.[at] ?? at;
        }}
      >
        Random
      </button>
      <GoTo />
    </div>
  );
}

function latentJson(model: Model, latent: number): string {
  const weights = weightsOfLatent.value;
  const page = latentPage.value;
  return JSON.stringify(
    {
      autoencoder: { name: model.name, sha256: model.sha256 },
      latent,
      rows: page && { origin: page.origin, count: page.rows },
      density: page && page.count / page.rows,
      max: page?.max,
      mean: page?.mean,
      histogram: page?.histogram,
      top: page?.top.map(({ row, value, label, context }) => ({
        row,
        value,
        ...(label !== undefined && { label }),
        ...(context && { context: { ...context, values: Array.from(context.values) } }),
      })),
      together: page?.together,
      labels: page?.labels,
      nearest: weights?.nearest ?? page?.nearest,
      logits: page?.logits,
      rule: page?.rule,
      explanations: page?.explanations,
      encoderDecoderCosine: model.geometry?.encoderCosines?.[latent],
      direction: weights && Array.from(weights.direction),
    },
    null,
    2,
  );
}

function Numbers({ model, latent }: { readonly model: Model; readonly latent: number }) {
  const page = latentPage.value;
  const row = latentRow(latent);
  const { geometry } = model;
  return (
    <section class="panel" aria-label="Numbers">
      <h2>Numbers</h2>
      <dl class="readout">
        {row.status && (
          <>
            <dt>Status</dt>
            <dd>{STANDING_WORDS[row.status]}</dd>
          </>
        )}
        {row.feature >= 0 && (
          <>
            <dt>{row.status === 'matched' ? 'True feature' : 'Nearest true feature'}</dt>
            <dd>
              {row.feature}, cosine {shown(row.cosine, 3)}
            </dd>
          </>
        )}
        {page && (
          <>
            <dt>
              <Term id="density">Fires on</Term>
            </dt>
            <dd data-test="fires-on">
              {page.count === 0 && !fewRows.value
                ? `none of ${counted(page.rows)} rows`
                : page.count === 0
                  ? `not seen in ${counted(page.rows)} rows: too few to tell`
                  : `${counted(page.count)} of ${counted(page.rows)} rows, ${percent(page.count / page.rows)}`}
            </dd>
            {page.count > 0 && (
              <>
                <dt>Largest activation</dt>
                <dd>{shown(page.max, 4)}</dd>
                <dt>Mean where it fires</dt>
                <dd>{shown(page.mean, 4)}</dd>
              </>
            )}
          </>
        )}
        {geometry && (
          <>
            <dt>Norm of W_dec</dt>
            <dd>{shown(geometry.decoderNorms[latent], 4)}</dd>
          </>
        )}
        {geometry?.encoderCosines && (
          <>
            <dt>
              <Term id="cosine">cos(encoder, decoder)</Term>
            </dt>
            <dd>{shown(geometry.encoderCosines[latent], 4)}</dd>
          </>
        )}
        {geometry?.encoderBias && (
          <>
            <dt>b_enc</dt>
            <dd>{shown(geometry.encoderBias[latent], 4)}</dd>
          </>
        )}
      </dl>
    </section>
  );
}

interface CompanyProps {
  readonly title: string;
  readonly term: 'cosine' | 'co-activation' | 'jaccard';
  readonly entries: readonly { readonly latent: number; readonly value: number; readonly more?: string }[];
  readonly symbol: string;
}

function Company({ title, term, entries, symbol }: CompanyProps) {
  return (
    <section class="panel" aria-label={title}>
      <h2>
        {title} <Term id={term}>{symbol}</Term>
      </h2>
      <ol class="company">
        {entries.map(({ latent, value, more }) => (
          <li key={latent}>
            <button
              type="button"
              class="as-link status"
              aria-label={`Latent ${latent}`}
              onClick={() => openLatent(latent)}
            >
              <span class="dot" style={{ '--dot': latentColour(latent) }} />
              {latent}
            </button>
            <span class="quiet ellipsis">{more ?? labelsOfLatents.value?.(latent) ?? ''}</span>
            <span class="number">{shown(value, 3)}</span>
          </li>
        ))}
      </ol>
      {entries.length === 0 && <p class="small quiet">None.</p>}
    </section>
  );
}

function Direction({ latent }: { readonly latent: number }) {
  const direction = weightsOfLatent.value?.direction;
  if (!direction) return null;
  const strongest = Array.from(direction, (value, dimension) => ({ dimension, value }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, STRONGEST);
  const reach = Math.abs(strongest[0]?.value ?? 1) || 1;
  return (
    <Figure
      title="Direction"
      name={`latent-${latent}-direction`}
      note={`The ${strongest.length} strongest of ${counted(direction.length)} dimensions`}
      table={() => ({ columns: ['Dimension', 'Value'], rows: Array.from(direction, (value, i) => [i, value]) })}
    >
      <svg
        width="100%"
        height={strongest.length * 22 + 4}
        viewBox={`0 0 300 ${strongest.length * 22 + 4}`}
        preserveAspectRatio="xMidYMid meet"
        role="img"
        aria-label={`Strongest dimensions of latent ${latent}`}
      >
        <path d={`M170 0V${strongest.length * 22}`} stroke="var(--line-strong)" />
        {strongest.map(({ dimension, value }, i) => {
          const length = (110 * Math.abs(value)) / reach;
          return (
            <g key={dimension} font-size="12">
              <text x="34" y={i * 22 + 15} text-anchor="end" fill="var(--quiet)">
                {dimension}
              </text>
              <rect
                x={value < 0 ? 170 - length : 170}
                y={i * 22 + 4}
                width={Math.max(1, length)}
                height="14"
                rx="2"
                fill={value < 0 ? 'var(--negative)' : 'var(--accent)'}
              />
              <text
                x={value < 0 ? 176 : 164}
                y={i * 22 + 15}
                text-anchor={value < 0 ? 'start' : 'end'}
                fill="var(--ink)"
              >
                {shown(value, 3)}
              </text>
            </g>
          );
        })}
      </svg>
    </Figure>
  );
}

function Labels({ page }: { readonly page: LatentOnPage }) {
  if (page.labels.length === 0) return null;
  return (
    <section class="panel" aria-label="Labels">
      <h2>
        Labels that it detects, <Term id="f1">F1</Term>
      </h2>
      <ol class="company">
        {page.labels.map(({ name, rows: both, of, f1 }) => (
          <li key={name}>
            <span class="ellipsis" title={name}>
              {name}
            </span>
            <span class="quiet number">
              {counted(both)} of {counted(of)}
            </span>
            <span class="number">{shown(f1, 3)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Logits({ page }: { readonly page: LatentOnPage }) {
  const { logits } = page;
  if (!logits) return null;
  const list = (title: string, entries: readonly { readonly token: string; readonly value: number }[]) => (
    <div>
      <h3>{title}</h3>
      <ol class="company">
        {entries.map(({ token, value }, i) => (
          <li key={i}>
            <code>{token}</code>
            <span />
            <span class="number">{shown(value, 3)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
  return (
    <section class="panel" aria-label="Logits">
      <h2>Tokens that it promotes and suppresses</h2>
      <div class="two keep">
        {list('Top logits', logits.top)}
        {list('Bottom logits', logits.bottom)}
      </div>
    </section>
  );
}

function Fires({ page, latent }: { readonly page: LatentOnPage; readonly latent: number }) {
  if (page.count === 0) {
    return (
      <section class="panel" aria-label="Top examples">
        <h2>Top examples</h2>
        <p class="quiet">
          It fired on none of the {counted(page.rows)} rows
          {fewRows.value ? ', which are too few to tell anything of a latent.' : '. On other rows it may.'}
        </p>
      </section>
    );
  }
  const { histogram } = page;
  const step = (histogram.to - histogram.from) / histogram.counts.length;
  return (
    <>
      <section class="panel" aria-label="Top examples">
        <h2>Top examples</h2>
        <Examples examples={page.top} max={page.max} label="Top examples" />
      </section>
      <Figure
        title="Activations"
        name={`latent-${latent}-activations`}
        note={`Of the ${counted(page.count)} rows on which it fires`}
        table={() => ({
          columns: ['From', 'To', 'Rows'],
          rows: histogram.counts.map((count, i) => [histogram.from + i * step, histogram.from + (i + 1) * step, count]),
        })}
      >
        <Histogram
          label={`Histogram of the activations of latent ${latent}`}
          bins={histogram}
          xTitle="activation"
          yTitle="rows"
          height={150}
          format={value => shown(value, histogram.to < 10 ? 2 : 0)}
        />
      </Figure>
      <section class="panel" aria-label="From strong to weak">
        <h2>From strong to weak</h2>
        {page.groups.map(({ low, high, share, examples }) =>
          examples.length > 0 ? (
            <div key={high} class="stack" style={{ gap: '6px' }}>
              <h3 class="number quiet">
                {shown(low, 2)} to {shown(high, 2)}: {percent(share)} of its activations
              </h3>
              <Examples
                examples={examples}
                max={page.max}
                label={`Activations from ${shown(low, 2)} to ${shown(high, 2)}`}
              />
            </div>
          ) : null,
        )}
      </section>
    </>
  );
}

/** The view of the selected latent, or of how to choose one. */
export function LatentView() {
  const model = sae.value;
  const latent = latentInView.value;
  if (!model || latent === undefined) {
    return (
      <>
        <Lead title="Latent">What one latent of an autoencoder stands for.</Lead>
        {model ? (
          <section class="panel" aria-label="Choose a latent">
            <h2>Choose one of {counted(model.codeSize)} latents</h2>
            <Steps latent={0} count={model.codeSize} />
          </section>
        ) : (
          <Empty>Open an autoencoder to see its latents.</Empty>
        )}
      </>
    );
  }
  const page = latentPage.value;
  const label = labelsOfLatents.value?.(latent);
  const nearest = weightsOfLatent.value?.nearest ?? page?.nearest;
  return (
    <>
      <div class="spread">
        <div class="lead">
          <h1 tabIndex={-1} class="status" style={{ gap: '10px' }}>
            <span class="dot" style={{ '--dot': latentColour(latent), width: '14px', height: '14px' }} />
            Latent {latent}
            <Star latent={latent} />
          </h1>
          <p>
            {label ? <strong>{label}. </strong> : null}
            {page?.explanations[0] && `${page.explanations[0]}. `}Of {model.name}
          </p>
        </div>
        <div class="row">
          <Steps latent={latent} count={model.codeSize} />
          <button
            type="button"
            class="button tiny"
            onClick={() => saveText(`latent-${latent}.json`, 'application/json', latentJson(model, latent))}
          >
            JSON
          </button>
        </div>
      </div>
      <div class="wide-narrow">
        <div class="stack">
          {page ? (
            <Fires page={page} latent={latent} />
          ) : rows.value || bundleInUse.value ? (
            <div class="panel" style={{ minHeight: '240px' }} aria-busy="true">
              <p class="quiet">Running the rows…</p>
            </div>
          ) : null}
          {!statisticsDone.value && <RowsPanel />}
        </div>
        <div class="stack">
          <Numbers model={model} latent={latent} />
          {page && <Labels page={page} />}
          {page && <Logits page={page} />}
          {nearest && (
            <Company
              title="Nearest by direction,"
              term="cosine"
              symbol="cosine"
              entries={nearest.map(({ latent: other, cosine }) => ({ latent: other, value: cosine }))}
            />
          )}
          {page?.rule && (
            <section class="panel" aria-label="Rule">
              <h2>
                A rule that fits it, <Term id="f1">F1</Term> {shown(page.rule.f1, 3)}
              </h2>
              <p>{page.rule.text}</p>
              <p class="small quiet number">
                Precision {shown(page.rule.precision, 3)}, recall {shown(page.rule.recall, 3)}, on rows that did not
                choose it
              </p>
            </section>
          )}
          {page && page.count > 0 && (
            <Company
              title="Fires together with,"
              term={page.measure === 'r' ? 'co-activation' : 'jaccard'}
              symbol={page.measure}
              entries={page.together}
            />
          )}
          <Direction latent={latent} />
        </div>
      </div>
    </>
  );
}
