/**
 * Keeps models that came from files or were trained here in this browser (IndexedDB), so that a reload, or a link on
 * this machine, finds them again. They do not leave the browser. Before the page closes, the person is warned of models
 * that could not be kept.
 */
import { signal } from '@preact/signals';
import type { SaeNames } from '../../../src/inference/model-options.ts';
import type { History, Model } from '../data/model.ts';
import { models } from '../state/models.ts';
import { busy, openModelFile } from './opening.ts';

const DATABASE = 'monosemantic';
const STORE = 'models';
/** The most models and bytes that are kept; the oldest make room. */
const MOST_MODELS = 16;
const MOST_BYTES = 512 * 2 ** 20;

interface KeptModel {
  readonly sha256: string;
  readonly name: string;
  readonly type: 'file' | 'trained';
  readonly file: Blob;
  readonly beside: Readonly<Record<string, Blob>>;
  readonly names?: SaeNames | undefined;
  readonly history: History | undefined;
  readonly notes: readonly string[];
  readonly bytes: number;
  readonly time: number;
}

/** Hashes of models that would be lost with the page. */
export const unkept = signal<ReadonlySet<string>>(new Set());

function asked<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'sha256' });
  const database = await asked(opening);
  return database.transaction(STORE, mode).objectStore(STORE);
}

/** Keeps a model's files; where the browser cannot, the model counts as unkept. */
export async function keepModel(
  model: Model,
  { name, file, beside, names }: Pick<KeptModel, 'name' | 'file' | 'beside' | 'names'>,
): Promise<void> {
  const type = model.source.type;
  if (type !== 'file' && type !== 'trained') return;
  const bytes = Object.values(beside).reduce((sum, { size }) => sum + size, file.size);
  try {
    if (bytes > MOST_BYTES) throw new Error('too large to be kept');
    const { sha256, history, notes } = model;
    const kept: KeptModel = {
      sha256,
      name,
      type,
      // The database makes a copy of each file's content.
      file,
      beside,
      names,
      history,
      notes,
      bytes,
      time: Date.now(),
    };
    const all = await store('readwrite');
    await asked(all.put(kept));
    let total = 0;
    const others = ((await asked(all.getAll())) as KeptModel[]).sort((a, b) => b.time - a.time);
    for (const [i, old] of others.entries()) {
      total += old.bytes;
      if (i >= MOST_MODELS || total > MOST_BYTES) await asked(all.delete(old.sha256));
    }
  } catch {
    unkept.value = new Set([...unkept.value, model.sha256]);
  }
}

/** Opens the kept model whose hash begins with `hash`; undefined where there is none any more. */
export async function openKept(hash: string, show = true): Promise<Model | undefined> {
  const open = models.value.find(({ sha256 }) => sha256.startsWith(hash));
  if (open) return open;
  let kept: KeptModel | undefined;
  try {
    kept = ((await asked((await store('readonly')).getAll())) as KeptModel[]).find(({ sha256 }) =>
      sha256.startsWith(hash),
    );
  } catch {
    return undefined;
  }
  if (!kept) return undefined;
  const { name, type, file, beside, names, history, notes } = kept;
  return busy(name, () => openModelFile({ name, source: { type }, file, beside, names, history, notes }, show));
}

/**
 * Makes the browser ask before the page closes while a model or work would be lost.
 * @param isBusy - Whether work is going on that would be lost.
 */
export function warnBeforeLoss(isBusy: () => boolean): void {
  addEventListener('beforeunload', event => {
    const lost = models.value.some(({ sha256 }) => unkept.value.has(sha256));
    if (lost || isBusy()) event.preventDefault();
  });
}
