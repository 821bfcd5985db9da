/**
 * The toy model itself: W Wᵀ, how strongly and how purely each feature is stored, the bias, and each feature's share of
 * a dimension.
 */
import { barY, ruleY, text } from '@observablehq/plot';
import { computed } from '@preact/signals';
import { featureDimensionality } from '../../../src/analysis/feature-dimensionality.ts';
import { polysemanticity } from '../../../src/analysis/polysemanticity.ts';
import { Figure } from '../components/figure.tsx';
import { HeatMap } from '../components/heat-map.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { PlotChart } from '../components/plot-chart.tsx';
import { featureColour, viridis } from '../data/colours.ts';
import { shown } from '../data/numbers.ts';
import { toy } from '../state/models.ts';
import { selectedFeature, toggleFeature } from '../state/selection.ts';

/** The most features that are shown with labels and in W Wᵀ. Of more, only the first are in the matrix. */
const MOST_FEATURES = 200;

const POLYSEMANTICITY = Array.from({ length: 12 }, (_, i) => viridis(i / 11));

const anatomy = computed(() => {
  const model = toy.value;
  if (!model?.directions) return undefined;
  const [features, width] = model.directions.shape as [number, number];
  const count = Math.min(MOST_FEATURES, features);
  const gram = new Float32Array(count * count);
  const { data } = model.directions;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      let sum = 0;
      for (let d = 0; d < width; d++) sum += data[i * width + d]! * data[j * width + d]!;
      gram[i * count + j] = sum;
    }
  }
  const mixed = polysemanticity(model.directions).data;
  const share = featureDimensionality(model.directions).data;
  let most = 0.01;
  for (const value of mixed) most = Math.max(most, value);
  const rows = Array.from({ length: features }, (_, feature) => ({
    feature,
    norm: Math.hypot(...data.subarray(feature * width, (feature + 1) * width)),
    polysemanticity: mixed[feature]!,
    mixture: viridis(mixed[feature]! / most),
    dimensionality: share[feature]!,
    bias: model.bias[feature]!,
    colour: featureColour(feature, features),
  }));
  return { gram, count, rows, width, most };
});

/** The view of the toy model in view, figure by figure. */
export function ToyModelView() {
  const model = toy.value;
  const found = anatomy.value;
  if (!model || !found) {
    return (
      <>
        <Lead title="Toy model">What a toy model of superposition stores, and how.</Lead>
        <Empty>Open a toy model to see what it stores.</Empty>
      </>
    );
  }
  const { rows, count, gram, width, most } = found;
  const table = () => ({
    columns: ['Feature', 'Norm', 'Polysemanticity', 'D', 'Bias'],
    rows: rows.map(row => [row.feature, row.norm, row.polysemanticity, row.dimensionality, row.bias]),
  });
  const total = rows.reduce((sum, row) => sum + row.dimensionality, 0);
  const labels = rows.length <= 40;
  const x = { label: null, tickSize: 0, ...(labels ? {} : { ticks: [] }) };
  return (
    <>
      <Lead title="Toy model">
        {rows.length} features in {width} dimensions. Off the diagonal of W W<sup>T</sup>, colour is interference: what
        one feature adds to another’s output.
      </Lead>
      <div class="two">
        <Figure
          title="W times its transpose"
          heading={
            <>
              W W<sup>T</sup>
            </>
          }
          name="gram-matrix"
          note={count < rows.length ? `The first ${count} features` : undefined}
          table={() => ({
            columns: ['Feature', ...rows.slice(0, count).map(row => String(row.feature))],
            rows: rows.slice(0, count).map((row, i) => [row.feature, ...gram.subarray(i * count, (i + 1) * count)]),
          })}
        >
          <HeatMap
            label="W times its transpose"
            values={gram}
            rows={rows.slice(0, count).map(row => row.feature)}
            columns={rows.slice(0, count).map(row => row.feature)}
            rowTitle="feature"
            columnTitle="feature"
            rowColour={feature => featureColour(feature, rows.length)}
            columnColour={feature => featureColour(feature, rows.length)}
            selectedRow={selectedFeature.value}
            onRow={toggleFeature}
            largest={440}
          />
        </Figure>
        <div class="stack">
          <Figure
            title="How strongly each feature is stored"
            name="norms"
            note="Norm of W"
            scale={{ title: 'polysemanticity', from: '0', to: shown(most, 2), colours: POLYSEMANTICITY }}
            table={table}
          >
            <PlotChart
              label="Norm of each feature, coloured by polysemanticity"
              height={170}
              inputs={[found]}
              options={() => ({
                marginLeft: 40,
                x,
                y: { label: null, grid: true, ticks: 4 },
                color: { type: 'identity' },
                marks: [barY(rows, { x: 'feature', y: 'norm', fill: 'mixture', inset: labels ? 3 : 0 }), ruleY([0])],
              })}
            />
          </Figure>
          <Figure
            title="Share of a dimension"
            name="dimensionality"
            note={
              <span class="number">
                D for each feature, {shown(total, 2)} of {width} dimensions in all
              </span>
            }
            table={table}
          >
            <PlotChart
              label="Dimensionality of each feature"
              height={170}
              inputs={[found]}
              options={() => ({
                marginLeft: 40,
                x,
                y: { label: null, domain: [0, 1], ticks: 3, grid: true },
                marks: [
                  barY(rows, { x: 'feature', y: 'dimensionality', fill: 'colour', inset: labels ? 3 : 0 }),
                  ...(labels && rows.length <= 12
                    ? [
                        text(rows, {
                          x: 'feature',
                          y: 'dimensionality',
                          text: d => shown(d.dimensionality, 2),
                          dy: -8,
                          fill: 'var(--ink)',
                        }),
                      ]
                    : []),
                  ruleY([0]),
                ],
              })}
            />
          </Figure>
          <Figure title="Bias" name="bias" table={table}>
            <PlotChart
              label="Bias of each feature"
              height={140}
              inputs={[found]}
              options={() => ({
                marginLeft: 40,
                x,
                y: { label: null, grid: true, ticks: 3 },
                marks: [barY(rows, { x: 'feature', y: 'bias', fill: 'colour', inset: labels ? 3 : 0 }), ruleY([0])],
              })}
            />
          </Figure>
        </div>
      </div>
    </>
  );
}
