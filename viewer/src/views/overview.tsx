/**
 * An autoencoder at a glance: what it is, how well it reconstructs the rows, how often its latents fire, and a table of
 * all of them.
 */
import type { ComponentChildren } from 'preact';
import { Figure } from '../components/figure.tsx';
import { Histogram } from '../components/histogram.tsx';
import { LatentTable } from '../components/latent-table.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { RowsPanel } from '../components/rows-panel.tsx';
import { Term } from '../components/term.tsx';
import type { TermId } from '../data/glossary.ts';
import type { Model } from '../data/model.ts';
import { counted, shown } from '../data/numbers.ts';
import { densityHistogram } from '../state/latent-table.ts';
import { matching } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import { areNoise, fewRows, statistics, statisticsDone } from '../state/statistics.ts';
import { densityRange } from '../state/table.ts';

const ARCHITECTURE_TERMS: Readonly<Record<string, TermId>> = {
  TopK: 'topk',
  BatchTopK: 'batchtopk',
  ReLU: 'relu',
  JumpReLU: 'jumprelu',
};

function Architecture({ model }: { readonly model: Model }) {
  const term = ARCHITECTURE_TERMS[model.architecture];
  const name = model.architecture || 'Of an architecture that the file does not name';
  return (
    <>
      {term ? <Term id={term}>{name}</Term> : name}
      {model.k !== undefined && `, k = ${model.k}`}
    </>
  );
}

interface TileProps {
  readonly value: string;
  readonly children: ComponentChildren;
  readonly test?: string;
}

function Tile({ value, children, test }: TileProps) {
  return (
    <div class="tile">
      <span class="tile-value number" data-test={test}>
        {value}
      </span>
      <span class="tile-name">{children}</span>
    </div>
  );
}

function Tiles() {
  const summary = statistics.value;
  const model = sae.value;
  if (!summary || !model) return null;
  const { l0, explainedVariance, explainedVarianceWithoutSinks, sinks, silent, rows: run } = summary;
  const found = matching.value;
  return (
    <div class="tiles" data-done={statisticsDone.value}>
      <Tile value={shown(l0, l0 < 10 ? 2 : 1)} test="l0">
        <Term id="l0">L0</Term>, latents a row
      </Tile>
      {model.inputSize === model.outputSize && (
        <Tile value={shown(explainedVariance, 4)} test="explained-variance">
          <Term id="explained variance">explained variance</Term>
        </Tile>
      )}
      {sinks > 0 && (
        <Tile value={shown(explainedVarianceWithoutSinks, 4)} test="explained-variance-without-sinks">
          without {counted(sinks)} <Term id="sink">sink{sinks === 1 ? '' : 's'}</Term>
        </Tile>
      )}
      {fewRows.value || areNoise.value ? (
        <Tile value="–" test="silent">
          <Term id="silent">silent latents</Term>: too few rows, or noise
        </Tile>
      ) : (
        <Tile value={counted(silent)} test="silent">
          <Term id="silent">not seen</Term> in {counted(run)} rows
        </Tile>
      )}
      {found && (
        <Tile value={`${found.recovered} of ${found.features}`} test="recovered">
          true features found
        </Tile>
      )}
    </div>
  );
}

function L0Figure() {
  const summary = statistics.value;
  if (!summary) return null;
  const { l0Histogram: bins } = summary;
  const step = (bins.to - bins.from) / bins.counts.length;
  return (
    <Figure
      title="Latents that fire on a row"
      name="l0"
      note={`Mean ${shown(summary.l0, 2)}`}
      table={() => ({
        columns: ['Latents from', 'to', 'Rows'],
        rows: bins.counts.map((count, i) => [bins.from + i * step, bins.from + (i + 1) * step - 1, count]),
      })}
    >
      <Histogram label="Histogram of L0 over rows" bins={bins} xTitle="latents" yTitle="rows" whole />
    </Figure>
  );
}

function DensityFigure() {
  const bins = densityHistogram.value;
  if (!bins) return null;
  const step = (bins.to - bins.from) / bins.counts.length;
  return (
    <Figure
      title="How often latents fire"
      name="log-density"
      note="log₁₀ of the share of rows; choose a range to filter the table"
      table={() => ({
        columns: ['log10 density from', 'to', 'Latents'],
        rows: bins.counts.map((count, i) => [bins.from + i * step, bins.from + (i + 1) * step, count]),
      })}
    >
      <Histogram
        label="Histogram of the logarithm of density over latents"
        bins={bins}
        xTitle="log₁₀ density"
        yTitle="latents"
        brush={densityRange.value}
        onBrush={range => {
          densityRange.value = range;
        }}
      />
    </Figure>
  );
}

function Provenance({ model }: { readonly model: Model }) {
  return (
    <section class="panel" aria-label="About this file">
      <h2>About this file</h2>
      <dl class="readout facts">
        <dt>Name</dt>
        <dd>{model.name}</dd>
        <dt>SHA-256</dt>
        <dd title={model.sha256}>{model.sha256.slice(0, 16)}…</dd>
        {model.facts.map(({ name, value }) => (
          <>
            <dt key={`${name} name`}>{name}</dt>
            <dd key={name}>{value}</dd>
          </>
        ))}
      </dl>
      {model.notes.map(note => (
        <p key={note} class="small quiet">
          {note}
        </p>
      ))}
    </section>
  );
}

/** The view of the autoencoder as a whole. */
export function OverviewView() {
  const model = sae.value;
  if (!model) {
    return (
      <>
        <Lead title="Overview">An autoencoder at a glance: how well it works, and what its latents do.</Lead>
        <Empty>Open an autoencoder: choose one on the left, or drop an .onnx file or a SAELens folder anywhere.</Empty>
      </>
    );
  }
  const { inputSize, codeSize, outputSize } = model;
  return (
    <>
      <Lead title={model.name}>
        <Architecture model={model} />. {counted(codeSize)} <Term id="latent">latents</Term> on {counted(inputSize)}{' '}
        dimensions{outputSize !== inputSize ? ` into ${counted(outputSize)}: a transcoder` : ''}.
      </Lead>
      <RowsPanel />
      <Tiles />
      <div class="two">
        <L0Figure />
        {!areNoise.value && <DensityFigure />}
      </div>
      <LatentTable />
      <Provenance model={model} />
    </>
  );
}
