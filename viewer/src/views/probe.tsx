/** The probe: inputs by slider; what the toy model and the autoencoder make of them, beside the truth. */
import { Bar } from '../components/bar.tsx';
import { shown } from '../components/figure.tsx';
import { latentColour } from '../components/latent-chips.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Slider } from '../components/slider.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { featureColour } from '../data/colours.ts';
import { matching } from '../state/matching.ts';
import { sae, toy } from '../state/models.ts';
import { applyPreset, pins, probeInput, probeResult, setInput, setPin } from '../state/probe.ts';
import { chosenDensity, density, seed } from '../state/samples.ts';
import { selectedFeature, selectedLatent, toggleFeature, toggleLatent } from '../state/selection.ts';

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

/** Rows of true features: slider, then input, reconstruction and matched latent. */
function FeatureRows() {
  const { values } = probeInput.value;
  const result = probeResult.value;
  const found = matching.value;
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
                <div class="bars">
                  <span class="visually-hidden" data-test={`reconstruction-${index}`}>
                    {back}
                  </span>
                  <Bar value={back} range={[0, 1]} colour={colour} />
                  {activation !== undefined && (
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
          <span class="dot square" style={{ '--dot': 'var(--feature-0)', width: '18px' }} /> the toy model's output
        </span>
        {found && (
          <span>
            <span class="dot square hollow" style={{ borderColor: 'var(--feature-0)', width: '18px' }} /> its matched
            latent
          </span>
        )}
      </div>
    </section>
  );
}

/** Sliders straight into the autoencoder, where no toy model stands before it. */
function ActivationRows() {
  const { values } = probeInput.value;
  const rebuilt = probeResult.value?.pinnedReconstruction ?? probeResult.value?.reconstruction;
  const reach = Math.max(3, ...Array.from(values, Math.abs));
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

function Hidden() {
  const result = probeResult.value;
  const hidden = result?.hidden;
  if (!hidden) return null;
  const rebuilt = result.pinnedReconstruction ?? result.reconstruction;
  const reach = Math.max(1, ...Array.from(hidden, Math.abs), ...Array.from(rebuilt ?? [], Math.abs));
  return (
    <section class="panel" aria-label="Hidden activations">
      <h2>Hidden activations</h2>
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
        <div class="legend">
          <span>
            <span class="dot square" style={{ '--dot': 'var(--ink)', width: '18px' }} /> the toy model's
          </span>
          <span>
            <span class="dot square hollow" style={{ borderColor: 'var(--accent)', width: '18px' }} /> rebuilt by the
            autoencoder
          </span>
        </div>
      )}
    </section>
  );
}

/** Beyond this many latents only those that fire are listed. */
const MOST_LISTED = 64;

function Latents() {
  const result = probeResult.value;
  const latents = result?.latents;
  const encoder = sae.value;
  if (!encoder) return null;
  const held = pins.value;
  const listed: number[] = [];
  if (latents) {
    if (latents.length <= MOST_LISTED) listed.push(...latents.keys());
    else {
      latents.forEach((value, index) => {
        if (value !== 0 || held.has(index)) listed.push(index);
      });
      listed.sort((a, b) => latents[b]! - latents[a]!);
    }
  }
  let reach = 1;
  for (const index of listed) reach = Math.max(reach, latents![index]!, held.get(index) ?? 0);
  return (
    <section class="panel" aria-label="Latents">
      <div class="spread">
        <h2>Latents</h2>
        <span class="small quiet number">
          {latents && latents.length > MOST_LISTED && `${listed.length} of ${latents.length} fire`}
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
          return (
            <div key={index} class={`bar-row with-pin${selectedLatent.value === index ? ' selected' : ''}`}>
              <button
                type="button"
                class="name"
                aria-pressed={selectedLatent.value === index}
                aria-label={`Select latent ${index}`}
                onClick={() => toggleLatent(index)}
              >
                <span class="dot" style={{ '--dot': colour }} />
                {index}
              </button>
              {pinned === undefined ? (
                <Bar value={value} range={[0, reach]} colour={colour} />
              ) : (
                <Slider
                  label={`Pinned value of latent ${index}`}
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
                  aria-label={`Pin latent ${index}`}
                  onClick={() => setPin(index, pinned !== undefined && pinned !== 0 ? undefined : Math.max(value, 1))}
                >
                  Pin
                </button>
              </span>
            </div>
          );
        }}
      />
    </section>
  );
}

export function ProbeView() {
  return (
    <>
      <Lead title="Probe">
        Move a feature and follow it: through the toy model's hidden layer, into the autoencoder's latents, and back.
        Ablate or pin a latent to see what depends on it.
      </Lead>
      {toy.value || sae.value ? (
        <div class="two">
          {probeInput.value.type === 'features' ? <FeatureRows /> : <ActivationRows />}
          <div class="stack">
            <Latents />
            <Hidden />
          </div>
        </div>
      ) : (
        <Empty>Open a model to probe it: choose one on the left, or drop an .onnx file anywhere.</Empty>
      )}
    </>
  );
}
