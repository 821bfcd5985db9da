/**
 * Opens one model file: a worker reads it, the page describes it and brings it into view. Every way to open a model
 * ends here.
 */
import { signal } from '@preact/signals';
import type { SaeNames } from '../../../src/inference/model-options.ts';
import { transfer } from '../../../src/workers/protocol.ts';
import { type History, MOST_VALUES_HERE, type Model, type ModelSource } from '../data/model.ts';
import { ownBuffer } from '../data/shared-memory.ts';
import { addModel, models, otherId, sae, saeId, toyId } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { fail } from '../state/notices.ts';
import { compute } from '../state/settings.ts';
import { analysis } from '../workers/analysis-client.ts';
import type { ComputeReport } from '../workers/inference-api.ts';
import { inference } from '../workers/inference-client.ts';

/** The largest file that is read. The page could not hold a larger one together with its session. */
export const MOST_BYTES = 2 ** 31 - 1;

/** What each open model runs on, by id. */
export const computeReports = signal<Readonly<Record<string, ComputeReport>>>({});
/** Names of what is being opened now. */
export const opening = signal<readonly string[]>([]);

/** A model file to open, and what came with it. */
export interface Incoming {
  readonly name: string;
  readonly source: ModelSource;
  readonly file: Blob;
  /** Files that hold its external data, by name. */
  readonly beside?: Readonly<Record<string, Blob>> | undefined;
  /** Which tensor is what, where the file leaves that open. */
  readonly names?: SaeNames | undefined;
  readonly history?: History | undefined;
  readonly notes?: readonly string[] | undefined;
}

/** Whether a history is of directions of this shape. */
export const historyFits = (
  { directions }: History,
  model: Pick<Model, 'kind' | 'codeSize' | 'inputSize' | 'outputSize'>,
): boolean => {
  const [count, width] =
    model.kind === 'toy-model' ? [model.inputSize, model.codeSize] : [model.codeSize, model.outputSize];
  return directions[0]?.length === count && directions[0]?.[0]?.length === width;
};

/**
 * Opens one model file, and brings it into view where `show`.
 * @throws Error with one sentence for the person, where the file is too large or cannot be opened
 */
export async function openModelFile(incoming: Incoming, show: boolean): Promise<Model> {
  const { name, source, file, beside, names, history, notes = [] } = incoming;
  if (file.size > MOST_BYTES) throw new Error(`${file.size} bytes; at most ${MOST_BYTES} can be opened here`);
  const api = await inference();
  const opened = await api.open(file, name, compute.value, beside, names);
  const added: Model[] = [];
  for (const { compute: report, instance, directions, ...rest } of opened) {
    const known = models.value.find(model => model.id === rest.id);
    const isSmall = rest.kind === 'toy-model' || directions.data.length <= MOST_VALUES_HERE;
    computeReports.value = { ...computeReports.value, [rest.id]: report };
    await analysis().add(rest.id, isSmall ? directions : transfer(directions, ownBuffer(directions)));
    const model: Model = {
      ...rest,
      runs: true,
      name: known?.name ?? (instance === undefined ? name : `${name}, instance ${instance}`),
      source: known?.runs ? known.source : source,
      directions: isSmall ? directions : undefined,
      history: history && historyFits(history, rest) ? history : known?.history,
      notes: [...(known?.notes ?? []).filter(note => !notes.includes(note)), ...notes],
    };
    added.push(model);
  }
  for (const model of added.toReversed()) addModel(model, show);
  return models.value.find(({ id }) => id === added[0]!.id)!;
}

/** Lists `name` among what is being opened for as long as `work` takes. */
export async function busy<T>(name: string, work: () => Promise<T>): Promise<T> {
  opening.value = [...opening.value, name];
  try {
    return await work();
  } finally {
    const at = opening.value.indexOf(name);
    opening.value = opening.value.filter((_, i) => i !== at);
  }
}

/** Goes to the view of a model that the person opened, where the present view is about something else. */
export function goToModel(model: Model): void {
  const elsewhere =
    view.value === 'story' || view.value === 'train' || view.value === 'seeds' || view.value === 'compare';
  const wrongKind =
    model.kind === 'toy-model' ? view.value !== 'sample' && view.value !== 'plane' : view.value === 'toy';
  if (elsewhere || wrongKind) view.value = model.kind === 'toy-model' ? 'toy' : 'overview';
}

/** Closes a model and frees what the workers hold of it. */
export async function closeModel(id: string): Promise<void> {
  models.value = models.value.filter(model => model.id !== id);
  if (toyId.value === id) toyId.value = undefined;
  if (saeId.value === id) saeId.value = undefined;
  if (otherId.value === id) otherId.value = undefined;
  if (!sae.value) saeId.value = models.value.find(({ kind }) => kind === 'sparse-autoencoder')?.id;
  const { [id]: _, ...rest } = computeReports.value;
  computeReports.value = rest;
  await analysis().forget(id);
  await (await inference()).close(id);
}

/** Moves every open model to the compute that the person chose. */
export async function moveAll(): Promise<void> {
  const api = await inference();
  for (const model of models.value) {
    try {
      const report = await api.move(model.id, compute.value);
      computeReports.value = { ...computeReports.value, [model.id]: report };
    } catch (error) {
      fail(`${model.name} could not move to ${compute.value}`, error);
    }
  }
}
