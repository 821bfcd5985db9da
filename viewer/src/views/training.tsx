/**
 * A model's history: its directions as they form, the loss, and when each feature was found, lost, or taken over by
 * another latent.
 */
import { dot, line, ruleX } from '@observablehq/plot';
import { computed } from '@preact/signals';
import { Figure } from '../components/figure.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { PLANE_LEGEND } from '../components/legend.tsx';
import { Plane } from '../components/plane.tsx';
import { PlotChart } from '../components/plot-chart.tsx';
import { Term } from '../components/term.tsx';
import { Transport } from '../components/transport.tsx';
import { VirtualList } from '../components/virtual-list.tsx';
import { biasTrail, extentOf, latentArrows, pointOf, tipTrails, truthArrows, typicalLength } from '../data/arrows.ts';
import { featureColour } from '../data/colours.ts';
import { frameAt } from '../data/frame.ts';
import { type Matrix, rowsOf } from '../data/matching.ts';
import { counted, shown } from '../data/numbers.ts';
import { project } from '../data/plane-basis.ts';
import { sae, toy, truth } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { basis, cloud, extent, planeToy } from '../state/plane-state.ts';
import { playback } from '../state/playback.ts';
import { resource } from '../state/resource.ts';
import { selectedLatent, toggleLatent } from '../state/selection.ts';
import { analysis } from '../workers/analysis-client.ts';

/** The model whose history is shown: the autoencoder, or the toy model where only that has one. */
const subject = computed(() => (sae.value?.history ? sae.value : toy.value?.history ? toy.value : undefined));

/**
 * The directions that the history is compared with: the truth for an autoencoder; for a toy model its own directions at
 * the end.
 */
const target = computed<Matrix | undefined>(() => {
  const model = subject.value;
  if (!model) return undefined;
  if (model.kind === 'toy-model') return model.history!.directions.at(-1)!;
  return truth.value?.directions && rowsOf(truth.value.directions);
});

/** The matching of every snapshot, and what happened between them. */
const matched = resource(
  'The history could not be matched',
  () => {
    const model = subject.value;
    const known = truth.value;
    if (!model?.history || model.kind === 'toy-model' || !known?.directions) return undefined;
    const { history } = model;
    const { directions } = known;
    return { about: `${model.id} ${known.id}`, once: true, ask: () => analysis().matchHistory(history, directions) };
  },
  () => view.value === 'training',
);

const EVENT_ROW = 26;

/** The view of a history, which plays back and can be moved through by a slider. */
export function TrainingView() {
  const model = subject.value;
  const axes = basis.value;
  const rows = target.value;
  if (!model?.history || !axes) {
    return (
      <>
        <Lead title="History">Watch a model’s directions form, step by step.</Lead>
        <Empty>
          {model
            ? 'Its space has too many dimensions for a plane.'
            : 'The models in view have no history. Drop the history.json of a run together with its .onnx.'}
        </Empty>
      </>
    );
  }
  const { history } = model;
  const frame = frameAt(history, playback.position.value);
  const isToy = model.kind === 'toy-model';
  const found = isToy ? undefined : matched.value?.matchings[frame.index];
  const known = planeToy.value?.directions;
  const length = isToy ? 1 : known ? typicalLength(rowsOf(known)) : 0.8 * extent.value;
  const latents = isToy
    ? frame.directions.map((row, index) => {
        const [x, y] = project(axes, row, true);
        return { index, x, y, colour: featureColour(index, frame.directions.length), label: '' };
      })
    : latentArrows(frame.directions, axes, { found, length, selected: selectedLatent.value, from: frame.bias });
  const truthShown = rows ? truthArrows(rows, axes) : [];
  const curve = history.steps.map((step, i) => ({ step: Math.max(1, step), loss: history.loss[i]! }));
  const ticks = matched.value?.events ?? [];
  const past = ticks.filter(event => event.step <= frame.step).toReversed();
  return (
    <>
      <Lead title="History">
        {isToy ? (
          'How the toy model came to store its features: each arrow is a feature’s direction.'
        ) : (
          <>
            How the <Term id="latent">latents</Term> came to point where they do. Ticks on the curve mark when a feature
            was found, lost, or passed to another latent.
          </>
        )}
      </Lead>
      <Transport playback={playback} frames={history.steps.length} step={frame.step} />
      <div class="wide-narrow">
        <Figure
          title={model.name}
          name={`training-step-${frame.step}`}
          note={
            found ? (
              <span class="number">
                <strong style={{ color: 'var(--ink)' }}>
                  {found.recovered} of {found.features}
                </strong>{' '}
                directions found
              </span>
            ) : undefined
          }
          legend={isToy ? PLANE_LEGEND.slice(0, 1) : PLANE_LEGEND}
          table={() => ({
            columns: ['Direction', ...frame.directions[0]!.map((_, i) => `Dimension ${i}`)],
            rows: frame.directions.map((row, i) => [i, ...row]),
          })}
        >
          <Plane
            label={`Directions at step ${frame.step}`}
            extent={Math.max(extent.value, extentOf(latents))}
            cloud={cloud.value}
            truth={truthShown}
            latents={latents}
            trails={tipTrails(history, frame, axes, latents, length)}
            bias={isToy || !frame.bias ? undefined : pointOf(axes, frame.bias)}
            biasTrail={biasTrail(history, frame, axes)}
            onLatent={isToy ? undefined : toggleLatent}
          />
        </Figure>
        <div class="stack">
          <Figure
            title="Loss"
            note={<span class="number">{shown(frame.loss, 5)} at this step</span>}
            name="loss"
            table={() => ({
              columns: ['Step', 'Loss'],
              rows: history.steps.map((step, i) => [step, history.loss[i]!]),
            })}
          >
            <PlotChart
              label="Loss against step, both on log scales"
              height={220}
              inputs={[history, frame.index, frame.step, ticks]}
              options={() => ({
                marginLeft: 52,
                marginBottom: 42,
                x: { type: 'log', label: 'step', ticks: 4, tickFormat: '~s' },
                y: { type: 'log', label: 'loss', grid: true, ticks: 3, tickFormat: '~g' },
                marks: [
                  ruleX(ticks, { x: 'step', stroke: 'var(--line-strong)', strokeWidth: 1 }),
                  line(curve, { x: 'step', y: 'loss', stroke: 'var(--quiet)', strokeWidth: 1.5 }),
                  ruleX([Math.max(1, frame.step)], { stroke: 'var(--accent)', strokeWidth: 1.5 }),
                  dot([{ step: Math.max(1, frame.step), loss: frame.loss }], {
                    x: 'step',
                    y: 'loss',
                    fill: 'var(--accent)',
                    r: 4.5,
                  }),
                ],
              })}
            />
          </Figure>
          {!isToy && (
            <section class="panel" aria-label="Events">
              <h2>
                So far <span class="quiet number">{counted(past.length)} events</span>
              </h2>
              {past.length > 0 ? (
                <VirtualList
                  count={past.length}
                  rowHeight={EVENT_ROW}
                  height={8 * EVENT_ROW}
                  label="Events"
                  row={index => {
                    const event = past[index]!;
                    return (
                      <div key={`${event.step}${event.text}`} class="small number" style={{ height: `${EVENT_ROW}px` }}>
                        <span class="quiet">step {counted(event.step)}</span> {event.text}
                      </div>
                    );
                  }}
                />
              ) : (
                <p class="small quiet">{matched.value ? 'No feature has been found yet.' : 'Matching…'}</p>
              )}
            </section>
          )}
        </div>
      </div>
    </>
  );
}
