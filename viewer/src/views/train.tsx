/**
 * The training view: trains a toy model with restarts, or an autoencoder on the toy model in view, and shows the
 * directions move while it learns.
 */
import { line, text } from '@observablehq/plot';
import type { JSX } from 'preact';
import { Figure } from '../components/figure.tsx';
import { Empty, Lead } from '../components/lead.tsx';
import { Plane } from '../components/plane.tsx';
import { PlotChart } from '../components/plot-chart.tsx';
import { saveBytes, saveText } from '../components/save-figure.ts';
import { Segmented } from '../components/segmented.tsx';
import { Term } from '../components/term.tsx';
import { ARCHITECTURE_FORMS, FIRST_VALUES, type SettingField } from '../data/architecture-form.ts';
import {
  biasTrail,
  extentOf,
  latentArrows,
  type PlaneArrow,
  pointOf,
  tipTrails,
  truthArrows,
  typicalLength,
} from '../data/arrows.ts';
import { featureColour } from '../data/colours.ts';
import { frameAt } from '../data/frame.ts';
import { matchDirections } from '../data/matching.ts';
import type { History, ModelKind } from '../data/model.ts';
import { counted, shown } from '../data/numbers.ts';
import { plainPlane, planeOf, project } from '../data/plane-basis.ts';
import { openTrained } from '../open/trained-models.ts';
import { toy } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { fail } from '../state/notices.ts';
import {
  architectureForm,
  changeSetting,
  controlTraining,
  foundBy,
  historyOfTraining,
  isTraining,
  phase,
  seedInView,
  shownTraining,
  startsOnChange,
  startTraining,
  trainedKind,
  trainedSeeds,
  trainingGoal,
  trainingKind,
  trainingSettings,
} from '../state/training.ts';
import type { InitialisationName } from '../workers/training-api.ts';

type NumberKey = {
  [K in keyof typeof trainingSettings.value]: (typeof trainingSettings.value)[K] extends number ? K : never;
}[keyof typeof trainingSettings.value];

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
        value={trainingSettings.value[name]}
        onChange={event => {
          const value = event.currentTarget.valueAsNumber;
          if (Number.isFinite(value)) changeSetting({ [name]: Math.max(min, Math.min(max, value)) });
          event.currentTarget.value = String(trainingSettings.value[name]);
        }}
      />
    </label>
  );
}

/** A field for a setting of an architecture, as the registry describes it. */
function OwnField({ field }: { readonly field: SettingField }): JSX.Element {
  const { name, title, says, takes, choices } = field;
  const { own } = trainingSettings.value;
  const value = own[name] ?? '';
  const change = (text: string): void => changeSetting({ own: { ...own, [name]: text } });
  if (takes === 'nothing') {
    return (
      <label class="check small full" title={says}>
        <input
          type="checkbox"
          checked={value !== ''}
          onChange={event => change(event.currentTarget.checked ? 'on' : '')}
        />
        {title}
      </label>
    );
  }
  const id = `own-${name}`;
  const onChange = (event: { readonly currentTarget: { readonly value: string } }): void =>
    change(event.currentTarget.value);
  return (
    <div class="field" title={says}>
      <label for={id}>{title}</label>
      {choices && (
        <select id={id} value={value || choices[0]!} onChange={onChange}>
          {choices.map(choice => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      )}
      {!choices && takes === 'a name' && <input id={id} list={undefined} value={value} onChange={onChange} />}
      {!choices && takes !== 'a name' && (
        <input
          id={id}
          type="number"
          min={0}
          step={takes === 'a count' ? 1 : 'any'}
          placeholder="default"
          value={value}
          onChange={onChange}
        />
      )}
    </div>
  );
}

/** The settings of the chosen architecture. Those that the form fills in are shown, the others can be folded out. */
function OwnFields(): JSX.Element {
  const { fields } = architectureForm.value;
  const isFirst = ({ name }: SettingField) => FIRST_VALUES[name] !== undefined;
  const others = fields.filter(field => !isFirst(field));
  return (
    <>
      {fields.filter(isFirst).map(field => (
        <OwnField key={field.name} field={field} />
      ))}
      {others.length > 0 && (
        <details class="full">
          <summary class="small">More settings of {architectureForm.value.title}</summary>
          <div class="form">
            {others.map(field => (
              <OwnField key={field.name} field={field} />
            ))}
          </div>
        </details>
      )}
    </>
  );
}

/** Colours of the curves: the total loss, then its terms in the library's order. */
const TERM_COLOURS = ['var(--ink)', 'var(--accent)', 'var(--negative)', 'var(--unmatched)', 'var(--bad)'];

const INITIALISATIONS: readonly InitialisationName[] = ['spread', 'activations', 'blend', 'gaussian'];

function Form() {
  const busy = isTraining();
  const isToy = trainingKind.value === 'toy-model';
  return (
    <form
      class="panel"
      aria-label="Settings of the training"
      onSubmit={event => {
        event.preventDefault();
        void startTraining();
      }}
    >
      <Segmented
        legend="What to train"
        value={trainingKind.value}
        options={[
          { value: 'toy-model', title: 'Toy model' },
          { value: 'sparse-autoencoder', title: 'Autoencoder' },
        ]}
        onChange={value => {
          trainingKind.value = value satisfies ModelKind;
        }}
      />
      {isToy ? (
        <div class="form">
          <NumberField name="nFeatures" title="Features n" min={1} max={64} />
          <NumberField name="nHidden" title="Hidden m" min={1} max={32} />
          <NumberField name="sparsity" title="Sparsity" min={0} max={0.999} step={0.001} />
          <NumberField name="importance" title="Importance ratio" min={0.01} max={1} step={0.01} />
          <NumberField name="restarts" title="Restarts" min={1} max={32} />
          <NumberField name="toySteps" title="Steps" min={10} max={100_000} />
          <NumberField name="seed" title="First seed" min={0} max={999_999_999} />
          <NumberField name="seeds" title="How many seeds" min={1} max={16} />
        </div>
      ) : (
        <>
          <p class="small quiet">
            {toy.value
              ? `On the activations of ${toy.value.name}.`
              : 'Choose or train a toy model first: it gives the activations.'}
          </p>
          <div class="form">
            <label class="field full">
              <span>Architecture</span>
              <select
                value={architectureForm.value.kind}
                onChange={event => changeSetting({ architecture: event.currentTarget.value })}
              >
                {ARCHITECTURE_FORMS.map(({ kind, title }) => (
                  <option key={kind} value={kind}>
                    {title}
                  </option>
                ))}
              </select>
            </label>
            <NumberField name="dSae" title="Latents" min={1} max={512} />
            <OwnFields />
            <label class="field full">
              <span>Initialisation</span>
              <select
                value={trainingSettings.value.initialisation}
                onChange={event => {
                  const value = INITIALISATIONS.find(name => name === event.currentTarget.value) ?? 'spread';
                  changeSetting({ initialisation: value });
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
            <NumberField name="seed" title="First seed" min={0} max={999_999_999} />
            <NumberField name="seeds" title="How many seeds" min={1} max={16} />
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
          <button type="button" class="button" onClick={() => void controlTraining('pause')}>
            Pause
          </button>
        )}
        {phase.value === 'paused' && (
          <button type="button" class="button primary" onClick={() => void controlTraining('resume')}>
            Resume
          </button>
        )}
        {(phase.value === 'running' || phase.value === 'paused') && (
          <button type="button" class="button plain" onClick={() => void controlTraining('stop')}>
            Stop here
          </button>
        )}
      </div>
      <label class="check small">
        <input
          type="checkbox"
          checked={startsOnChange.value}
          onChange={event => {
            startsOnChange.value = event.currentTarget.checked;
          }}
        />
        Start anew when a setting changes
      </label>
    </form>
  );
}

/** The present directions, shown in the plane where that can hold them. */
function Directions({ history }: { readonly history: History }) {
  const frame = frameAt(history, 1);
  const rows = frame.directions;
  const truth = trainingGoal.value;
  const wide = rows[0]!.length;
  const reference = truth ?? rows;
  if (wide === 1) return <p class="small quiet">One dimension has no plane; the loss tells how it goes.</p>;
  const axes =
    wide === 2
      ? plainPlane()
      : planeOf(Float32Array.from(reference[0]!), Float32Array.from(reference[1] ?? reference[0]!));
  const length = truth ? typicalLength(truth) : 1;
  const isSae = truth !== undefined && trainedKind.value === 'sparse-autoencoder';
  const arrows: PlaneArrow[] = isSae
    ? latentArrows(rows, axes, { found: matchDirections(rows, truth), length, from: frame.bias })
    : rows.map((row, index) => {
        const [x, y] = project(axes, row, true);
        return { index, x, y, colour: featureColour(index, rows.length), label: '' };
      });
  const truthShown = truth ? truthArrows(truth, axes) : [];
  return (
    <Plane
      label="Directions while they are learned"
      extent={extentOf(truthShown, arrows, [{ x: 0.95, y: 0 }])}
      truth={truthShown}
      latents={arrows}
      trails={tipTrails(history, frame, axes, arrows, length)}
      bias={isSae && frame.bias ? pointOf(axes, frame.bias) : undefined}
      biasTrail={isSae ? biasTrail(history, frame, axes) : undefined}
      largest={460}
    />
  );
}

/** One line for each seed: what it found, and its loss. */
function Seeds() {
  const all = trainedSeeds.value;
  if (all.length < 2) return null;
  const current = shownTraining.value;
  return (
    <section class="panel" aria-label="Seeds">
      <h2>
        <Term id="seed">Seeds</Term>
      </h2>
      <div class="chips">
        {all.map(entry => {
          const found = foundBy(entry);
          const loss = historyOfTraining(entry)?.loss.at(-1);
          return (
            <button
              key={entry.seed}
              type="button"
              class="chip number"
              aria-pressed={entry.seed === current?.seed}
              disabled={!entry.progress && !entry.result}
              onClick={() => {
                seedInView.value = entry.seed;
              }}
            >
              seed {entry.seed}
              {found && (
                <span class="quiet">
                  {found.found} of {found.of}, loss {shown(loss, 4)}
                </span>
              )}
            </button>
          );
        })}
      </div>
    </section>
  );
}

/** The view in which a person trains models: the settings, and the models that come of them. */
export function TrainView() {
  const entry = shownTraining.value;
  const now = entry?.progress;
  const done = entry?.result;
  const history = historyOfTraining(entry);
  const found = foundBy(entry);
  const isToy = trainedKind.value === 'toy-model';
  // The total first, then its terms by name.
  const curves: Readonly<Record<string, readonly number[]>> = history
    ? { ...(history.losses && { total: history.loss }), ...(history.losses ?? { loss: history.loss }) }
    : {};
  const names = Object.keys(curves);
  const points = Object.entries(curves).flatMap(([term, values]) =>
    values.map((loss, i) => ({ term, step: Math.max(1, history!.steps[i]!), loss })).filter(({ loss }) => loss > 0),
  );
  const ends = names.flatMap(name => points.findLast(({ term }) => term === name) ?? []);
  const finished = done !== undefined;
  return (
    <>
      <Lead title="Train one here">
        Choose a toy model or an autoencoder on its activations, and watch its directions find the features; several
        seeds side by side. It runs in this page, by the same steps as the command line.
      </Lead>
      <div class="narrow-wide">
        <Form />
        {history && entry ? (
          <div class="stack">
            <Seeds />
            <Figure
              title={isToy ? 'Feature directions' : 'Latents'}
              name="trained-directions"
              note={
                <span class="number">
                  {found && (
                    <strong style={{ color: 'var(--ink)' }} data-test="found">
                      {found.found} of {found.of} {isToy ? 'features stored' : 'directions found'}
                    </strong>
                  )}
                  {'. '}
                  <span data-test="training-state">
                    {finished ? 'Done' : phase.value === 'paused' ? 'Paused' : 'Step'} {counted(history.steps.at(-1)!)}
                    {now && !finished && ` of ${counted(now.steps)}`}
                    {now && `, ${counted(Math.round(now.stepsPerSecond))} steps a second`}
                  </span>
                </span>
              }
              table={() => ({
                columns: ['Direction', ...history.directions[0]![0]!.map((_, i) => `Dimension ${i}`)],
                rows: history.directions.at(-1)!.map((row, i) => [i, ...row]),
              })}
            >
              <div class="stack">
                {now && !finished && <progress value={now.step} max={now.steps} aria-label="Progress" />}
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
                        await openTrained(entry.name, done.onnx.slice(), done.history);
                        view.value = isToy ? 'toy' : 'plane';
                      } catch (error) {
                        fail('The model could not be opened', error);
                      }
                    }}
                  >
                    Open it here
                  </button>
                  <button type="button" class="button" onClick={() => saveBytes(`${entry.name}.onnx`, done.onnx)}>
                    Download .onnx
                  </button>
                  <button
                    type="button"
                    class="button"
                    onClick={() =>
                      saveText(`${entry.name}.history.json`, 'application/json', JSON.stringify(done.history))
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
              note={
                isToy
                  ? 'Squared error, weighted by importance'
                  : names.length > 1
                    ? 'The total and its terms: mse is the mean squared error of the reconstruction'
                    : 'Mean squared error of the reconstruction'
              }
              table={() => ({
                columns: ['Step', ...names.map(name => (name === 'loss' ? 'Loss' : name))],
                rows: history.steps.map((step, i) => [step, ...names.map(name => curves[name]![i]!)]),
              })}
            >
              <PlotChart
                label="Loss against step, both on log scales"
                height={180}
                inputs={[history]}
                options={() => ({
                  marginLeft: 52,
                  marginRight: names.length > 1 ? 56 : 16,
                  color: { domain: names, range: TERM_COLOURS },
                  x: {
                    type: 'log',
                    label: 'step',
                    ticks: 4,
                    tickFormat: '~s',
                    domain: [1, now?.steps ?? history.steps.at(-1)!],
                  },
                  y: { type: 'log', label: 'loss', grid: true, ticks: 3, tickFormat: '~g' },
                  marks: [
                    line(points, { x: 'step', y: 'loss', z: 'term', stroke: 'term', strokeWidth: 1.75 }),
                    ...(names.length > 1
                      ? [text(ends, { x: 'step', y: 'loss', text: 'term', fill: 'term', dx: 6, textAnchor: 'start' })]
                      : []),
                  ],
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
