/**
 * Runs rows through the autoencoder in view, block by block, in workers of their own. The first blocks are a sample
 * that is spread over all rows, so that the page knows something within seconds. A run stops when another model or
 * other rows come into view.
 */
import { computed, effect, signal } from '@preact/signals';
import { transfer } from '../../../src/workers/protocol.ts';
import type { FiringSummary } from '../data/firings.ts';
import type { Model } from '../data/model.ts';
import type { RowNames } from '../data/row-labels.ts';
import { blockOf, type Rows } from '../data/rows.ts';
import { ownBuffer } from '../data/shared-memory.ts';
import { analysis } from '../workers/analysis-client.ts';
import { encodingWorkers, inference } from '../workers/inference-client.ts';
import { sae } from './models.ts';
import { fail } from './notices.ts';
import { namesOfRows, rows } from './rows.ts';

/** The multiplications in one block, about 0.2 s of WASM. The weights are read once for each block. */
const BLOCK = 1.2e9;
/** Runs of fewer multiplications than this are made by the worker that answers probes, in short blocks. */
const SHORT_RUN = 4e9;
const SHORT_BLOCK = 1.5e8;
/** Rows on which it is checked that the decoder is a sum of directions. */
const CHECKED_ROWS = 8;
/** Rows after which the page looks for the first time. */
const SAMPLE = 1024;
/** Milliseconds after which a long run shows its results again. */
const LOOK = 2500;
/** How many finished runs are kept, for the person to come back to. */
const KEPT = 3;

/** A run over rows as it stands. */
export interface FiringsOf {
  /** The run's name in the analysis worker. */
  readonly id: string;
  readonly model: Model;
  readonly rows: Rows;
  readonly summary: FiringSummary;
  readonly done: boolean;
}

type Encoder = Pick<Awaited<ReturnType<typeof inference>>, 'encode'>;

/** The model that each encoding worker has open, by worker. */
const opened = new WeakMap<Promise<unknown>, string>();

async function encodersFor(model: Model, source: Rows, stale: () => boolean): Promise<Encoder[]> {
  const ready: Encoder[] = [];
  for (const worker of encodingWorkers()) {
    const api = await worker;
    if (stale()) return [];
    const before = opened.get(worker);
    if (before !== model.id) {
      if (before) await api.close(before);
      opened.delete(worker);
      const first = await inference();
      const decoder = await first.linearDecoder(model.id, blockOf(source, 0, Math.min(CHECKED_ROWS, source.count)));
      await api.openForRows(
        model.id,
        await first.source(model.id),
        model.name,
        decoder && transfer(decoder, ownBuffer(decoder.directions)),
      );
      opened.set(worker, model.id);
    }
    ready.push(api);
  }
  return ready;
}

/**
 * The first row of each block, in the order in which blocks are run. The blocks' numbers are taken with their bits
 * reversed, so that the rows run so far are spread over all rows at any time.
 */
function blockOrder(count: number, size: number): number[] {
  const blocks = Math.ceil(count / size);
  const bits = Math.max(1, Math.ceil(Math.log2(blocks)));
  const order: number[] = [];
  for (let i = 0; i < 2 ** bits; i++) {
    let block = 0;
    for (let bit = 0; bit < bits; bit++) if (i & (1 << bit)) block |= 1 << (bits - 1 - bit);
    if (block < blocks) order.push(block * size);
  }
  return order;
}

function labelsFor(names: RowNames | undefined) {
  if (names?.type !== 'labels') return undefined;
  const index = new Map<string, number>();
  const of = Int32Array.from(names.labels, label => {
    const known = index.get(label);
    if (known !== undefined) return known;
    index.set(label, index.size);
    return index.size - 1;
  });
  // Where nearly every row has a label of its own, labels tell nothing about a latent.
  return index.size <= names.labels.length / 2 ? { names: [...index.keys()], of } : undefined;
}

/** Leaves the rows of the largest norms out of one of the explained variances. */
async function leaveOutSinks(id: string, source: Rows): Promise<void> {
  const found = await analysis().sinkRows(id);
  const blocks = found.map(row => blockOf(source, row, 1));
  await analysis().setSinks(id, found, await (await inference()).sumOf(blocks, source.width));
}

/** Runs all rows, and calls `show` with the results so far from time to time. Ends early once `stale` says so. */
export async function runRows(
  id: string,
  model: Model,
  source: Rows,
  names: RowNames | undefined,
  stale: () => boolean,
  show: (firings: FiringsOf) => void,
): Promise<void> {
  const product = model.inputSize * model.codeSize;
  const short = product * source.count <= SHORT_RUN;
  const encoders = short ? [await inference()] : await encodersFor(model, source, stale);
  if (stale()) return;
  const size = Math.max(1, Math.min(4096, Math.floor((short ? SHORT_BLOCK : BLOCK) / product)));
  await analysis().begin(id, {
    rows: source.count,
    width: source.width,
    dSae: model.codeSize,
    labels: labelsFor(names),
  });
  const order = blockOrder(source.count, size);
  const sampled = Math.min(order.length, Math.ceil(SAMPLE / size));
  let next = 0;
  let done = 0;
  let looked = 0;
  let looking: Promise<void> | undefined;

  const look = async (isDone: boolean): Promise<void> => {
    if (isDone || done === sampled) await leaveOutSinks(id, source);
    const summary = await analysis().summary(id);
    looked = performance.now();
    if (!stale()) show({ id, model, rows: source, summary, done: isDone });
  };
  const work = async (encoder: Encoder): Promise<void> => {
    while (next < order.length && !stale()) {
      const first = order[next++]!;
      const block = await encoder.encode(model.id, blockOf(source, first, Math.min(size, source.count - first)));
      if (stale()) return;
      await analysis().addFirings(id, block);
      done += 1;
      const due = done === sampled || (done > sampled && performance.now() - looked > LOOK);
      if (due && done < order.length && !looking) {
        looking = look(false).finally(() => {
          looking = undefined;
        });
      }
    }
  };
  await Promise.all(encoders.map(work));
  await looking;
  if (!stale()) await look(true);
}

const current = signal<FiringsOf | undefined>(undefined);
const finished = new Map<string, FiringsOf>();
let turn = 0;

effect(() => {
  const model = sae.value;
  const source = rows.value;
  const names = namesOfRows.value;
  const mine = ++turn;
  const stale = (): boolean => mine !== turn;
  current.value = undefined;
  if (!model?.runs || !source || source.width !== model.inputSize) return;
  const about = `${model.id} on ${source.id} with ${names?.name ?? 'no names'}`;
  const known = finished.get(about);
  if (known) {
    current.value = known;
    return;
  }
  // An abandoned run may not have ended yet, so that each run has a name of its own.
  const id = `${about}, run ${mine}`;
  runRows(id, model, source, names, stale, firings => {
    current.value = firings;
    if (!firings.done) return;
    finished.set(about, firings);
    for (const old of [...finished.keys()].slice(0, -KEPT)) {
      void analysis().end(finished.get(old)!.id);
      finished.delete(old);
    }
  })
    .catch(error => {
      if (!stale()) fail('The rows could not be run', error);
    })
    .finally(() => {
      if (finished.get(about)?.id !== id) void analysis().end(id);
    });
});

/** What the latents of the autoencoder in view did on the rows in use; undefined until some were run. */
export const firings = computed(() => {
  const now = current.value;
  return now && now.model.id === sae.value?.id && now.rows.id === rows.value?.id ? now : undefined;
});
