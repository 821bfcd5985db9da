/**
 * The plane view: activations, true directions and latents, and a point that can be dragged. For more than a few
 * dimensions it is a map of latents.
 */
import type { Signal } from '@preact/signals';
import { Figure } from '../components/figure.tsx';
import { GoTo } from '../components/go-to.tsx';
import { LatentChips } from '../components/latent-chips.tsx';
import { LatentMap } from '../components/latent-map.tsx';
import { STANDING_WORDS } from '../components/latent-table.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { PLANE_LEGEND, POINT_LEGEND } from '../components/legend.tsx';
import { Plane } from '../components/plane.tsx';
import { Segmented } from '../components/segmented.tsx';
import { Term } from '../components/term.tsx';
import type { PlanePoint } from '../data/arrows.ts';
import { viridis } from '../data/colours.ts';
import { counted, percent, shown } from '../data/numbers.ts';
import { lift, project } from '../data/plane-basis.ts';
import { latentMap, mapColour, mapValues } from '../state/latent-map.ts';
import { latentRow } from '../state/matching.ts';
import { sae } from '../state/models.ts';
import {
  basis,
  chosenDirections,
  cloud,
  dimensions,
  extent,
  isFlat,
  MOST_DIMENSIONS,
  planeBias,
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
import { probeInput, probeResult, setActivations } from '../state/probe.ts';
import { rows } from '../state/rows.ts';
import { openLatent, selectedLatent, toggleFeature, toggleLatent } from '../state/selection.ts';

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
  const row = winner < 0 ? undefined : latentRow(winner);
  return (
    <section class="panel" aria-label="Point">
      <h2>The point</h2>
      <dl class="readout" aria-live="off">
        <dt>Activation</dt>
        <dd data-test="hidden">{few(result.hidden)}</dd>
        <dt>Winning latent</dt>
        <dd data-test="winner">{winner < 0 ? 'none fires' : `${winner} at ${shown(result.latents![winner]!, 3)}`}</dd>
        {row?.status && row.feature >= 0 && (
          <>
            <dt>Its feature</dt>
            <dd data-test="winner-status">
              {row.status === 'matched' || row.status === 'duplicate'
                ? `${row.feature}, cosine ${shown(row.cosine, 2)}`
                : `${STANDING_WORDS[row.status]}; nearest ${row.feature}, cosine ${shown(row.cosine, 2)}`}
            </dd>
          </>
        )}
        {rebuilt && (
          <>
            <dt>Reconstruction</dt>
            <dd data-test="reconstruction">{few(rebuilt)}</dd>
            <dt>Squared error</dt>
            <dd>{shown(error, 4)}</dd>
          </>
        )}
      </dl>
    </section>
  );
}

const SCALE_STOPS = Array.from({ length: 12 }, (_, i) => viridis(i / 11));

function MapOfLatents() {
  const model = sae.value;
  const map = latentMap.value;
  const colours = mapValues.value;
  if (!model) return <Empty>Open an autoencoder to see a map of its latents.</Empty>;
  const [first, second] = map?.shares ?? [0, 0];
  const at = (i: number): (string | number)[] => [
    i,
    map!.points[2 * i]!,
    map!.points[2 * i + 1]!,
    colours?.values[i] ?? '',
  ];
  return (
    <div class="wide-narrow">
      <Figure
        title="Map of latents"
        name="latent-map"
        note={map && `Components 1 and 2 hold ${percent(first)} and ${percent(second)} of the spread of directions`}
        {...(map && {
          table: () => ({
            columns: ['Latent', 'Component 1', 'Component 2', colours?.title ?? 'Colour'],
            rows: Array.from({ length: map.points.length / 2 }, (_, i) => at(i)),
          }),
        })}
        {...(colours && {
          scale: {
            title: colours.title,
            from: shown(colours.from, 1),
            to: shown(colours.to, 1),
            colours: SCALE_STOPS,
          },
        })}
      >
        {map ? (
          <LatentMap
            label={`Map of ${model.codeSize} latents by the principal components of their directions`}
            points={map.points}
            colours={colours}
            selected={selectedLatent.value}
            onSelect={openLatent}
          />
        ) : (
          <div style={{ minHeight: '320px' }} aria-busy="true" />
        )}
      </Figure>
      <section class="panel" aria-label="What is shown">
        <h2>Show</h2>
        <Segmented
          legend="Colour"
          value={colours?.colour ?? mapColour.value}
          options={[
            { value: 'density', title: 'Density' },
            { value: 'alignment', title: 'Encoder and decoder' },
          ]}
          onChange={value => {
            mapColour.value = value;
          }}
        />
        <p class="small quiet">
          Each dot is a latent, placed by its decoder direction. Latents that lie together write similar things; a
          cluster apart from the rest is a family. Point at one to read its number, click it to open it.
        </p>
        <GoTo />
      </section>
    </div>
  );
}

/** The view of the plane, or of the map of latents where the space has more dimensions than a plane can show. */
export function PlaneView() {
  const axes = basis.value;
  const encoder = sae.value;
  if (!isFlat.value) {
    return (
      <>
        <Lead title="Map">
          A plane shows {MOST_DIMENSIONS} <Term id="dimension">dimensions</Term> at most without hiding nearly
          everything, and this space has {counted(dimensions.value)}. So here are its latents instead, along the first
          two <Term id="pca">principal components</Term> of their directions.
        </Lead>
        <MapOfLatents />
      </>
    );
  }
  const hidden = probeResult.value?.hidden;
  const place = (values: Float32Array | undefined): PlanePoint | undefined => {
    if (!axes || !values || values.length !== axes.origin.length) return undefined;
    const [x, y] = project(axes, values);
    return { x, y };
  };
  // A point that is being moved is drawn where it is and not where it last ran: it must not vanish between two runs, for
  // the focus of the keyboard is on it.
  const { type, values } = probeInput.value;
  const point = encoder ? place(type === 'activations' ? values : hidden) : undefined;
  const rebuilt = place(probeResult.value?.pinnedReconstruction ?? probeResult.value?.reconstruction);
  const names: readonly [string, string] | undefined =
    dimensions.value > 2 && !chosenDirections.value ? ['component 1', 'component 2'] : undefined;
  return (
    <>
      <Lead title="Plane">
        Every dot is an <Term id="activation">activation</Term>. Broad bands are the toy model’s own directions, arrows
        are <Term id="latent">latents</Term>, which start from <Term id="b_dec">b_dec</Term>, and shaded regions show
        where each latent is the strongest. Drag the point to run the autoencoder there.
      </Lead>
      {axes ? (
        <div class="wide-narrow plane-page">
          <Figure
            title={encoder ? `${encoder.name}` : (planeToy.value?.name ?? 'Activations')}
            note={rows.value?.origin}
            name="plane"
            legend={encoder ? [...PLANE_LEGEND, ...POINT_LEGEND] : PLANE_LEGEND.slice(0, 1)}
            table={() => ({
              columns: ['Direction', 'x', 'y', 'from x', 'from y'],
              rows: [
                ...planeTruth.value.map(arrow => [`true feature ${arrow.index}`, arrow.x, arrow.y, 0, 0]),
                ...planeLatents.value.map(arrow => [
                  `latent ${arrow.index}`,
                  arrow.x,
                  arrow.y,
                  arrow.from?.x ?? 0,
                  arrow.from?.y ?? 0,
                ]),
              ],
            })}
          >
            <Plane
              label="Plane of activations"
              extent={extent.value}
              cloud={showCloud.value ? cloud.value : undefined}
              truth={showTruth.value ? planeTruth.value : []}
              latents={showLatents.value ? planeLatents.value : []}
              bias={showLatents.value ? planeBias.value : undefined}
              regions={regions.value}
              point={point}
              reconstruction={rebuilt}
              onTruth={toggleFeature}
              onLatent={toggleLatent}
              axes={names}
              onDrag={encoder ? ({ x, y }) => setActivations(lift(axes, x, y)) : undefined}
            />
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
