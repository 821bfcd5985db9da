/** Scrubbing a history: directions with their trails, and the loss with a tick at every event. */
import { dot, line, ruleX } from '@observablehq/plot';
import { computed } from '@preact/signals';
import { Figure, shown } from '../components/figure.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { PlaneLegend } from '../components/legend.tsx';
import { Plane } from '../components/plane.tsx';
import { PlotChart } from '../components/plot-chart.tsx';
import { Transport } from '../components/transport.tsx';
import { latentArrows, truthArrows, typicalLength } from '../data/arrows.ts';
import { featureColour } from '../data/colours.ts';
import { frameAt } from '../data/frame.ts';
import { matchDirections, rowsOf, trainingEvents } from '../data/matching.ts';
import { project } from '../data/plane-basis.ts';
import { sae, toy, truth } from '../state/models.ts';
import { basis, cloud, extent, planeToy } from '../state/plane-state.ts';
import { playback } from '../state/playback.ts';
import { selectedLatent, toggleLatent } from '../state/selection.ts';

/** The model whose history is shown: the autoencoder's, or the toy model's where that is all there is. */
const subject = computed(() => (sae.value?.history ? sae.value : toy.value?.history ? toy.value : undefined));

/** True directions at the end: an autoencoder's target; a toy model is compared with where it arrives. */
const target = computed(() => {
  const model = subject.value;
  if (!model) return undefined;
  if (model.kind === 'toy-model') return model.history!.directions.at(-1)!;
  return truth.value ? rowsOf(truth.value.directions) : undefined;
});

const MOST_MATCHED = 64;
const events = computed(() => {
  const model = subject.value;
  const rows = target.value;
  if (!model?.history || !rows || model.kind === 'toy-model' || rows.length > MOST_MATCHED) return [];
  return trainingEvents(model.history, rows);
});

export function TrainingView() {
  const model = subject.value;
  const axes = basis.value;
  const rows = target.value;
  if (!model?.history || !axes) {
    return (
      <>
        <Lead title="Training">Watch a model's directions form, step by step.</Lead>
        <Empty>
          {model
            ? 'The plane is not ready yet.'
            : 'The models in view have no history. Drop the history.json of a run together with its .onnx.'}
        </Empty>
      </>
    );
  }
  const { history } = model;
  const frame = frameAt(history, playback.position.value);
  const isToy = model.kind === 'toy-model';
  const found = rows && !isToy && rows.length <= MOST_MATCHED ? matchDirections(frame.directions, rows) : undefined;
  const length =
    isToy || !planeToy.value ? (isToy ? 1 : 0.8 * extent.value) : typicalLength(rowsOf(planeToy.value.directions));
  const latents = isToy
    ? frame.directions.map((row, index) => {
        const [x, y] = project(axes, row, true);
        return { index, x, y, colour: featureColour(index, frame.directions.length), label: '' };
      })
    : latentArrows(frame.directions, axes, found, length, selectedLatent.value);
  const trails = latents.map(arrow => ({
    colour: arrow.colour,
    points: history.directions
      .slice(0, frame.index + 1)
      .flatMap(past => project(axes, past[arrow.index]!, true).map(value => value * length))
      .concat(arrow.x, arrow.y),
  }));
  const curve = history.steps.map((step, i) => ({ step: Math.max(1, step), loss: history.loss[i]! }));
  const ticks = events.value;
  const nearby = ticks.filter(event => event.step <= frame.step).slice(-4);
  return (
    <>
      <Lead title="Training">
        {isToy
          ? 'How the toy model came to store its features: each arrow is a feature’s direction.'
          : 'How the latents came to point where they do. Ticks on the curve mark when a feature was found, lost, or passed to another latent.'}
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
          table={() => ({
            columns: ['Direction', ...frame.directions[0]!.map((_, i) => `Dimension ${i}`)],
            rows: frame.directions.map((row, i) => [i, ...row]),
          })}
        >
          <div class="stack">
            <Plane
              label={`Directions at step ${frame.step}`}
              extent={extent.value}
              cloud={cloud.value}
              truth={rows ? truthArrows(rows, axes, undefined) : []}
              latents={latents}
              trails={trails}
              onLatent={isToy ? undefined : toggleLatent}
            />
            {!isToy && <PlaneLegend />}
          </div>
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
              <h2>So far</h2>
              {nearby.length > 0 ? (
                <ul class="small" style={{ margin: 0, paddingLeft: '18px' }}>
                  {nearby.map(event => (
                    <li key={`${event.step}${event.text}`} class="number">
                      <span class="quiet">step {event.step.toLocaleString('en')}</span> {event.text}
                    </li>
                  ))}
                </ul>
              ) : (
                <p class="small quiet">No feature has been found yet.</p>
              )}
            </section>
          )}
        </div>
      </div>
    </>
  );
}
