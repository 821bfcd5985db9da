/** Training here: a toy model with restarts, or an autoencoder on the toy model in view; directions move while it learns. */
import { line } from '@observablehq/plot';
import { signal } from '@preact/signals';
import { proxy } from 'comlink';
import type { JSX } from 'preact';
import { Figure, shown } from '../components/figure.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Plane } from '../components/plane.tsx';
import { PlotChart } from '../components/plot-chart.tsx';
import { saveBytes, saveText } from '../components/save-figure.ts';
import { Segmented } from '../components/segmented.tsx';
import { latentArrows, truthArrows, typicalLength } from '../data/arrows.ts';
import { featureColour } from '../data/colours.ts';
import { matchDirections, rowsOf } from '../data/matching.ts';
import type { History } from '../data/model.ts';
import { plainPlane, planeOf, project } from '../data/plane-basis.ts';
import { openTrained } from '../open/open-models.ts';
import { toy } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { fail, say } from '../state/notices.ts';
import type { InitialisationName, TrainedModel, TrainingProgress, TrainingSettings } from '../workers/training-api.ts';
import { training } from '../workers/training-client.ts';

type Kind = 'toy-model' | 'sparse-autoencoder';

const kind = signal<Kind>('toy-model');
const settings = signal({
  nFeatures: 5,
  nHidden: 2,
  sparsity: 0.9,
  importance: 0.9,
  restarts: 8,
  toySteps: 10_000,
  dSae: 5,
  k: 1,
  initialisation: 'spread' as InitialisationName,
  saeSteps: 10_000,
  seed: 0,
});

type Phase = 'idle' | 'starting' | 'running' | 'paused' | 'done';
const phase = signal<Phase>('idle');
const progress = signal<TrainingProgress | undefined>(undefined);
const trained = signal<(TrainedModel & { readonly name: string }) | undefined>(undefined);
/** True directions that the run is compared with. */
const goal = signal<readonly (readonly number[])[] | undefined>(undefined);
const trainedKind = signal<Kind>('toy-model');

function wanted(): TrainingSettings | undefined {
  const s = settings.value;
  if (kind.value === 'toy-model') {
    const { nFeatures, nHidden, sparsity, importance, restarts, seed } = s;
    return { kind: 'toy-model', nFeatures, nHidden, sparsity, importance, restarts, steps: s.toySteps, seed };
  }
  const source = toy.value;
  if (!source) return undefined;
  return {
    kind: 'sparse-autoencoder',
    weight: rowsOf(source.directions),
    trainedOn: source.sha256,
    sparsity: source.sparsity ?? s.sparsity,
    dSae: s.dSae,
    k: Math.min(s.k, s.dSae),
    initialisation: s.initialisation,
    steps: s.saeSteps,
    seed: s.seed,
  };
}

async function start(): Promise<void> {
  const asked = wanted();
  if (!asked) return;
  trained.value = undefined;
  progress.value = undefined;
  goal.value = asked.kind === 'sparse-autoencoder' ? asked.weight : undefined;
  trainedKind.value = asked.kind;
  phase.value = 'starting';
  try {
    const api = await training();
    const result = await api.train(
      asked,
      proxy((update: TrainingProgress) => {
        if (phase.value === 'starting') phase.value = 'running';
        progress.value = update;
      }),
    );
    const name =
      asked.kind === 'toy-model'
        ? `toy-${asked.nFeatures}-${asked.nHidden}-seed-${asked.seed}`
        : `sae-${asked.dSae}-${asked.initialisation}-seed-${asked.seed}`;
    trained.value = { ...result, name };
    phase.value = 'done';
    say(`Training is done after ${result.history.steps.at(-1)} steps.`);
  } catch (error) {
    phase.value = 'idle';
    fail('Training stopped', error);
  }
}

async function control(what: 'pause' | 'resume' | 'stop'): Promise<void> {
  const api = await training();
  await api[what]();
  if (what === 'pause') phase.value = 'paused';
  if (what === 'resume') phase.value = 'running';
}

function reset(): void {
  trained.value = undefined;
  progress.value = undefined;
  phase.value = 'idle';
}

type NumberKey = {
  [K in keyof typeof settings.value]: (typeof settings.value)[K] extends number ? K : never;
}[keyof typeof settings.value];

interface NumberFieldProps {
  readonly name: NumberKey;
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
}

function NumberField({ name, title, min, max, step = 1 }: NumberFieldProps): JSX.Element {
  return (
    <label class="field">
      <span>{title}</span>
      <input
        type="number"
        min={min}
        max={max}
        step={step}
        value={settings.value[name]}
        onChange={event => {
          const value = event.currentTarget.valueAsNumber;
          if (Number.isFinite(value))
            settings.value = { ...settings.value, [name]: Math.max(min, Math.min(max, value)) };
          event.currentTarget.value = String(settings.value[name]);
        }}
      />
    </label>
  );
}

const INITIALISATIONS: readonly InitialisationName[] = ['spread', 'activations', 'blend', 'gaussian'];

function Form() {
  const busy = phase.value === 'starting' || phase.value === 'running' || phase.value === 'paused';
  const isToy = kind.value === 'toy-model';
  return (
    <form
      class="panel"
      aria-label="Settings of the training"
      onSubmit={event => {
        event.preventDefault();
        void start();
      }}
    >
      <Segmented
        legend="What to train"
        value={kind.value}
        options={[
          { value: 'toy-model', title: 'Toy model' },
          { value: 'sparse-autoencoder', title: 'Autoencoder' },
        ]}
        onChange={value => {
          kind.value = value;
        }}
      />
      {isToy ? (
        <div class="form">
          <NumberField name="nFeatures" title="Features n" min={1} max={64} />
          <NumberField name="nHidden" title="Hidden m" min={1} max={32} />
          <NumberField name="sparsity" title="Sparsity" min={0} max={0.999} step={0.01} />
          <NumberField name="importance" title="Importance ratio" min={0.01} max={1} step={0.01} />
          <NumberField name="restarts" title="Restarts" min={1} max={32} />
          <NumberField name="toySteps" title="Steps" min={10} max={100_000} />
          <NumberField name="seed" title="Seed" min={0} max={999_999_999} />
        </div>
      ) : (
        <>
          <p class="small quiet">
            {toy.value
              ? `On the activations of ${toy.value.name}.`
              : 'Choose or train a toy model first: it gives the activations.'}
          </p>
          <div class="form">
            <NumberField name="dSae" title="Latents" min={1} max={512} />
            <NumberField name="k" title="k" min={1} max={64} />
            <label class="field full">
              <span>Initialisation</span>
              <select
                value={settings.value.initialisation}
                onChange={event => {
                  const value = INITIALISATIONS.find(name => name === event.currentTarget.value) ?? 'spread';
                  settings.value = { ...settings.value, initialisation: value };
                }}
              >
                {INITIALISATIONS.map(name => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <NumberField name="saeSteps" title="Steps" min={10} max={100_000} />
            <NumberField name="seed" title="Seed" min={0} max={999_999_999} />
          </div>
        </>
      )}
      <div class="row">
        {!busy && (
          <button type="submit" class="button primary" disabled={!isToy && !toy.value}>
            Train
          </button>
        )}
        {phase.value === 'starting' && <span class="small quiet">Recording the training step…</span>}
        {phase.value === 'running' && (
          <button type="button" class="button" onClick={() => void control('pause')}>
            Pause
          </button>
        )}
        {phase.value === 'paused' && (
          <button type="button" class="button primary" onClick={() => void control('resume')}>
            Resume
          </button>
        )}
        {(phase.value === 'running' || phase.value === 'paused') && (
          <button type="button" class="button plain" onClick={() => void control('stop')}>
            Stop here
          </button>
        )}
        {phase.value === 'done' && (
          <button type="button" class="button plain" onClick={reset}>
            Reset
          </button>
        )}
      </div>
    </form>
  );
}

/** The directions as they stand, in the plane where they can be compared. */
function Directions({ history }: { readonly history: History }) {
  const rows = history.directions.at(-1)!;
  const truth = goal.value;
  const wide = rows[0]!.length;
  const reference = truth ?? rows;
  const axes =
    wide === 2
      ? plainPlane()
      : wide === 1
        ? undefined
        : planeOf(Float32Array.from(reference[0]!), Float32Array.from(reference[1] ?? reference[0]!));
  if (!axes) return <p class="small quiet">One dimension has no plane; the loss tells how it goes.</p>;
  const length = truth ? typicalLength(truth) : 1;
  const arrows =
    truth && trainedKind.value === 'sparse-autoencoder'
      ? latentArrows(rows, axes, matchDirections(rows, truth), length, undefined)
      : rows.map((row, index) => {
          const [x, y] = project(axes, row, true);
          return { index, x, y, colour: featureColour(index, rows.length), label: '' };
        });
  const trails = arrows.map(arrow => ({
    colour: arrow.colour,
    points: history.directions.flatMap(past => project(axes, past[arrow.index]!, true).map(value => value * length)),
  }));
  const reach = Math.max(
    1.1,
    ...(truth ?? []).map(row => Math.hypot(...project(axes, row, true))),
    ...arrows.map(arrow => Math.hypot(arrow.x, arrow.y)),
  );
  return (
    <Plane
      label="Directions while they are learned"
      extent={1.2 * reach}
      truth={truth ? truthArrows(truth, axes, undefined) : []}
      latents={arrows}
      trails={trails}
      largest={520}
    />
  );
}

export function TrainView() {
  const now = progress.value;
  const done = trained.value;
  const history = done?.history ?? now?.history;
  const curve =
    history?.steps.map((step, i) => ({ step: Math.max(1, step), loss: history.loss[i]! })).filter(d => d.loss > 0) ??
    [];
  return (
    <>
      <Lead title="Train one here">
        The training step that the scripts use, gradients and optimizer included, recorded as one ONNX graph and run in
        a worker of this page.
      </Lead>
      <div class="narrow-wide">
        <Form />
        {history ? (
          <div class="stack">
            <Figure
              title={trainedKind.value === 'toy-model' ? 'Feature directions' : 'Latents'}
              name="trained-directions"
              note={
                <span class="number" data-test="training-state">
                  {phase.value === 'done' ? 'Done' : phase.value === 'paused' ? 'Paused' : 'Step'}{' '}
                  {history.steps.at(-1)!.toLocaleString('en')}
                  {now && phase.value !== 'done' && ` of ${now.steps.toLocaleString('en')}`}
                  {now && `, ${Math.round(now.stepsPerSecond).toLocaleString('en')} steps a second`}
                </span>
              }
              table={() => ({
                columns: ['Direction', ...history.directions[0]![0]!.map((_, i) => `Dimension ${i}`)],
                rows: history.directions.at(-1)!.map((row, i) => [i, ...row]),
              })}
            >
              <div class="stack">
                {now && phase.value !== 'done' && <progress value={now.step} max={now.steps} aria-label="Progress" />}
                <Directions history={history} />
              </div>
            </Figure>
            {done && (
              <section class="panel" aria-label="Result">
                <h2>Result</h2>
                <p class="small quiet number">
                  Loss {shown(Math.min(...done.losses), 5)}
                  {done.losses.length > 1 &&
                    `, the lowest of ${done.losses.length} restarts (highest ${shown(Math.max(...done.losses), 5)})`}
                  .
                </p>
                <div class="row">
                  <button
                    type="button"
                    class="button primary"
                    onClick={async () => {
                      try {
                        await openTrained(done.name, done.onnx.slice(), done.history);
                        view.value = trainedKind.value === 'toy-model' ? 'toy' : 'plane';
                      } catch (error) {
                        fail('The model could not be opened', error);
                      }
                    }}
                  >
                    Open it here
                  </button>
                  <button type="button" class="button" onClick={() => saveBytes(`${done.name}.onnx`, done.onnx)}>
                    Download .onnx
                  </button>
                  <button
                    type="button"
                    class="button"
                    onClick={() =>
                      saveText(`${done.name}.history.json`, 'application/json', JSON.stringify(done.history))
                    }
                  >
                    Download history
                  </button>
                </div>
              </section>
            )}
            <Figure
              title="Loss"
              name="training-loss"
              table={() => ({
                columns: ['Step', 'Loss'],
                rows: history.steps.map((step, i) => [step, history.loss[i]!]),
              })}
            >
              <PlotChart
                label="Loss against step, both on log scales"
                height={180}
                inputs={[history]}
                options={() => ({
                  marginLeft: 52,
                  x: {
                    type: 'log',
                    label: 'step',
                    ticks: 4,
                    tickFormat: '~s',
                    domain: [1, now?.steps ?? history.steps.at(-1)!],
                  },
                  y: { type: 'log', label: 'loss', grid: true, ticks: 3, tickFormat: '~g' },
                  marks: [line(curve, { x: 'step', y: 'loss', stroke: 'var(--accent)', strokeWidth: 1.75 })],
                })}
              />
            </Figure>
          </div>
        ) : (
          <Empty>
            {phase.value === 'starting'
              ? 'Recording the training step…'
              : 'Press Train. The defaults find the star of five features in two dimensions.'}
          </Empty>
        )}
      </div>
    </>
  );
}
