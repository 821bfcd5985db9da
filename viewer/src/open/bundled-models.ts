/** The models that ship with the page. */
import { signal } from '@preact/signals';
import type { History, Model } from '../data/model.ts';
import { readHistory } from '../data/read-history.ts';
import { bundledFile, bundledManifest, type Manifest } from '../data/shipped.ts';
import { addModel, models } from '../state/models.ts';
import { alertText, fail } from '../state/notices.ts';
import { busy, openModelFile } from './opening.ts';

/** The bundled models, once their list is read. */
export const manifest = signal<Manifest | undefined>(undefined);

/** The list of bundled models, read once. */
export async function loadManifest(): Promise<Manifest | undefined> {
  try {
    manifest.value ??= await bundledManifest();
  } catch (error) {
    fail('The list of bundled models could not be read', error);
  }
  return manifest.value;
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
      const file = new Blob([bytes]);
      return openModelFile({ name: entry.name, source: { type: 'bundled', id }, file, history }, show);
    });
  } catch (error) {
    fail(`${entry.name} could not be opened`, error);
    return undefined;
  }
}

/** Reads a history from the bundled models. */
export async function bundledHistory(file: string): Promise<History> {
  return readHistory(new TextDecoder().decode(await bundledFile(file)), file);
}
