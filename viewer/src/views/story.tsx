/** The opening: one toy model, two autoencoders trained on it, their histories side by side for four seconds. */
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Figure, shown } from '../components/figure.tsx';
import { Lead } from '../components/lead.tsx';
import { PlaneLegend } from '../components/legend.tsx';
import { Plane } from '../components/plane.tsx';
import { Transport } from '../components/transport.tsx';
import { latentArrows, truthArrows, typicalLength } from '../data/arrows.ts';
import { frameAt } from '../data/frame.ts';
import { matchDirections, matchedCosine } from '../data/matching.ts';
import type { History } from '../data/model.ts';
import { plainPlane, project } from '../data/plane-basis.ts';
import { bundledHistory, loadManifest, openBundled } from '../open/open-models.ts';
import { view } from '../state/navigation.ts';
import { fail } from '../state/notices.ts';
import { cloud } from '../state/plane-state.ts';
import { createPlayback } from '../state/playback.ts';
import { reducedMotion } from '../state/settings.ts';

type Rows = readonly (readonly number[])[];

interface Story {
  /** True directions. */
  readonly truth: Rows;
  readonly found: History;
  readonly collapsed: History;
}

const story = signal<Story | undefined>(undefined);
const playback = createPlayback();
/** It plays by itself once, on the first visit of the view. */
let shownOnce = false;

async function tellStory(): Promise<void> {
  const list = await loadManifest();
  if (!list || story.value) return;
  const file = (id: string): string => list.models.find(model => model.id === id)?.history ?? '';
  const [toy, found, collapsed] = await Promise.all(
    [list.story.toy, list.story.found, list.story.collapsed].map(id => bundledHistory(file(id))),
  );
  story.value = { truth: toy!.directions.at(-1)!, found: found!, collapsed: collapsed! };
}

const axes = plainPlane();

interface PanelProps {
  readonly title: string;
  readonly name: string;
  readonly history: History;
  readonly truth: Rows;
  readonly model: string;
}

function Panel({ title, name, history, truth, model }: PanelProps) {
  const frame = frameAt(history, playback.position.value);
  const found = matchDirections(frame.directions, truth);
  const length = typicalLength(truth);
  const past = history.directions.slice(0, frame.index + 1);
  const latents = latentArrows(frame.directions, axes, found, length, undefined);
  const trails = latents.map(arrow => ({
    colour: arrow.colour,
    points: past
      .flatMap(rows => {
        const [x, y] = project(axes, rows[arrow.index]!, true);
        return [x * length, y * length];
      })
      .concat(arrow.x, arrow.y),
  }));
  return (
    <Figure
      title={title}
      name={name}
      note={
        <>
          <strong style={{ color: 'var(--ink)' }} class="number">
            {found.recovered} of {truth.length}
          </strong>{' '}
          directions found, loss {shown(frame.loss, 4)}
        </>
      }
      table={() => ({
        columns: ['True feature', 'Latent', 'Cosine'],
        rows: truth.map((_, feature) => [feature, found.latentOf[feature]!, matchedCosine(found, feature)]),
      })}
    >
      <Plane
        label={`${title}: the plane at step ${frame.step}`}
        extent={1.24 * Math.max(...truth.map(row => Math.hypot(...row)))}
        cloud={cloud.value}
        truth={truthArrows(truth, axes, undefined)}
        latents={latents}
        trails={trails}
        largest={470}
        onLatent={async () => {
          await openBundled(model);
          view.value = 'plane';
        }}
      />
    </Figure>
  );
}

const step = computed(() => (story.value ? frameAt(story.value.found, playback.position.value).step : 0));

export function StoryView() {
  useEffect(() => {
    tellStory()
      .then(() => {
        if (!shownOnce && !reducedMotion.value) playback.play();
        shownOnce = true;
      })
      .catch(error => fail('The story could not be loaded', error));
    return () => playback.pause();
  }, []);
  const told = story.value;
  return (
    <>
      <Lead title="Two autoencoders, one set of features">
        A toy model squeezed five sparse features into two dimensions. Both autoencoders learned from the same
        activations and differ only in their seed. One found every direction. In the other, latents settled between the
        features, and its loss is no worse: a low loss does not say that features were found.
      </Lead>
      {told ? (
        <>
          <div class="two keep">
            <Panel
              title="Found every direction"
              name="story-found"
              history={told.found}
              truth={told.truth}
              model="sae-found"
            />
            <Panel
              title="Collapsed"
              name="story-collapsed"
              history={told.collapsed}
              truth={told.truth}
              model="sae-collapsed"
            />
          </div>
          <Transport playback={playback} frames={told.found.steps.length} step={step.value} />
          <PlaneLegend />
        </>
      ) : (
        <div class="panel" style={{ minHeight: '420px' }} aria-busy="true" />
      )}
      <div class="next">
        <button
          type="button"
          onClick={() => {
            view.value = 'plane';
          }}
        >
          <strong>Drag a point</strong>
          <span>See which latent wins, and what it reconstructs.</span>
        </button>
        <button
          type="button"
          onClick={() => {
            view.value = 'seeds';
          }}
        >
          <strong>Change the seed</strong>
          <span>The same training, sixteen times.</span>
        </button>
        <button
          type="button"
          onClick={() => {
            view.value = 'train';
          }}
        >
          <strong>Train one yourself</strong>
          <span>In this browser, with the scripts' own training step.</span>
        </button>
      </div>
    </>
  );
}
