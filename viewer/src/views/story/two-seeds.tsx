/** The third scene: the same training from two seeds. One finds every direction; in the other b_dec walks out of the cloud. */
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Figure } from '../../components/figure.tsx';
import { Legend, PLANE_LEGEND } from '../../components/legend.tsx';
import { Plane } from '../../components/plane.tsx';
import { Term } from '../../components/term.tsx';
import { Transport } from '../../components/transport.tsx';
import {
  biasTrail,
  extentOf,
  latentArrows,
  pointOf,
  tipTrails,
  truthArrows,
  typicalLength,
} from '../../data/arrows.ts';
import { frameAt } from '../../data/frame.ts';
import { type Matrix, matchDirections, matchedCosine, rowsOf } from '../../data/matching.ts';
import type { History } from '../../data/model.ts';
import { shown } from '../../data/numbers.ts';
import { plainPlane } from '../../data/plane-basis.ts';
import { bundledHistory, loadManifest, openBundled } from '../../open/bundled-models.ts';
import { view } from '../../state/navigation.ts';
import { fail } from '../../state/notices.ts';
import { createPlayback } from '../../state/playback.ts';
import { sparseFeatures } from '../../state/rows.ts';
import { reducedMotion } from '../../state/settings.ts';
import { thing } from './things.ts';

interface Story {
  /** The true directions. */
  readonly truth: Matrix;
  /** The activations that both autoencoders were trained on: x and y in turn. */
  readonly cloud: Float32Array;
  readonly found: History;
  readonly collapsed: History;
}

const story = signal<Story | undefined>(undefined);
const playback = createPlayback(() => story.value?.found.steps.length ?? 2);
/** Whether it has played by itself, which it does once in a visit. */
let shownOnce = false;
const POINTS = 1200;
const axes = plainPlane();

async function tellStory(): Promise<void> {
  const list = await loadManifest();
  if (!list || story.value) return;
  const file = (id: string): string => list.models.find(model => model.id === id)?.history ?? '';
  const [found, collapsed, toy] = await Promise.all([
    bundledHistory(file(list.story.found)),
    bundledHistory(file(list.story.collapsed)),
    openBundled(list.story.toy, false),
  ]);
  if (!toy?.directions) return;
  const truth = rowsOf(toy.directions);
  const features = sparseFeatures(POINTS, truth.length, 1 - (toy.sparsity ?? 0.9), 0).data;
  const cloud = new Float32Array(2 * POINTS);
  for (let i = 0; i < POINTS; i++) {
    truth.forEach((row, feature) => {
      const value = features[i * truth.length + feature]!;
      cloud[2 * i]! += value * row[0]!;
      cloud[2 * i + 1]! += value * row[1]!;
    });
  }
  story.value = { truth, cloud, found, collapsed };
}

interface PanelProps {
  readonly title: string;
  readonly name: string;
  readonly history: History;
  readonly told: Story;
  readonly model: string;
}

function Panel({ title, name, history, told, model }: PanelProps) {
  const { truth, cloud } = told;
  const frame = frameAt(history, playback.position.value);
  const found = matchDirections(frame.directions, truth);
  const length = typicalLength(truth);
  const latents = latentArrows(frame.directions, axes, { found, length, from: frame.bias });
  const bias = pointOf(axes, frame.bias);
  const trail = biasTrail(history, frame, axes);
  // The square holds the whole way from the start, so that the picture does not jump.
  const last = frameAt(history, 1);
  const ends = latentArrows(last.directions, axes, { found, length, from: last.bias });
  const truthShown = truthArrows(truth, axes).map(arrow => ({ ...arrow, label: thing(arrow.index) }));
  return (
    <Figure
      title={title}
      name={name}
      note={
        <>
          <strong style={{ color: 'var(--ink)' }} class="number">
            {found.recovered} of {truth.length}
          </strong>{' '}
          directions found, <Term id="loss">loss</Term> <span class="number">{shown(frame.loss, 4)}</span>
        </>
      }
      table={() => ({
        columns: ['True feature', 'Latent', 'Cosine'],
        rows: truth.map((_, feature) => [thing(feature), found.latentOf[feature]!, matchedCosine(found, feature)]),
      })}
    >
      <Plane
        label={`${title}: the plane at step ${frame.step}, b_dec at ${bias.x.toFixed(2)}, ${bias.y.toFixed(2)}`}
        extent={1.1 * extentOf(truthShown, ends, latents)}
        cloud={cloud}
        truth={truthShown}
        latents={latents}
        trails={tipTrails(history, frame, axes, latents, length)}
        bias={frame.bias && bias}
        biasTrail={trail}
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

/** The scene: both trainings side by side. It plays once by itself, unless the person asked for less motion. */
export function TwoSeeds() {
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
  if (!told) return <div class="panel" style={{ minHeight: '420px' }} aria-busy="true" />;
  const walked = Math.hypot(...(told.collapsed.b_dec?.at(-1) ?? [0]));
  return (
    <div class="stack">
      <div class="two keep">
        <Panel title="Found every direction" name="story-found" history={told.found} told={told} model="sae-found" />
        <Panel title="Found none" name="story-collapsed" history={told.collapsed} told={told} model="sae-collapsed" />
      </div>
      <Transport playback={playback} frames={told.found.steps.length} step={step.value} />
      <Legend entries={PLANE_LEGEND} />
      <p style={{ maxWidth: '72ch' }}>
        Every reconstruction starts from one point, <Term id="b_dec">b_dec</Term>, the cross, and a latent leads from
        there. On the left that point stays in the middle, and each latent turns to a direction of its own. On the right
        it walks {shown(walked, 1)} away, out of the cloud; from out there all five latents fan back into it, each along
        a line that is no feature’s. Training asked for a small loss only, and the right one’s ends at{' '}
        {shown(told.collapsed.loss.at(-1), 4)}, the left one’s at {shown(told.found.loss.at(-1), 4)}: a small loss does
        not say that features were found.
      </p>
    </div>
  );
}
