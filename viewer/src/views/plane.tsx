/** The plane: activations, true directions and latents; a point that can be dragged through the autoencoder. */

import type { Signal } from '@preact/signals';
import { Figure, shown } from '../components/figure.tsx';
import { LatentChips } from '../components/latent-chips.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { PlaneLegend } from '../components/legend.tsx';
import { Plane, type PlanePoint } from '../components/plane.tsx';
import { lift, project } from '../data/plane-basis.ts';
import { matching } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import {
  basis,
  chosenDirections,
  cloud,
  dimensions,
  extent,
  planeLatents,
  planeToy,
  planeTruth,
  regions,
  showCloud,
  showLatents,
  showRegions,
  showTruth,
  spanning,
} from '../state/plane-state.ts';
import { probeResult, setActivations } from '../state/probe.ts';
import { samples } from '../state/samples.ts';
import { toggleFeature, toggleLatent } from '../state/selection.ts';

function Show({ title, signal }: { readonly title: string; readonly signal: Signal<boolean> }) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={signal.value}
        onChange={event => {
          signal.value = event.currentTarget.checked;
        }}
      />
      {title}
    </label>
  );
}

function AxesPicker() {
  if (dimensions.value <= 2) return null;
  const count = Math.min(512, spanning.value?.shape[0] ?? 0);
  const pair = chosenDirections.value;
  const noun = planeToy.value ? 'Feature' : 'Latent';
  const pick = (which: 0 | 1) => (
    <select
      aria-label={`${which === 0 ? 'First' : 'Second'} direction`}
      value={pair ? String(pair[which]) : ''}
      onChange={event => {
        const text = event.currentTarget.value;
        if (text === '') chosenDirections.value = undefined;
        else {
          const other = pair?.[which === 0 ? 1 : 0] ?? (Number(text) === 0 ? 1 : 0);
          chosenDirections.value = which === 0 ? [Number(text), other] : [other, Number(text)];
        }
      }}
    >
      <option value="">Principal component {which + 1}</option>
      {Array.from({ length: count }, (_, i) => (
        <option key={i} value={String(i)}>
          {noun} {i}
        </option>
      ))}
    </select>
  );
  return (
    <div class="field">
      <span>Axes, of {dimensions.value} dimensions</span>
      <div class="two keep" style={{ gap: '8px' }}>
        {pick(0)}
        {pick(1)}
      </div>
    </div>
  );
}

function strongest(values: Float32Array | undefined): number {
  if (!values) return -1;
  let best = -1;
  for (let i = 0; i < values.length; i++) if (values[i]! > (best < 0 ? 0 : values[best]!)) best = i;
  return best;
}

function Readout() {
  const result = probeResult.value;
  const encoder = sae.value;
  if (!result?.hidden || !encoder) return null;
  const winner = strongest(result.latents);
  const rebuilt = result.pinnedReconstruction ?? result.reconstruction;
  const few = (values: Float32Array): string =>
    Array.from(values.subarray(0, 4), value => shown(value, 2)).join(', ') + (values.length > 4 ? ', …' : '');
  let error = 0;
  for (const [i, value] of rebuilt ? result.hidden.entries() : []) error += (value - rebuilt![i]!) ** 2;
  const feature = winner < 0 ? -1 : (matching.value?.featureOf[winner] ?? -1);
  return (
    <section class="panel" aria-label="Point">
      <h2>The point</h2>
      <dl class="readout" aria-live="off">
        <dt>Activation</dt>
        <dd data-test="hidden">{few(result.hidden)}</dd>
        <dt>Winning latent</dt>
        <dd data-test="winner">{winner < 0 ? 'none fires' : `${winner} at ${shown(result.latents![winner]!, 3)}`}</dd>
        {matching.value && (
          <>
            <dt>Its true feature</dt>
            <dd>{feature < 0 ? 'none' : feature}</dd>
          </>
        )}
        {rebuilt && (
          <>
            <dt>Reconstruction</dt>
            <dd data-test="reconstruction">{few(rebuilt)}</dd>
            <dt>Distance</dt>
            <dd>{shown(Math.sqrt(error), 3)}</dd>
          </>
        )}
      </dl>
    </section>
  );
}

export function PlaneView() {
  const axes = basis.value;
  const encoder = sae.value;
  const result = probeResult.value;
  const point = ((): PlanePoint | undefined => {
    if (!axes || !result?.hidden || result.hidden.length !== axes.origin.length) return undefined;
    const [x, y] = project(axes, result.hidden);
    return { x, y };
  })();
  const rebuilt = result?.pinnedReconstruction ?? result?.reconstruction;
  const reconstruction = ((): PlanePoint | undefined => {
    if (!axes || !rebuilt || rebuilt.length !== axes.origin.length) return undefined;
    const [x, y] = project(axes, rebuilt);
    return { x, y };
  })();
  const names: readonly [string, string] | undefined =
    dimensions.value > 2 && !chosenDirections.value ? ['component 1', 'component 2'] : undefined;
  return (
    <>
      <Lead title="The plane">
        Every dot is an activation. Broad bands are the toy model's own directions, arrows are latents, and shaded
        regions show where each latent is the strongest. Drag the point to run the autoencoder there.
      </Lead>
      {axes ? (
        <div class="wide-narrow">
          <Figure
            title={encoder ? `${encoder.name}` : (planeToy.value?.name ?? 'Activations')}
            note={samples.value?.origin}
            name="plane"
            table={() => ({
              columns: ['Direction', 'x', 'y'],
              rows: [
                ...planeTruth.value.map(arrow => [`true feature ${arrow.index}`, arrow.x, arrow.y]),
                ...planeLatents.value.map(arrow => [`latent ${arrow.index}`, arrow.x, arrow.y]),
              ],
            })}
          >
            <div class="stack">
              <Plane
                label="Plane of activations"
                extent={extent.value}
                cloud={showCloud.value ? cloud.value : undefined}
                truth={showTruth.value ? planeTruth.value : []}
                latents={showLatents.value ? planeLatents.value : []}
                regions={regions.value}
                point={point}
                reconstruction={reconstruction}
                onTruth={toggleFeature}
                onLatent={toggleLatent}
                axes={names}
                onDrag={encoder ? ({ x, y }) => setActivations(lift(axes, x, y)) : undefined}
              />
              <PlaneLegend point />
            </div>
          </Figure>
          <div class="stack">
            <Readout />
            <section class="panel" aria-label="What is shown">
              <h2>Show</h2>
              <div class="options">
                <Show title="Activations" signal={showCloud} />
                {planeToy.value && <Show title="True directions" signal={showTruth} />}
                {encoder && <Show title="Latents" signal={showLatents} />}
                {encoder && <Show title="Regions where each latent wins" signal={showRegions} />}
              </div>
              <AxesPicker />
            </section>
            <LatentChips />
          </div>
        </div>
      ) : (
        <Empty>Open a model to see its plane: choose one on the left, or drop an .onnx file anywhere.</Empty>
      )}
    </>
  );
}
