/** Opens what a person chose or dropped: models, activations, labels, histories, whole folders. */
import type { Model } from '../data/model.ts';
import { readHistory } from '../data/read-history.ts';
import { countOf, readRowNames } from '../data/row-labels.ts';
import { openRows } from '../data/rows.ts';
import { showSplicedText, tokenizerName } from '../state/live-text.ts';
import { addModel, models, sae } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { alertText, fail, say } from '../state/notices.ts';
import { ownRows, rowNames } from '../state/rows.ts';
import { inference } from '../workers/inference-client.ts';
import { training } from '../workers/training-client.ts';
import { chosenFiles } from './dropped-files.ts';
import { openBundle } from './feature-bundles.ts';
import { type FolderGroup, groupFiles, type OnnxGroup, type PlacedFile } from './file-groups.ts';
import { keepModel } from './kept-models.ts';
import { askForNames } from './name-tensors.ts';
import { busy, goToModel, historyFits, type Incoming, openModelFile } from './opening.ts';

/** Reads the history beside a model; undefined where the file is no history, as run folders hold other JSON too. */
async function historyOf(file: File | undefined) {
  return file && readHistory(await file.text(), file.name);
}

interface Opened {
  /** Undefined for a language model with an autoencoder inside, which has a page of its own. */
  readonly model: Model | undefined;
  /** Settles once the model is kept in this browser. */
  readonly kept: Promise<void>;
}

async function openGroup(group: OnnxGroup | FolderGroup): Promise<Opened> {
  if (group.type === 'onnx') {
    const { name, file, beside } = group;
    const history = await historyOf(group.history);
    const model = await openOnnx({ name, source: { type: 'file' }, file, beside, history }, true);
    return { model, kept: model ? keepModel(model, { name, file, beside }) : Promise.resolve() };
  }
  const { name, files } = group;
  const { onnx, notes } = await (await training()).convert(files);
  const model = await openModelFile({ name, source: { type: 'file' }, file: onnx, notes }, true);
  return { model, kept: keepModel(model, { name, file: onnx, beside: {} }) };
}

/** Adds a history that came alone to the newest open model that it fits. Gives whether there was one. */
function joinHistory(text: string, file: string): boolean {
  const history = readHistory(text, file);
  const target = models.value.findLast(model => historyFits(history, model));
  if (!target) return false;
  addModel({ ...target, history }, false);
  say(`${file} is the history of ${target.name} now.`);
  return true;
}

/** Whether JSON has the keys of a history. */
const looksLikeHistory = (text: string): boolean => /"directions"\s*:/.test(text) && /"steps"\s*:/.test(text);

async function openText(file: File): Promise<void> {
  const text = await file.text();
  if (/\.json$/i.test(file.name) && (looksLikeHistory(text) || /history/i.test(file.name))) {
    if (!joinHistory(text, file.name)) {
      alertText.value = `${file.name} fits no open model: open its .onnx first, or both together.`;
    }
    return;
  }
  const counts = new Set(ownRows.value.map(({ count }) => count));
  const names = readRowNames(text, file.name, [...counts][0]);
  rowNames.value = [...rowNames.value, names];
  const count = countOf(names);
  if (counts.size > 0 && !counts.has(count)) {
    const rows = [...counts].map(other => other.toLocaleString('en')).join(' and ');
    alertText.value = `${file.name} names ${count.toLocaleString('en')} rows; the activations have ${rows}.`;
  } else say(`${file.name} names ${count.toLocaleString('en')} rows.`);
}

/**
 * Opens an .onnx file: an autoencoder or toy model, or else a language model with an autoencoder inside, for the page of texts.
 * @returns undefined for the latter
 * @throws what opening the file as an autoencoder said, where it is neither
 */
export async function openOnnx(incoming: Incoming, show: boolean): Promise<Model | undefined> {
  try {
    return await openModelFile(incoming, show);
  } catch (error) {
    const { file, name, beside = {} } = incoming;
    const opened = await (await inference()).openText(file, name, beside);
    if (!opened) throw error;
    showSplicedText(opened);
    view.value = 'text';
    return undefined;
  }
}

/**
 * Opens files and goes to the view of what was opened. Each file that fails gives an alert, and what was open stays
 * open.
 */
export async function openFiles(files: readonly (File | PlacedFile)[]): Promise<void> {
  if (files.length === 0) return;
  alertText.value = undefined;
  const placed = files.flatMap(file => ('folder' in file ? [file] : chosenFiles([file])));
  const { models: groups, bundles, activations, tokenizers, texts, others } = groupFiles(placed);
  const opened: string[] = [];
  const keeping: Promise<void>[] = [];
  let shown: Model | undefined;
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await busy(name, work);
      opened.push(name);
    } catch (error) {
      fail(`${name} could not be opened`, error);
    }
  };

  // Tokenizers come first, so that a model opened with its tokenizer uses it from the start.
  for (const { file, config } of tokenizers) {
    await attempt(file.name, async () => {
      await (await inference()).useTokenizer(file, config);
      tokenizerName.value = file.name;
    });
  }
  for (const group of groups) {
    await attempt(group.name, async () => {
      try {
        const { model, kept } = await openGroup(group);
        shown = model ?? shown;
        keeping.push(kept);
      } catch (error) {
        if (group.type === 'onnx') await askForNames(group, error);
        throw error;
      }
    });
  }
  for (const { name, files: inside } of bundles) {
    await attempt(name, async () => {
      shown = await openBundle(name, inside);
    });
  }
  for (const file of activations) {
    await attempt(file.name, async () => {
      const rows = await openRows(file);
      ownRows.value = [...ownRows.value, rows];
      const encoder = sae.value;
      if (encoder && encoder.inputSize !== rows.width) {
        throw new Error(`its rows have ${rows.width} values; ${encoder.name} takes ${encoder.inputSize}`);
      }
    });
  }
  for (const file of texts) await attempt(file.name, () => openText(file));
  if (others.length > 0) {
    const names = others.map(file => file.name).join(', ');
    alertText.value = `${names} could not be opened: expected .onnx, a SAELens folder, activations (.npy, .safetensors) or labels (.csv, .json).`;
  }
  if (shown) goToModel(shown);
  if (opened.length > 0) say(`Opened ${opened.join(', ')}.`);
  await Promise.all(keeping);
}
