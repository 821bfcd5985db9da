/** Training on this page: the settings, the progress, and the models that came out, for one seed or several. */
import { computed, signal } from '@preact/signals';
import { ARCHITECTURE_FORMS, FIRST_VALUES, flagValues } from '../data/architecture-form.ts';
import { type Matrix, matchDirections, rowsOf } from '../data/matching.ts';
import type { History, ModelKind } from '../data/model.ts';
import type { InitialisationName, TrainedModel, TrainingProgress, TrainingSettings } from '../workers/training-api.ts';
import { training } from '../workers/training-client.ts';
import { toy } from './models.ts';
import { fail, say } from './notices.ts';

/** The kind of model that the form is about. */
export const trainingKind = signal<ModelKind>('toy-model');
/** The values of the form. */
export const trainingSettings = signal({
  nFeatures: 5,
  nHidden: 2,
  sparsity: 0.9,
  importance: 0.9,
  restarts: 8,
  toySteps: 10_000,
  dSae: 5,
  architecture: 'topk',
  /** The settings of every architecture, by name, as they stand in the form. */
  own: FIRST_VALUES,
  initialisation: 'spread' as InitialisationName,
  saeSteps: 10_000,
  seed: 0,
  /** How many seeds are trained: autoencoders side by side, toy models one after the other. */
  seeds: 1,
});
/** Whether changing a setting trains again, once something was trained. */
export const startsOnChange = signal(true);

/** The phase of the training. */
export type Phase = 'idle' | 'starting' | 'running' | 'paused' | 'done';
/** The phase that the training is in. */
export const phase = signal<Phase>('idle');

/** The training of one seed: its progress, and its model once it is done. */
export interface SeedOfTraining {
  readonly seed: number;
  readonly name: string;
  readonly progress: TrainingProgress | undefined;
  readonly result: TrainedModel | undefined;
}

/** One entry for each seed, in the order in which they are trained. */
export const trainedSeeds = signal<readonly SeedOfTraining[]>([]);
/** The seed that the page shows; undefined stands for the one that is being trained. */
export const seedInView = signal<number | undefined>(undefined);
/** The kind of model that is being trained, or was trained last. */
export const trainedKind = signal<ModelKind>('toy-model');
/** The true directions that the trained models are compared with. */
export const trainingGoal = signal<Matrix | undefined>(undefined);

/** The training that the page shows. */
export const shownTraining = computed(() => {
  const all = trainedSeeds.value;
  return all.find(({ seed }) => seed === seedInView.value) ?? all.findLast(({ progress }) => progress) ?? all[0];
});

/** The history of a training so far. */
export const historyOfTraining = (entry: SeedOfTraining | undefined): History | undefined =>
  entry?.result?.history ?? entry?.progress?.history;

/** The norm from which a feature of a toy model counts as stored. */
const STORED = 0.5;

/**
 * How many features were found so far, and of how many: true directions that an autoencoder found, or features that a
 * toy model stored.
 */
export function foundBy(
  entry: SeedOfTraining | undefined,
): { readonly found: number; readonly of: number } | undefined {
  const directions = historyOfTraining(entry)?.directions.at(-1);
  if (!directions) return undefined;
  const goal = trainingGoal.value;
  if (trainedKind.value === 'toy-model') {
    return { found: directions.filter(row => Math.hypot(...row) >= STORED).length, of: directions.length };
  }
  return goal && { found: matchDirections(directions, goal).recovered, of: goal.length };
}

/** The form of the chosen architecture. */
export const architectureForm = computed(
  () => ARCHITECTURE_FORMS.find(({ kind }) => kind === trainingSettings.value.architecture) ?? ARCHITECTURE_FORMS[0]!,
);

interface Wanted {
  readonly settings: TrainingSettings;
  readonly seeds: readonly number[];
}

/** The trainings that the settings ask for, in the order in which they are run. */
function wanted(): readonly Wanted[] {
  const s = trainingSettings.value;
  const seeds = Array.from({ length: s.seeds }, (_, i) => s.seed + i);
  if (trainingKind.value === 'toy-model') {
    const { nFeatures, nHidden, sparsity, importance, restarts, toySteps: steps } = s;
    const shared = { kind: 'toy-model', nFeatures, nHidden, sparsity, importance, restarts, steps } as const;
    return seeds.map(seed => ({ settings: { ...shared, seed }, seeds: [seed] }));
  }
  const source = toy.value;
  if (!source?.directions) return [];
  const form = architectureForm.value;
  const settings = {
    kind: 'sparse-autoencoder',
    weight: rowsOf(source.directions),
    trainedOn: source.sha256,
    sparsity: source.sparsity ?? s.sparsity,
    dSae: s.dSae,
    architecture: form.kind,
    flags: flagValues(form, s.own),
    initialisation: s.initialisation,
    steps: s.saeSteps,
    seeds,
  } as const;
  return [{ settings, seeds }];
}

function nameOf(settings: TrainingSettings, seed: number): string {
  if (settings.kind === 'toy-model') return `toy-${settings.nFeatures}-${settings.nHidden}-seed-${seed}`;
  return `sae-${settings.architecture}-${settings.dSae}-${settings.initialisation}-seed-${seed}`;
}

/** Whether a training is starting, running or paused. */
export const isTraining = (): boolean => phase.value !== 'idle' && phase.value !== 'done';

let turn = 0;
let running: Promise<void> | undefined;

/** Trains according to the settings. A training that is running is stopped first. */
export async function startTraining(): Promise<void> {
  const mine = ++turn;
  if (isTraining()) await (await training()).stop();
  await running;
  if (mine !== turn) return;
  running = run(() => mine !== turn);
  await running;
}

async function run(stale: () => boolean): Promise<void> {
  const runs = wanted();
  if (runs.length === 0) return;
  const [{ settings: one }] = runs as [Wanted];
  trainingGoal.value = one.kind === 'sparse-autoencoder' ? one.weight : undefined;
  trainedKind.value = one.kind;
  seedInView.value = undefined;
  trainedSeeds.value = runs.flatMap(({ settings, seeds }) =>
    seeds.map(seed => ({ seed, name: nameOf(settings, seed), progress: undefined, result: undefined })),
  );
  phase.value = 'starting';
  const update = (seed: number, change: Partial<SeedOfTraining>): void => {
    trainedSeeds.value = trainedSeeds.value.map(entry => (entry.seed === seed ? { ...entry, ...change } : entry));
  };
  try {
    const api = await training();
    for (const { seeds, settings } of runs) {
      if (stale() || stopped) break;
      const results = await api.train(settings, (progress: TrainingProgress) => {
        if (stale()) return;
        if (phase.value === 'starting') phase.value = 'running';
        update(seeds[progress.index]!, { progress });
      });
      if (stale()) break;
      for (const [i, result] of results.entries()) update(seeds[i]!, { result });
    }
    if (stale()) return;
    phase.value = 'done';
    say(`Training is done after ${historyOfTraining(trainedSeeds.value[0])?.steps.at(-1) ?? 0} steps.`);
  } catch (error) {
    if (stale()) return;
    phase.value = 'idle';
    fail('Training stopped', error);
  } finally {
    stopped = false;
  }
}

/** Whether the person stopped the training, which also cancels the seeds that have not begun. */
let stopped = false;

/** Pauses, resumes or stops the training. */
export async function controlTraining(what: 'pause' | 'resume' | 'stop'): Promise<void> {
  const api = await training();
  stopped = what === 'stop';
  await api[what]();
  if (what === 'pause') phase.value = 'paused';
  if (what === 'resume') phase.value = 'running';
}

/** Changes a setting. Where something was trained already, training starts again with it. */
export function changeSetting(change: Partial<typeof trainingSettings.value>): void {
  trainingSettings.value = { ...trainingSettings.value, ...change };
  if (startsOnChange.value && phase.value !== 'idle') void startTraining();
}
