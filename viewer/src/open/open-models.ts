/** Every way a model comes in: bundled, dropped or chosen files, an address, or training on this page. */

import { signal } from '@preact/signals';
import { transfer } from 'comlink';
import type { History, Model, ModelSource } from '../data/model.ts';
import { readHistory } from '../data/read-history.ts';
import { bundledFile, bundledManifest, type Manifest } from '../data/shipped.ts';
import { addModel, models } from '../state/models.ts';
import { alertText, fail, say } from '../state/notices.ts';
import { compute } from '../state/settings.ts';
import type { ComputeReport } from '../workers/inference-api.ts';
import { inference } from '../workers/inference-client.ts';
import { training } from '../workers/training-client.ts';

/** Files beyond this are refused unread: the page could not hold them and their session. */
const MOST_BYTES = 2 ** 31 - 1;

/** What each open model runs on, by id. */
export const computeReports = signal<Readonly<Record<string, ComputeReport>>>({});
/** Names of what is being opened now. */
export const opening = signal<readonly string[]>([]);
/** The bundled models, once their list is read. */
export const manifest = signal<Manifest | undefined>(undefined);

interface Incoming {
  readonly name: string;
  readonly source: ModelSource;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly history?: History | undefined;
}

/** Reads one model file in the worker and adds it. Rejects with a readable sentence. */
async function openBytes({ name, source, bytes, history }: Incoming, show: boolean): Promise<Model> {
  const api = await inference();
  const opened = await api.open(transfer(bytes, [bytes.buffer]), name, compute.value);
  const added = opened.map(({ compute: report, instance, ...rest }): Model => {
    const known = models.value.find(model => model.id === rest.id);
    const fits =
      history?.directions[0]?.length === rest.directions.shape[0] &&
      history?.directions[0]?.[0]?.length === rest.directions.shape[1];
    computeReports.value = { ...computeReports.value, [rest.id]: report };
    return {
      ...rest,
      name: known?.name ?? (instance === undefined ? name : `${name}, instance ${instance}`),
      source: known?.source ?? source,
      history: fits ? history : known?.history,
    };
  });
  for (const model of added.toReversed()) addModel(model, show);
  return added[0]!;
}

async function busy<T>(name: string, work: () => Promise<T>): Promise<T> {
  opening.value = [...opening.value, name];
  try {
    return await work();
  } finally {
    const at = opening.value.indexOf(name);
    opening.value = opening.value.filter((_, i) => i !== at);
  }
}

/** Opens a bundled model by its id. */
export async function openBundled(id: string, show = true): Promise<Model | undefined> {
  const list = await loadManifest();
  const entry = list?.models.find(model => model.id === id);
  if (!entry) {
    alertText.value = `There is no bundled model "${id}".`;
    return undefined;
  }
  const known = models.value.find(({ source }) => source.type === 'bundled' && source.id === id);
  if (known) {
    if (show) addModel(known);
    return known;
  }
  try {
    return await busy(entry.name, async () => {
      const [bytes, history] = await Promise.all([
        bundledFile(entry.file),
        entry.history ? bundledHistory(entry.history) : undefined,
      ]);
      return openBytes(
        { name: entry.name, source: { type: 'bundled', id }, bytes: new Uint8Array(bytes), history },
        show,
      );
    });
  } catch (error) {
    fail(`${entry.name} could not be opened`, error);
    return undefined;
  }
}

/** A history of the bundled models. */
export async function bundledHistory(file: string): Promise<History> {
  return readHistory(new TextDecoder().decode(await bundledFile(file)), file);
}

/** The list of bundled models, read once. */
export async function loadManifest(): Promise<Manifest | undefined> {
  try {
    manifest.value ??= await bundledManifest();
  } catch (error) {
    fail('The list of bundled models could not be read', error);
  }
  return manifest.value;
}

/** A model file of a study. */
export function openBytesOf(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Model> {
  return busy(name, () => openBytes({ name, source: { type: 'file' }, bytes }, true));
}

/** A model that was trained on this page. */
export async function openTrained(name: string, bytes: Uint8Array<ArrayBuffer>, history: History): Promise<Model> {
  return busy(name, () => openBytes({ name, source: { type: 'trained' }, bytes, history }, true));
}

const extension = (name: string): string => /\.(\w+)$/.exec(name.toLowerCase())?.[1] ?? '';
const stem = (name: string): string => name.replace(/(\.history)?\.\w+$/, '');

/** What may stand in a list of files: one model with, perhaps, its history. */
interface Group {
  readonly model: File;
  readonly history: File | undefined;
}

function groupFiles(files: readonly File[]): { groups: Group[]; others: File[] } {
  const onnx = files.filter(file => extension(file.name) === 'onnx');
  const json = files.filter(file => extension(file.name) === 'json' && file.name !== 'cfg.json');
  const groups = onnx.map(model => ({
    model,
    history:
      json.find(file => stem(file.name) === stem(model.name)) ??
      (onnx.length === 1 && json.length === 1 ? json[0] : undefined),
  }));
  const taken = new Set<File | undefined>([...onnx, ...groups.map(group => group.history)]);
  return { groups, others: files.filter(file => !taken.has(file)) };
}

/** Opens what a person chose or dropped; each that fails gives one alert, and what was open stays. */
export async function openFiles(files: readonly File[]): Promise<void> {
  if (files.length === 0) return;
  alertText.value = undefined;
  const { groups, others } = groupFiles(files);
  const opened: string[] = [];

  for (const { model, history } of groups) {
    try {
      await busy(model.name, async () => {
        if (model.size > MOST_BYTES) throw new Error(`${model.size} bytes; at most ${MOST_BYTES} can be opened here`);
        const past = history && readHistory(await history.text(), history.name);
        const bytes = new Uint8Array(await model.arrayBuffer());
        await openBytes({ name: model.name, source: { type: 'file' }, bytes, history: past }, true);
      });
      opened.push(model.name);
    } catch (error) {
      fail(`${model.name} could not be opened`, error);
    }
  }

  if (others.length > 0) {
    const tensors = others.find(file => extension(file.name) === 'safetensors');
    const config = others.find(file => file.name === 'cfg.json');
    try {
      if (tensors && config) {
        await busy(tensors.name, async () => {
          const api = await training();
          const named = await Promise.all(
            [config, tensors].map(async file => [file.name, new Uint8Array(await file.arrayBuffer())] as const),
          );
          const bytes = await api.convert(Object.fromEntries(named));
          await openBytes({ name: 'SAELens autoencoder', source: { type: 'file' }, bytes, history: undefined }, true);
        });
        opened.push('the SAELens folder');
      } else if (tensors || config) {
        alertText.value = 'A SAELens autoencoder is a folder: drop cfg.json and its .safetensors file together.';
      } else if (others.every(file => extension(file.name) === 'json')) {
        await openHistories(others, groups.length > 0);
      } else {
        const names = others.map(file => file.name).join(', ');
        alertText.value = `${names} could not be opened: expected .onnx, or a SAELens folder (cfg.json and .safetensors).`;
      }
    } catch (error) {
      fail(`${(tensors ?? others[0]!).name} could not be opened`, error);
    }
  }
  if (opened.length > 0) say(`Opened ${opened.join(', ')}.`);
}

/** A history alone joins the model in view that it fits. */
async function openHistories(files: readonly File[], withModels: boolean): Promise<void> {
  for (const file of files) {
    const history = readHistory(await file.text(), file.name);
    const fitting = models.value.filter(
      model =>
        history.directions[0]!.length === model.directions.shape[0] &&
        history.directions[0]![0]!.length === model.directions.shape[1],
    );
    const target = fitting.at(-1);
    if (!target) {
      if (!withModels) alertText.value = `${file.name} fits no open model: open its .onnx first, or both together.`;
      continue;
    }
    addModel({ ...target, history });
    say(`${file.name} is the history of ${target.name} now.`);
  }
}

/** An address that waits for the person's consent: another origin than the page's. */
export const askedAddress = signal<string | undefined>(undefined);
const ALLOWED = 'monosemantic.allowed';

function allowedOrigin(): string | null {
  try {
    return sessionStorage.getItem(ALLOWED);
  } catch {
    return null;
  }
}

/** The person agreed: the page starts again with a policy that lets it reach that one origin. */
export function allowAddress(address: string): void {
  sessionStorage.setItem(ALLOWED, new URL(address).origin);
  location.reload();
}

/** Opens a model by its address; one of another origin only after the person agreed. */
export async function openAddress(address: string, show = true): Promise<Model | undefined> {
  let url: URL;
  try {
    url = new URL(address, document.baseURI);
  } catch {
    alertText.value = `"${address}" is not an address.`;
    return undefined;
  }
  const name = decodeURIComponent(url.pathname.split('/').at(-1) || url.host);
  if (__SINGLE_FILE__) {
    alertText.value = `${name} was not fetched: this single file connects to nothing. Download the model and drop it here.`;
    return undefined;
  }
  if (url.origin !== location.origin && url.origin !== allowedOrigin()) {
    askedAddress.value = url.href;
    return undefined;
  }
  if (extension(name) === 'json') {
    try {
      const text = await (await fetch(url)).text();
      await openFiles([new File([text], name, { type: 'application/json' })]);
    } catch (error) {
      fail(`${name} could not be fetched`, error);
    }
    return undefined;
  }
  try {
    return await busy(name, async () => {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url.host} answered ${response.status} ${response.statusText}`.trim());
      const bytes = new Uint8Array(await response.arrayBuffer());
      return openBytes({ name, source: { type: 'url', url: address }, bytes, history: undefined }, show);
    });
  } catch (error) {
    const reason =
      error instanceof TypeError ? new Error(`${url.host} could not be reached, or does not allow it`) : error;
    fail(`${name} could not be opened`, reason);
    return undefined;
  }
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
