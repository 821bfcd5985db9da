/** A small panel for each seed of a study, with all losses on one axis. A click opens the run. */
import { computed } from '@preact/signals';
import { scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { useEffect } from 'preact/hooks';
import { Empty, Lead } from '../components/lead.tsx';
import { Plane } from '../components/plane.tsx';
import { extentOf, latentArrows, pointOf, truthArrows, typicalLength } from '../data/arrows.ts';
import { matchDirections } from '../data/matching.ts';
import { plainPlane } from '../data/plane-basis.ts';
import { openedRun, openRunFolder, openSeed, seedRuns, seedTruth } from '../open/run-folder.ts';
import { fail } from '../state/notices.ts';

const CURVE = { width: 132, height: 36 };

/** The axis that all loss curves share. */
const axes = computed(() => {
  const runs = seedRuns.value;
  const losses = runs.flatMap(run => run.history.loss).filter(loss => loss > 0);
  const steps = runs.flatMap(run => run.history.steps).filter(step => step > 0);
  return {
    x: scaleLog([Math.min(1, ...steps), Math.max(2, ...steps)], [0, CURVE.width]),
    y: scaleLog([Math.min(...losses), Math.max(...losses)], [CURVE.height, 2]),
  };
});

const results = computed(() => {
  const truth = seedTruth.value;
  return seedRuns.value.map(run => {
    const last = run.history.directions.at(-1)!;
    const fits = truth && last[0]!.length === truth[0]!.length;
    return { run, last, found: fits ? matchDirections(last, truth) : undefined };
  });
});

const plane = plainPlane();

/** The view of a run folder: the one that ships with the page, or one that the person opens. */
export function SeedsView() {
  useEffect(() => {
    openRunFolder(undefined).catch(error => fail('The seeds could not be loaded', error));
  }, []);
  const truth = seedTruth.value;
  const { x, y } = axes.value;
  const path = line<{ step: number; loss: number }>(
    d => x(Math.max(1, d.step)),
    d => y(Math.max(1e-9, d.loss)),
  );
  const all = results.value.filter(({ found }) => found && found.recovered === found.features).length;
  const judged = results.value.some(({ found }) => found);
  const flat = truth?.[0]?.length === 2;
  return (
    <>
      <Lead title="Seeds">
        The same training from different seeds, losses on one axis.{' '}
        {judged && (
          <span class="number">
            <strong style={{ color: 'var(--ink)' }}>
              {all} of {results.value.length}
            </strong>{' '}
            found every direction.
          </span>
        )}{' '}
        Open one to look closer, or a run folder of your own.
      </Lead>
      <div class="row">
        <label class="button open-button">
          Open run folder
          <input
            type="file"
            aria-label="Open run folder"
            multiple
            {...{ webkitdirectory: true }}
            onChange={event => {
              const files = [...(event.currentTarget.files ?? [])];
              openRunFolder(files).catch(error => fail('The run folder could not be opened', error));
            }}
          />
        </label>
      </div>
      {results.value.length > 0 ? (
        <div class="seeds">
          {results.value.map(({ run, last, found }) => {
            const length = truth ? typicalLength(truth) : 1;
            const from = run.history.b_dec?.at(-1);
            const arrows = flat ? latentArrows(last, plane, { found, length, from }) : [];
            return (
              <button
                key={run.name}
                type="button"
                class="seed-panel"
                aria-pressed={openedRun.value === run.name}
                onClick={() => {
                  openSeed(run).catch(error => fail(`${run.name} could not be opened`, error));
                }}
              >
                <span class="spread small" style={{ flexWrap: 'nowrap' }}>
                  <span>{run.name}</span>
                  {found && (
                    <span class="number quiet">
                      {found.recovered} of {found.features}
                    </span>
                  )}
                </span>
                {flat && truth && (
                  <Plane
                    label=""
                    extent={extentOf(truthArrows(truth, plane), arrows)}
                    bias={pointOf(plane, run.history.b_dec?.at(-1))}
                    truth={truthArrows(truth, plane)}
                    latents={arrows}
                    largest={160}
                  />
                )}
                <svg
                  viewBox={`0 0 ${CURVE.width} ${CURVE.height}`}
                  width="100%"
                  height={CURVE.height}
                  preserveAspectRatio="none"
                  aria-hidden="true"
                >
                  <path
                    d={path(run.history.steps.map((step, i) => ({ step, loss: run.history.loss[i]! }))) ?? ''}
                    fill="none"
                    stroke="var(--accent)"
                    stroke-width="1.5"
                    vector-effect="non-scaling-stroke"
                  />
                </svg>
              </button>
            );
          })}
        </div>
      ) : (
        <Empty>No runs yet.</Empty>
      )}
    </>
  );
}
