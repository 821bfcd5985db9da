/**
 * One sample: the latents that fire on it, its reconstruction, and what changes when a latent is held at a value,
 * ablated or steered.
 */
import { useState } from 'preact/hooks';
import { Bar } from '../components/bar.tsx';
import { latentColour } from '../components/latent-chips.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Legend } from '../components/legend.tsx';
import { Slider } from '../components/slider.tsx';
import { Term } from '../components/term.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { featureColour } from '../data/colours.ts';
import { counted, percent, shown } from '../data/numbers.ts';
import { labelsOfLatents } from '../state/latent-table.ts';
import { matching } from '../state/matching.ts';
import { sae, toy } from '../state/models.ts';
import { applyPreset, pins, probeInput, probeResult, setInput, setPin } from '../state/probe.ts';
import { rowInView } from '../state/row-in-view.ts';
import { chosenDensity, density, namesOfRows, rows, seed } from '../state/rows.ts';
import { openLatent, selectedFeature, selectedLatent, selectedRow, toggleFeature } from '../state/selection.ts';

const ROW = 44;
const BAR_ROW = 36;

function Presets() {
  const isFeatures = probeInput.value.type === 'features';
  return (
    <div class="row">
      <button type="button" class="button tiny" onClick={() => applyPreset('one-hot', selectedFeature.value ?? 0)}>
        One-hot
      </button>
      <button type="button" class="button tiny" onClick={() => applyPreset('all')}>
        All
      </button>
      <button type="button" class="button tiny" onClick={() => applyPreset('none')}>
        None
      </button>
      <button
        type="button"
        class="button tiny"
        onClick={() => {
          seed.value += 1;
          applyPreset('random');
        }}
      >
        Random sparse
      </button>
      {isFeatures && (
        <span class="row small quiet" style={{ marginLeft: 'auto' }}>
          density
          <span style={{ width: '90px' }}>
            <Slider
              label="Density of random samples"
              value={density.value}
              min={0.01}
              onInput={value => {
                chosenDensity.value = value;
              }}
            />
          </span>
          <span class="number">{shown(density.value, 2)}</span>
        </span>
      )}
      <label class="row small quiet">
        seed
        <input
          type="number"
          min="0"
          max="999999999"
          value={seed.value}
          style={{ width: '76px', height: '28px' }}
          onChange={event => {
            const value = event.currentTarget.valueAsNumber;
            if (Number.isSafeInteger(value) && value >= 0) seed.value = value;
            applyPreset('random');
          }}
        />
      </label>
    </div>
  );
}

/** Chooses one of the rows in use. */
function RowPicker() {
  const used = rows.value;
  const [text, setText] = useState('');
  if (!used || used.kind === 'noise') return null;
  const row = rowInView.value;
  const names = namesOfRows.value;
  const name = row === undefined ? undefined : names?.type === 'labels' ? names.labels[row] : names?.tokens[row];
  const go = (to: number): void => {
    selectedRow.value = (to + used.count) % used.count;
  };
  return (
    <section class="panel rows-panel" aria-label="Row">
      <div class="spread">
        <p class="number">
          {row === undefined ? (
            <>Your own input. Or take one of {counted(used.count)} rows:</>
          ) : (
            <>
              Row <strong>{counted(row)}</strong> of {used.origin}
              {name !== undefined && (
                <>
                  : <strong>{name}</strong>
                </>
              )}
            </>
          )}
        </p>
        <form
          class="row"
          aria-label="Choose a row"
          onSubmit={event => {
            event.preventDefault();
            const wanted = Number(text);
            if (text.trim() !== '' && Number.isInteger(wanted) && wanted >= 0 && wanted < used.count) go(wanted);
            setText('');
          }}
        >
          <button type="button" class="button tiny" disabled={row === undefined} onClick={() => go((row ?? 0) - 1)}>
            Previous
          </button>
          <button type="button" class="button tiny" onClick={() => go((row ?? -1) + 1)}>
            Next
          </button>
          <button type="button" class="button tiny" onClick={() => go(Math.floor(Math.random() * used.count))}>
            Random
          </button>
          <input
            type="number"
            min={0}
            max={used.count - 1}
            value={text}
            aria-label="Number of a row"
            placeholder={`0 to ${used.count - 1}`}
            onInput={event => setText(event.currentTarget.value)}
          />
          <button type="submit" class="button tiny">
            Go to row
          </button>
        </form>
      </div>
    </section>
  );
}

/**
 * A line for each true feature: a slider, and the feature as it comes back from the toy model alone, through the
 * autoencoder, and with the person's changes.
 */
function FeatureRows() {
  const { values } = probeInput.value;
  const result = probeResult.value;
  const found = matching.value;
  const through = result?.toyThroughSae;
  const changed = result?.toyWithPins;
  const most = Math.max(1, ...(result?.latents && result.latents.length <= 4096 ? result.latents : []));
  return (
    <section class="panel" aria-label="Features">
      <h2>Features in, and what comes back</h2>
      <Presets />
      <div>
        <div class="probe-row head" aria-hidden="true">
          <span>Feature</span>
          <span>Input</span>
          <span />
          <span>Came back</span>
        </div>
        <VirtualList
          count={values.length}
          rowHeight={ROW}
          height={ROW * 14}
          label="Input features"
          row={index => {
            const colour = featureColour(index, values.length);
            const back = result?.toyReconstruction?.[index] ?? 0;
            const latent = found?.latentOf[index] ?? -1;
            const activation = latent < 0 ? undefined : (result?.latents?.[latent] ?? 0);
            return (
              <div key={index} class={`probe-row${selectedFeature.value === index ? ' selected' : ''}`}>
                <button
                  type="button"
                  class="name"
                  aria-pressed={selectedFeature.value === index}
                  aria-label={`Select feature ${index}`}
                  onClick={() => toggleFeature(index)}
                >
                  <span class="dot" style={{ '--dot': colour }} />
                  {index}
                </button>
                <Slider
                  label={`Feature ${index}`}
                  value={values[index]!}
                  colour={colour}
                  onInput={value => setInput(index, value)}
                />
                <span class="value">{shown(values[index]!, 2)}</span>
                <div class="bars" data-test={`back-${index}`} data-value={changed?.[index] ?? through?.[index] ?? back}>
                  <span class="visually-hidden">
                    Came back {shown(back, 3)}
                    {through && `, through the autoencoder ${shown(through[index], 3)}`}
                    {changed && `, with your change ${shown(changed[index], 3)}`}
                  </span>
                  <Bar value={back} range={[0, 1]} colour={colour} look={through ? 'faded' : 'solid'} />
                  {through && <Bar value={(changed ?? through)[index]!} range={[0, 1]} colour={colour} />}
                  {!through && activation !== undefined && (
                    <Bar value={activation} range={[0, most]} colour={colour} look="outline" />
                  )}
                </div>
              </div>
            );
          }}
        />
      </div>
      <div class="legend">
        <span>
          <span class="swatch faded" /> the toy model alone
        </span>
        {through && (
          <span>
            <span class="swatch" /> {changed ? 'through the autoencoder, with your change' : 'through the autoencoder'}
          </span>
        )}
      </div>
    </section>
  );
}

/** Sliders for the autoencoder's own input, where no toy model is open. */
function ActivationRows() {
  const { values } = probeInput.value;
  const result = probeResult.value;
  const rebuilt = result?.pinnedReconstruction ?? result?.reconstruction;
  let reach = 3;
  for (const value of values) reach = Math.max(reach, Math.abs(value));
  return (
    <section class="panel" aria-label="Activations">
      <h2>Activations in, and their reconstruction</h2>
      <Presets />
      <VirtualList
        count={values.length}
        rowHeight={ROW}
        height={ROW * 12}
        label="Input activations"
        row={index => (
          <div key={index} class="probe-row">
            <span class="small quiet number">{index}</span>
            <Slider
              label={`Activation ${index}`}
              value={values[index]!}
              min={-reach}
              max={reach}
              valueText={shown(values[index]!, 2)}
              onInput={value => setInput(index, value)}
            />
            <span class="value">{shown(values[index]!, 2)}</span>
            <Bar value={rebuilt?.[index] ?? 0} range={[-reach, reach]} colour="var(--accent)" />
          </div>
        )}
      />
    </section>
  );
}

function ErrorLine() {
  const result = probeResult.value;
  const hidden = result?.hidden;
  const rebuilt = result?.pinnedReconstruction ?? result?.reconstruction;
  if (!hidden || !rebuilt || rebuilt.length !== hidden.length) return null;
  let [error, norm] = [0, 0];
  for (const [i, value] of hidden.entries()) {
    error += (value - rebuilt[i]!) ** 2;
    norm += value ** 2;
  }
  return (
    <p class="small quiet number" data-test="sample-error">
      Squared error {shown(error, 4)}, {percent(norm > 0 ? error / norm : 0)} of the squared norm
      {result?.pinnedReconstruction && ' with your change'}.
    </p>
  );
}

function Hidden() {
  const result = probeResult.value;
  const hidden = result?.hidden;
  if (!hidden) return null;
  const rebuilt = result.pinnedReconstruction ?? result.reconstruction;
  let reach = 1;
  for (const value of hidden) reach = Math.max(reach, Math.abs(value));
  return (
    <section class="panel" aria-label="Hidden activations">
      <h2>
        The <Term id="activation">activation</Term>, and the autoencoder’s reconstruction
      </h2>
      <ErrorLine />
      <VirtualList
        count={hidden.length}
        rowHeight={BAR_ROW}
        height={BAR_ROW * 8}
        label="Hidden activations"
        row={index => (
          <div key={index} class="bar-row">
            <span class="quiet number">h{index}</span>
            <div class="bars">
              <Bar value={hidden[index]!} range={[-reach, reach]} colour="var(--ink)" />
              {rebuilt && rebuilt.length === hidden.length && (
                <Bar value={rebuilt[index]!} range={[-reach, reach]} colour="var(--accent)" look="outline" />
              )}
            </div>
            <span class="value" data-test={`hidden-${index}`}>
              {shown(hidden[index]!, 3)}
            </span>
          </div>
        )}
      />
      {rebuilt && (
        <Legend
          entries={[
            { mark: 'square', colour: 'var(--ink)', text: 'as it is' },
            { mark: 'outline', colour: 'var(--accent)', text: 'rebuilt' },
          ]}
        />
      )}
    </section>
  );
}

/** The field that holds any latent at a value, including one that is silent on this sample. */
function PinAny({ count }: { readonly count: number }) {
  const [text, setText] = useState('');
  return (
    <form
      class="row go-to"
      aria-label="Hold a latent"
      onSubmit={event => {
        event.preventDefault();
        const latent = Number(text);
        if (text.trim() === '' || !Number.isInteger(latent) || latent < 0 || latent >= count) return;
        setPin(latent, Math.max(1, probeResult.value?.latents?.[latent] ?? 0));
        setText('');
      }}
    >
      <input
        type="number"
        min={0}
        max={count - 1}
        value={text}
        aria-label="Latent to hold"
        placeholder={`0 to ${count - 1}`}
        onInput={event => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button tiny">
        Hold it
      </button>
    </form>
  );
}

/** The most latents that are all listed. Of more, only those that fire or are held are listed. */
const MOST_LISTED = 64;

function Latents() {
  const result = probeResult.value;
  const latents = result?.latents;
  const encoder = sae.value;
  if (!encoder) return null;
  const held = pins.value;
  const listed: number[] = [];
  let active = 0;
  if (latents) {
    const all = latents.length <= MOST_LISTED;
    latents.forEach((value, index) => {
      if (value !== 0) active += 1;
      if (all || value !== 0 || held.has(index)) listed.push(index);
    });
    if (!all) listed.sort((a, b) => (held.get(b) ?? latents[b]!) - (held.get(a) ?? latents[a]!));
  }
  let reach = 1;
  for (const index of listed) reach = Math.max(reach, latents![index]!, held.get(index) ?? 0);
  return (
    <section class="panel" aria-label="Latents">
      <div class="spread">
        <h2>
          <Term id="latent">Latents</Term>{' '}
          <span class="quiet number">{latents && `${counted(active)} of ${counted(latents.length)} fire`}</span>
        </h2>
        <span class="row">
          <PinAny count={encoder.codeSize} />
          {held.size > 0 && (
            <button
              type="button"
              class="button tiny"
              onClick={() => {
                pins.value = new Map();
              }}
            >
              Release all
            </button>
          )}
        </span>
      </div>
      <VirtualList
        count={listed.length}
        rowHeight={BAR_ROW}
        height={BAR_ROW * 12}
        label="Latent activations"
        row={position => {
          const index = listed[position]!;
          const pinned = held.get(index);
          const value = latents![index]!;
          const colour = latentColour(index);
          const label = labelsOfLatents.value?.(index);
          return (
            <div key={index} class={`bar-row with-pin${selectedLatent.value === index ? ' selected' : ''}`}>
              <button
                type="button"
                class="name"
                aria-label={`Open latent ${index}${label ? ` ${label}` : ''}`}
                title={label ?? ''}
                onClick={() => openLatent(index)}
              >
                <span class="dot" style={{ '--dot': colour }} />
                {index} {label && <span class="quiet ellipsis">{label}</span>}
              </button>
              {pinned === undefined ? (
                <Bar value={value} range={[0, reach]} colour={colour} />
              ) : (
                <Slider
                  label={`Held value of latent ${index}`}
                  value={pinned}
                  max={Math.max(2, reach)}
                  colour={colour}
                  onInput={to => setPin(index, to)}
                />
              )}
              <span class="value" data-test={`latent-${index}`}>
                {shown(pinned ?? value, 3)}
              </span>
              <span class="row" style={{ flexWrap: 'nowrap', gap: '4px' }}>
                <button
                  type="button"
                  class="button tiny plain"
                  aria-pressed={pinned === 0}
                  aria-label={`Ablate latent ${index}`}
                  onClick={() => setPin(index, pinned === 0 ? undefined : 0)}
                >
                  Ablate
                </button>
                <button
                  type="button"
                  class="button tiny plain"
                  aria-pressed={pinned !== undefined && pinned !== 0}
                  aria-label={`Hold latent ${index}`}
                  onClick={() => setPin(index, pinned !== undefined && pinned !== 0 ? undefined : Math.max(value, 1))}
                >
                  Hold
                </button>
              </span>
            </div>
          );
        }}
      />
    </section>
  );
}

/** The view of the probe: its input on one side, the latents and what is rebuilt on the other. */
export function SampleView() {
  return (
    <>
      <Lead title="Sample">
        One input, followed through: into the <Term id="latent">latents</Term> that explain it, and back.{' '}
        <Term id="ablate">Ablate</Term> a latent or <Term id="pin">hold</Term> it at a value to see what depends on it.
      </Lead>
      <RowPicker />
      {toy.value || sae.value ? (
        <div class="two">
          {probeInput.value.type === 'features' ? <FeatureRows /> : <ActivationRows />}
          <div class="stack">
            <Latents />
            <Hidden />
          </div>
        </div>
      ) : (
        <Empty>Open a model to run a sample through it: choose one on the left, or drop files anywhere.</Empty>
      )}
    </>
  );
}
