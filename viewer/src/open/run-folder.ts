/** A study over seeds: the bundled one, or a folder of runs, each with its history.json and, perhaps, its .onnx. */
import { signal } from '@preact/signals';
import { type Matrix, rowsOf } from '../data/matching.ts';
import type { History } from '../data/model.ts';
import { readHistory } from '../data/read-history.ts';
import { bundledFile } from '../data/shipped.ts';
import { models, truth } from '../state/models.ts';
import { view } from '../state/navigation.ts';
import { alertText, say } from '../state/notices.ts';
import { playback } from '../state/playback.ts';
import { loadManifest, openBundled } from './bundled-models.ts';
import { keepModel } from './kept-models.ts';
import { busy, openModelFile } from './opening.ts';

/** A run of the study that is open. */
export interface OpenRun {
  readonly name: string;
  readonly history: History;
  /** Reads the run's model; undefined where neither the folder nor the bundle has it. */
  readonly onnx: (() => Promise<Blob>) | undefined;
}

/** The runs of the study that is open. */
export const seedRuns = signal<readonly OpenRun[]>([]);
/** True directions of the study; undefined where they are not known. */
export const seedTruth = signal<Matrix | undefined>(undefined);
/** The name of the run that was opened last. */
export const openedRun = signal<string | undefined>(undefined);

async function openBundledRuns(): Promise<void> {
  const manifest = await loadManifest();
  if (!manifest || seedRuns.value.length > 0) return;
  const toy = models.value.find(({ source }) => source.type === 'bundled' && source.id === manifest.seeds.toy);
  const known = toy ?? (await openBundled(manifest.seeds.toy, false));
  if (known?.directions) seedTruth.value = rowsOf(known.directions);
  seedRuns.value = manifest.seeds.runs.map(({ name, history, file }) => ({
    name,
    history,
    onnx: file === undefined ? undefined : async () => new Blob([await bundledFile(file)]),
  }));
}

const folderOf = (file: File): string => file.webkitRelativePath.split('/').slice(0, -1).join('/');

/**
 * Opens every run in a folder, which is every history.json in it. Without files it opens the bundled study, where none
 * is open.
 */
export async function openRunFolder(files: readonly File[] | undefined): Promise<void> {
  if (files === undefined) return openBundledRuns();
  const histories = files.filter(file => file.name === 'history.json' || file.name.endsWith('.history.json'));
  if (histories.length === 0) {
    alertText.value = 'The folder holds no run: no history.json is in it.';
    return;
  }
  const runs: OpenRun[] = [];
  for (const file of histories) {
    const folder = folderOf(file);
    const stem = file.name === 'history.json' ? undefined : file.name.replace(/\.history\.json$/, '');
    const onnx = files.find(
      other => folderOf(other) === folder && (stem ? other.name === `${stem}.onnx` : other.name.endsWith('.onnx')),
    );
    const history = readHistory(await file.text(), file.name);
    const name = stem ?? folder.split('/').at(-1) ?? file.name;
    runs.push({ name, history, onnx: onnx && (() => Promise.resolve(onnx)) });
  }
  seedRuns.value = runs.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  const width = runs[0]!.history.directions[0]![0]!.length;
  const known = truth.value?.codeSize === width ? truth.value.directions : undefined;
  seedTruth.value = known && rowsOf(known);
  say(`Opened ${runs.length} runs.`);
}

/** Opens the model of a run together with its history, and shows how it trained. */
export async function openSeed(run: OpenRun): Promise<void> {
  if (!run.onnx) {
    alertText.value = `${run.name} has a history but no .onnx beside it.`;
    return;
  }
  const file = await run.onnx();
  const { name, history } = run;
  const model = await busy(name, () => openModelFile({ name, source: { type: 'file' }, file, history }, true));
  await keepModel(model, { name, file, beside: {} });
  openedRun.value = run.name;
  playback.position.value = 1;
  view.value = 'training';
}
