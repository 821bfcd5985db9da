/**
 * The text view: which latents fire on which token of a text that is run through a language model with an autoencoder
 * spliced into it, and what steering changes.
 */
import { useState } from 'preact/hooks';
import { Bar } from '../components/bar.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Slider } from '../components/slider.tsx';
import type { Prediction } from '../data/live-text.ts';
import { counted, percent, shown } from '../data/numbers.ts';
import {
  addedToLatents,
  addToLatent,
  chosenToken,
  colouringLatent,
  splicedText,
  textReading,
  tokenInView,
  tokenizerName,
  typedText,
} from '../state/live-text.ts';
import { sae } from '../state/models.ts';
import { openLatent } from '../state/selection.ts';

/** How many latents are listed for a token. */
const LISTED = 24;

const visible = (token: string): string => (token === '' ? '∅' : token.replaceAll('\n', '⏎').replaceAll('\t', '⇥'));

/** The activation of the colouring latent on each token, or of each token's strongest latent. */
function strengths(): { readonly values: readonly number[]; readonly most: number } {
  const reading = textReading.value;
  const latent = colouringLatent.value;
  const values = (reading?.latents ?? []).map(({ latents, values: found }) => {
    if (latent === undefined) return found[0] ?? 0;
    const at = latents.indexOf(latent);
    return at < 0 ? 0 : found[at]!;
  });
  return { values, most: Math.max(0, ...values) };
}

function Tokens() {
  const reading = textReading.value;
  if (!reading) return null;
  const { values, most } = strengths();
  const latent = colouringLatent.value;
  return (
    <section class="panel" aria-label="Tokens">
      <div class="spread">
        <h2>{counted(reading.tokens.length)} tokens</h2>
        <span class="small quiet">
          {latent === undefined ? 'coloured by the strongest latent of each' : `coloured by latent ${latent}`}
        </span>
      </div>
      <div class="chips text-tokens">
        {reading.tokens.map((token, i) => {
          const strength = most > 0 ? Math.max(0, values[i]!) / most : 0;
          return (
            <button
              key={i}
              type="button"
              class="chip token"
              style={{ '--strength': `${Math.round(45 * strength)}%` }}
              aria-pressed={i === tokenInView.value}
              title={shown(values[i]!, 3)}
              onClick={() => {
                chosenToken.value = i;
              }}
            >
              {visible(token)}
            </button>
          );
        })}
      </div>
    </section>
  );
}

function Steered({ latent }: { readonly latent: number }) {
  const value = addedToLatents.value.get(latent) ?? 0;
  const reach = Math.max(1, ...(textReading.value?.latents.map(({ values }) => values[0] ?? 0) ?? []));
  return (
    <div class="text-steer">
      <span class="number">latent {latent}</span>
      <Slider
        label={`Add to latent ${latent}`}
        value={value}
        min={-4 * reach}
        max={4 * reach}
        step={reach / 50}
        onInput={to => addToLatent(latent, to)}
      />
      <span class="number small">
        {value > 0 && '+'}
        {shown(value, 2)}
      </span>
      <button type="button" class="button tiny plain" onClick={() => addToLatent(latent, 0)}>
        Let go
      </button>
    </div>
  );
}

function Steering() {
  const model = splicedText.value!;
  const [wanted, setWanted] = useState('');
  const held = new Set([...addedToLatents.value.keys()]);
  if (colouringLatent.value !== undefined) held.add(colouringLatent.value);
  if (!model.canSteer) {
    return <p class="small quiet">This model was spliced without --steer: nothing can be added to its latents.</p>;
  }
  return (
    <section class="panel" aria-label="Steering">
      <h2>Steer</h2>
      <p class="small quiet">
        Press a latent of a token, or name one. What is added to it here is added at every token.
      </p>
      {[...held].map(latent => (
        <Steered key={latent} latent={latent} />
      ))}
      <form
        class="row"
        aria-label="Steer a latent by number"
        onSubmit={event => {
          event.preventDefault();
          const latent = Number(wanted);
          if (wanted.trim() === '' || !Number.isInteger(latent) || latent < 0 || latent >= model.dSae) return;
          colouringLatent.value = latent;
          setWanted('');
        }}
      >
        <input
          type="number"
          min={0}
          max={model.dSae - 1}
          aria-label="Latent to steer"
          value={wanted}
          onInput={event => setWanted(event.currentTarget.value)}
        />
        <button type="submit" class="button tiny">
          Take it
        </button>
      </form>
    </section>
  );
}

function Firing() {
  const reading = textReading.value;
  const at = tokenInView.value;
  if (!reading || at === undefined) return null;
  const { latents, values } = reading.latents[at]!;
  const range = [Math.min(0, values.at(-1) ?? 0), values[0] ?? 1] as const;
  return (
    <section class="panel" aria-label="Latents of the token">
      <h2>
        Latents on “{visible(reading.tokens[at]!)}”: {counted(latents.length)} of {counted(splicedText.value!.dSae)}
      </h2>
      <ul class="text-latents">
        {Array.from(latents.subarray(0, LISTED), (latent, i) => (
          <li key={latent}>
            <button
              type="button"
              class="button tiny number"
              aria-pressed={latent === colouringLatent.value}
              onClick={() => {
                colouringLatent.value = colouringLatent.value === latent ? undefined : latent;
              }}
            >
              {latent}
            </button>
            <Bar value={values[i]!} range={range} colour="var(--accent)" />
            <span class="number">{shown(values[i]!, 3)}</span>
            {sae.value?.codeSize === splicedText.value!.dSae && (
              <button
                type="button"
                class="button tiny plain"
                aria-label={`Page of latent ${latent}`}
                onClick={() => openLatent(latent)}
              >
                Page
              </button>
            )}
          </li>
        ))}
      </ul>
      {latents.length > LISTED && <p class="small quiet">The strongest {LISTED}.</p>}
    </section>
  );
}

function Shares({
  title,
  test,
  list,
}: {
  readonly title: string;
  readonly test: string;
  readonly list: readonly Prediction[];
}) {
  return (
    <div>
      <h3 class="small quiet">{title}</h3>
      <ol class="text-next" data-test={test}>
        {list.map(({ token, share }) => (
          <li key={token}>
            <span class="text-word">{visible(token)}</span>
            <Bar value={share} range={[0, 1]} colour="var(--accent)" />
            <span class="number">{percent(share)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function Next() {
  const reading = textReading.value;
  const at = tokenInView.value;
  if (!reading || at === undefined || reading.next.length === 0) return null;
  return (
    <section class="panel" aria-label="Prediction">
      <h2>What comes after “{visible(reading.tokens[at]!)}”</h2>
      <div class="text-predictions">
        <Shares title="as it is" test="next" list={reading.next[at]!} />
        {reading.steered && <Shares title="steered" test="steered" list={reading.steered[at]!} />}
      </div>
    </section>
  );
}

/** The view of a typed text, or of what to open before one can be typed. */
export function TextView() {
  const model = splicedText.value;
  if (!model) {
    return (
      <>
        <Lead title="Text">
          Type a text and see which latents fire on which token; steer one and see the prediction change.
        </Lead>
        <Empty>
          Open a language model with an autoencoder inside it, and its tokenizer.json, both together.{' '}
          <code>monosemantic splice model.onnx sae.onnx --tensor NAME --steer --output merged.onnx</code> makes one.
        </Empty>
      </>
    );
  }
  return (
    <>
      <Lead title="Text">
        {model.name}, whose tensor <code>{model.tensor}</code> goes through an autoencoder of {counted(model.dSae)}{' '}
        latents.
      </Lead>
      <section class="panel" aria-label="Your text">
        <label class="field full">
          <span>{tokenizerName.value ? 'Text' : 'Token ids'}</span>
          <textarea
            placeholder={tokenizerName.value ? 'Type something the model can go on from' : '1 5 3'}
            rows={3}
            value={typedText.value}
            spellcheck={false}
            onInput={event => {
              typedText.value = event.currentTarget.value;
            }}
          />
        </label>
        {!tokenizerName.value && (
          <p class="small quiet">
            No tokenizer is open: type token ids, or open the model’s tokenizer.json to type words.
          </p>
        )}
      </section>
      <div class="stack">
        <Tokens />
        <div class="text-columns">
          <div class="stack">
            <Firing />
            <Steering />
          </div>
          <Next />
        </div>
      </div>
    </>
  );
}
