/** The second scene: an autoencoder turns a point of the plane back into the things that made it. */
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Figure } from '../../components/figure.tsx';
import { PLANE_LEGEND, POINT_LEGEND } from '../../components/legend.tsx';
import { Plane } from '../../components/plane.tsx';
import { Slider } from '../../components/slider.tsx';
import { Term } from '../../components/term.tsx';
import { extentOf, latentArrows, pointOf, truthArrows, typicalLength } from '../../data/arrows.ts';
import { featureColour, UNMATCHED } from '../../data/colours.ts';
import { featureOfLatent, matchDirections, rowsOf } from '../../data/matching.ts';
import type { Model } from '../../data/model.ts';
import { shown } from '../../data/numbers.ts';
import { plainPlane } from '../../data/plane-basis.ts';
import { manifest, openBundled } from '../../open/bundled-models.ts';
import { fail } from '../../state/notices.ts';
import { resource } from '../../state/resource.ts';
import { inference } from '../../workers/inference-client.ts';
import { THINGS, thing } from './things.ts';

const present = signal<readonly number[]>([0, 0, 1, 0, 0]);
const pair = signal<{ readonly toy: Model; readonly found: Model } | undefined>(undefined);

async function openPair(): Promise<void> {
  const story = manifest.value?.story;
  if (pair.value || !story) return;
  const [toy, found] = await Promise.all([openBundled(story.toy, false), openBundled(story.found, false)]);
  if (toy && found) pair.value = { toy, found };
}

const probed = resource('The autoencoder could not be run', () => {
  const models = pair.value;
  const values = Float32Array.from(present.value);
  if (!models) return undefined;
  const { toy, found } = models;
  const request = { toy: toy.id, sae: found.id, input: { type: 'features', values }, pins: [] } as const;
  return { about: 'read-back', ask: async () => (await inference()).probe(request) };
});

const drawing = computed(() => {
  const models = pair.value;
  if (!models?.toy.directions || !models.found.directions) return undefined;
  const axes = plainPlane();
  const truth = rowsOf(models.toy.directions);
  const latents = rowsOf(models.found.directions);
  const found = matchDirections(latents, truth);
  const named = truthArrows(truth, axes).map(arrow => ({ ...arrow, label: thing(arrow.index) }));
  const arrows = latentArrows(latents, axes, { found, length: typicalLength(truth), from: models.found.bias });
  return { axes, found, named, arrows, bias: pointOf(axes, models.found.bias), extent: 1.16 * extentOf(named, arrows) };
});

/** The scene: sliders for the five things, what comes back of each, and the point in the plane. */
export function ReadBack() {
  const list = manifest.value;
  useEffect(() => {
    openPair().catch(error => fail('The story’s models could not be opened', error));
  }, [list]);
  const drawn = drawing.value;
  const result = probed.value;
  if (!drawn) return <div class="panel" style={{ minHeight: '420px' }} aria-busy="true" />;
  const hidden = result?.hidden;
  const rebuilt = result?.reconstruction;
  const many = present.value.filter(value => value > 0).length > 1;
  return (
    <div class="two">
      <Figure
        title="The plane again, with an autoencoder’s latents"
        name="read-back"
        note="The dot is the input you choose, as the model stores it"
        legend={[...PLANE_LEGEND.slice(0, 2), ...POINT_LEGEND]}
        table={() => ({
          columns: ['Latent', 'Found', 'x', 'y'],
          rows: drawn.arrows.map(({ index, x, y }) => [index, thing(featureOfLatent(index, drawn.found)), x, y]),
        })}
      >
        <Plane
          label="The plane with five latents and the input"
          extent={drawn.extent}
          truth={drawn.named}
          latents={drawn.arrows}
          bias={drawn.bias}
          point={hidden && { x: hidden[0]!, y: hidden[1]! }}
          reconstruction={rebuilt && { x: rebuilt[0]!, y: rebuilt[1]! }}
          largest={440}
        />
      </Figure>
      <div class="stack">
        <section class="panel" aria-label="The input">
          <h2>Put things in</h2>
          {THINGS.map((name, i) => (
            <div key={name} class="bar-row stored-row">
              <span class="status">
                <span class="dot" style={{ '--dot': featureColour(i, 5) }} />
                {name}
              </span>
              <Slider
                label={name}
                value={present.value[i]!}
                colour={featureColour(i, 5)}
                onInput={value => {
                  present.value = present.value.map((old, j) => (j === i ? value : old));
                }}
              />
              <span class="value">{shown(present.value[i]!, 2)}</span>
            </div>
          ))}
          <div class="row">
            {THINGS.map((name, i) => (
              <button
                key={name}
                type="button"
                class="button tiny"
                onClick={() => {
                  present.value = THINGS.map((_, j) => (j === i ? 1 : 0));
                }}
              >
                Only {name}
              </button>
            ))}
          </div>
        </section>
        <section class="panel" aria-label="What the autoencoder reads">
          <h2>
            What the <Term id="autoencoder">autoencoder</Term> reads from the two numbers
          </h2>
          {Array.from(result?.latents ?? [], (value, latent) => {
            const feature = featureOfLatent(latent, drawn.found);
            const colour = feature < 0 ? UNMATCHED : featureColour(feature, 5);
            return (
              <div key={latent} class="bar-row stored-row" data-test={`read-${feature}`} data-value={value}>
                <span class="status">
                  <span class="dot" style={{ '--dot': colour }} />
                  {feature < 0 ? 'nothing' : thing(feature)}
                </span>
                <span class="bar" style={{ '--bar': colour }}>
                  <i style={{ left: 0, width: `${Math.min(100, (100 * value) / 1.3)}%` }} />
                </span>
                <span class="value">{shown(value, 2)}</span>
              </div>
            );
          })}
          <p class="small">
            {many
              ? 'This autoencoder may fire one latent for each input (k = 1), so of several things it reads the strongest. That is enough here: the data it learned from nearly always held one thing.'
              : 'One latent fires: the one that learned this thing’s direction. Nobody told it what a dog is; it only had to rebuild the point with one latent at a time.'}
          </p>
        </section>
      </div>
    </div>
  );
}
