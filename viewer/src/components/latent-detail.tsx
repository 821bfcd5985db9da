/** One latent: its direction, how strongly and how often it fires, on what, and which latents lie near it. */
import { binX, rectY, ruleY } from '@observablehq/plot';
import { computed } from '@preact/signals';
import { cosineSimilarityMatrix } from '../../../src/analysis/cosine-similarity.ts';
import { featureColour } from '../data/colours.ts';
import { latentRows } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { probeInput } from '../state/probe.ts';
import { resource } from '../state/resource.ts';
import { samples, statistics } from '../state/samples.ts';
import { selectedLatent } from '../state/selection.ts';
import { inference } from '../workers/inference-client.ts';
import { Figure, shown } from './figure.tsx';
import { latentColour } from './latent-chips.tsx';
import { PlotChart } from './plot-chart.tsx';

/** The selected latent's activation on each sample. */
const activations = resource('The latent could not be run', () => {
  const encoder = sae.value;
  const latent = selectedLatent.value;
  const drawn = samples.value;
  if (!encoder || latent === undefined || !drawn || latent >= encoder.codeSize) return undefined;
  if (drawn.activations.shape[1] !== encoder.inputSize) return undefined;
  return inference()
    .then(api => api.latentActivations(encoder.id, drawn.activations, latent))
    .then(values => ({ values, drawn, latent }));
});

const NEAREST = 5;
const STRONGEST = 5;

/** Latents nearest to the selected one by cosine of their directions. */
const nearest = computed(() => {
  const encoder = sae.value;
  const latent = selectedLatent.value;
  if (!encoder || latent === undefined || latent >= encoder.codeSize) return [];
  const width = encoder.directions.shape[1]!;
  const own = { data: encoder.directions.data.subarray(latent * width, (latent + 1) * width), shape: [1, width] };
  const cosines = cosineSimilarityMatrix(own, encoder.directions).data;
  return Array.from(cosines, (cosine, other) => ({ other, cosine }))
    .filter(({ other }) => other !== latent)
    .sort((a, b) => b.cosine - a.cosine)
    .slice(0, NEAREST);
});

function Samples() {
  const run = activations.value;
  if (!run) return null;
  const { values, drawn } = run;
  const order = Array.from(values.keys())
    .filter(sample => values[sample]! > 0)
    .sort((a, b) => values[b]! - values[a]!)
    .slice(0, STRONGEST);
  if (order.length === 0) return <p class="small quiet">It fires on none of {values.length} samples.</p>;
  const source = drawn.features ?? drawn.activations;
  const width = source.shape[1]!;
  return (
    <table class="loose">
      <thead>
        <tr>
          <th scope="col">Activation</th>
          <th scope="col" class="text">
            {drawn.features ? 'Features present' : 'Largest inputs'}
          </th>
          <th scope="col">
            <span class="visually-hidden">Open</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {order.map(sample => {
          const row = source.data.subarray(sample * width, (sample + 1) * width);
          const present = Array.from(row.keys())
            .filter(i => row[i] !== 0)
            .sort((a, b) => Math.abs(row[b]!) - Math.abs(row[a]!))
            .slice(0, 4);
          return (
            <tr key={sample}>
              <td>{shown(values[sample]!, 3)}</td>
              <td class="text">
                {present.map(i => (
                  <span key={i} class="status" style={{ marginRight: '10px' }}>
                    {drawn.features && <span class="dot" style={{ '--dot': featureColour(i, width) }} />}
                    {i}
                    <span class="quiet">{shown(row[i]!, 2)}</span>
                  </span>
                ))}
              </td>
              <td>
                <button
                  type="button"
                  class="button tiny plain"
                  aria-label={`Probe sample ${sample}`}
                  onClick={() => {
                    probeInput.value = { type: drawn.features ? 'features' : 'activations', values: row.slice() };
                    view.value = 'probe';
                  }}
                >
                  Probe
                </button>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function LatentDetail() {
  const encoder = sae.value;
  const latent = selectedLatent.value;
  if (!encoder || latent === undefined || latent >= encoder.codeSize) {
    return (
      <section class="panel" aria-label="Latent">
        <h2>One latent</h2>
        <p class="small quiet">
          Select a row of the matrix or of the table to see where a latent points and what makes it fire.
        </p>
      </section>
    );
  }
  const row = latentRows.value[latent];
  const run = activations.value?.latent === latent ? activations.value : undefined;
  const firing = run ? Array.from(run.values).filter(value => value > 0) : [];
  const colour = latentColour(latent);
  const width = encoder.directions.shape[1]!;
  const direction = encoder.directions.data.subarray(latent * width, (latent + 1) * width);
  const density = statistics.value?.density[latent];
  return (
    <div class="stack">
      <section class="panel" aria-label={`Latent ${latent}`}>
        <h2 class="status">
          <span class="dot" style={{ '--dot': colour }} /> Latent {latent}
        </h2>
        <dl class="readout">
          {row?.status && (
            <>
              <dt>Status</dt>
              <dd>{row.status}</dd>
            </>
          )}
          {row && row.feature >= 0 && (
            <>
              <dt>{row.status === 'matched' ? 'True feature' : 'Nearest true feature'}</dt>
              <dd>
                {row.feature}, cosine {shown(row.cosine, 3)}
              </dd>
            </>
          )}
          <dt>Fires on</dt>
          <dd>{density === undefined ? '…' : `${shown(100 * density, 2)}% of samples`}</dd>
          <dt>Nearest latents</dt>
          <dd>
            {nearest.value.slice(0, 3).map(({ other, cosine }) => (
              <button
                key={other}
                type="button"
                class="button tiny plain number"
                onClick={() => {
                  selectedLatent.value = other;
                }}
              >
                {other} ({shown(cosine, 2)})
              </button>
            ))}
          </dd>
        </dl>
      </section>
      <Figure
        title="Activations"
        note={run ? `Of the ${firing.length} samples on which it fires` : undefined}
        name={`latent-${latent}-activations`}
        table={() => ({ columns: ['Sample', 'Activation'], rows: [...(run?.values ?? [])].map((v, i) => [i, v]) })}
      >
        <PlotChart
          label={`Histogram of the activations of latent ${latent}`}
          height={150}
          inputs={[run, colour]}
          options={() => ({
            marginLeft: 44,
            x: { label: 'activation', domain: [0, Math.max(0.1, ...firing)] },
            y: { label: 'samples', grid: true, ticks: 3 },
            marks: [
              rectY(firing, { ...binX({ y: 'count' }, { x: (d: number) => d, thresholds: 24 }), fill: colour }),
              ruleY([0]),
            ],
          })}
        />
      </Figure>
      <Figure
        title="Direction"
        name={`latent-${latent}-direction`}
        table={() => ({ columns: ['Dimension', 'Value'], rows: [...direction].map((v, i) => [i, v]) })}
      >
        <PlotChart
          label={`Direction of latent ${latent}`}
          height={130}
          inputs={[encoder.id, latent, colour]}
          options={() => ({
            marginLeft: 44,
            x: {
              label: 'dimension',
              type: 'linear',
              domain: [-0.5, width - 0.5],
              ticks: Math.min(8, width),
              tickFormat: 'd',
            },
            y: { domain: [-1, 1], ticks: 3, label: null, grid: true },
            marks: [
              rectY(direction, {
                x1: (_: number, i: number) => i - 0.35,
                x2: (_: number, i: number) => i + 0.35,
                y: (d: number) => d,
                fill: colour,
              }),
              ruleY([0]),
            ],
          })}
        />
      </Figure>
      <section class="panel" aria-label="Strongest samples">
        <h2>Strongest samples</h2>
        <Samples />
      </section>
    </div>
  );
}
