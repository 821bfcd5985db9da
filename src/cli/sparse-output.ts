/**
 * Sparse features into files, a batch at a time. Three forms keep everything and are read back by `decode --sparse`: `.npz` (SciPy's
 * compressed sparse rows, `scipy.sparse.load_npz`), `.safetensors` and `.json` (the fields of SparseFeatures). Two are for looking at:
 * `.npy` and `.csv` hold [entries, 3], a row (sample, feature, value) for each feature that fires.
 *
 * The first three name the length of each list before its numbers, which is known only at the end: until then the lists wait in scratch
 * files in the output's folder.
 */
import { dirname, extname } from 'node:path';
import { csvLines } from '../files/csv.ts';
import { decodeElements, type ElementType, encodeElements } from '../files/element-type.ts';
import { openScratchFile, type ScratchFile } from '../files/file-bytes.ts';
import { npyHeader, writeNpy } from '../files/npy.ts';
import { safetensorsHeader, safetensorsOrder } from '../files/safetensors.ts';
import { type AtomicFile, openAtomicFile } from '../files/write-atomic.ts';
import { ZipWriter } from '../files/zip-writer.ts';
import type { SparseFeatures } from '../inference/sparse-features.ts';
import { collectBuffers } from './collect-buffers.ts';
import type { Terminal } from './terminal.ts';

/** The extensions of files that sparse features can be written to. */
export const SPARSE_EXTENSIONS = ['.npz', '.safetensors', '.json', '.npy', '.csv'];

/** Takes the features of one batch after another. */
export interface SparseOutput {
  append(batch: SparseFeatures): Promise<void>;
  /** Completes the output; before that, nothing is seen under the file's name. */
  finish(): Promise<{ readonly samples: number; readonly entries: number }>;
  /** Leaves nothing behind; does nothing after `finish`. */
  discard(): Promise<void>;
}

/**
 * Opens an output of the format that `path` ends in; JSON on stdout for `-`.
 * @throws FileWriteError where it cannot be written
 */
export async function openSparseOutput(path: string, dSae: number, terminal: Terminal): Promise<SparseOutput> {
  if (path === '-')
    return listsOutput(
      undefined,
      undefined,
      asJson(dSae, text => terminal.write(text)),
    );
  const file = await openAtomicFile(path);
  const folder = dirname(path);
  try {
    switch (extname(path).toLowerCase()) {
      case '.npz':
        return await listsOutput(file, folder, asScipyCsr(file, dSae));
      case '.safetensors':
        return await listsOutput(file, folder, asSafetensors(file, dSae));
      case '.npy':
        return await triplesOutput(file, npyTriples(file));
      case '.csv':
        return await triplesOutput(file, csvTriples(file));
      default:
        return await listsOutput(
          file,
          folder,
          asJson(dSae, text => file.append(text)),
        );
    }
  } catch (error) {
    await file.discard();
    throw error;
  }
}

/** The three lists, complete and on disk; `read` goes through one in parts. */
interface Lists {
  readonly samples: number;
  readonly entries: number;
  read(list: ListName): AsyncGenerator<ArrayLike<number>>;
}

type ListName = 'offsets' | 'indices' | 'values';

/** The types of the lists while they wait: offsets are float64, because there may be more than 2^32 entries. */
const WAITING: Readonly<Record<ListName, ElementType>> = { offsets: 'float64', indices: 'uint32', values: 'float32' };
const BYTES_AT_ONCE = 2 ** 15;

async function listsOutput(
  file: AtomicFile | undefined,
  folder: string | undefined,
  write: (lists: Lists) => Promise<void>,
): Promise<SparseOutput> {
  const scratch: Partial<Record<ListName, ScratchFile>> = {};
  const close = async (): Promise<void> => {
    for (const list of Object.values(scratch)) await list.close();
    for (const name of Object.keys(scratch)) delete scratch[name as ListName];
  };
  const add = (list: ListName, values: ArrayLike<number>) =>
    scratch[list]!.append(encodeElements(values, WAITING[list]));
  try {
    for (const list of Object.keys(WAITING)) scratch[list as ListName] = await openScratchFile(folder);
    await add('offsets', [0]);
  } catch (error) {
    await close();
    throw error;
  }
  let [samples, entries] = [0, 0];
  return {
    async append({ offsets, indices, values }) {
      await add(
        'offsets',
        Float64Array.from(offsets.subarray(1), end => entries + end),
      );
      await add('indices', indices);
      await add('values', values);
      samples += offsets.length - 1;
      entries += values.length;
    },
    async finish() {
      try {
        await write({
          samples,
          entries,
          async *read(list) {
            const { length } = scratch[list]!;
            for (let at = 0; at < length; at += BYTES_AT_ONCE) {
              const bytes = await scratch[list]!.read(at, Math.min(BYTES_AT_ONCE, length - at));
              yield decodeElements(bytes, WAITING[list]);
              collectBuffers();
            }
          },
        });
        await file?.finish();
      } finally {
        await close();
        await file?.discard();
      }
      return { samples, entries };
    },
    async discard() {
      await close();
      await file?.discard();
    },
  };
}

/** The archive that `scipy.sparse.save_npz` makes of a csr_matrix; int64 indices where there are too many entries for int32. */
function asScipyCsr(file: AtomicFile, dSae: number): (lists: Lists) => Promise<void> {
  return async ({ samples, entries, read }) => {
    const zip = new ZipWriter(file);
    const put = async (name: string, bytes: Uint8Array) => {
      await zip.begin(name);
      await zip.append(bytes);
      await zip.end();
    };
    const putList = async (name: string, list: ListName, length: number, type: ElementType) => {
      await zip.begin(name);
      await zip.append(npyHeader([length], type));
      for await (const values of read(list)) await zip.append(encodeElements(values, type));
      await zip.end();
    };
    const type = entries < 2 ** 31 ? 'int32' : 'int64';
    await putList('indices.npy', 'indices', entries, type);
    await putList('indptr.npy', 'offsets', samples + 1, type);
    await put('format.npy', bytesScalar('csr'));
    await put('shape.npy', writeNpy({ data: [samples, dSae], shape: [2], type: 'int64' }));
    await putList('data.npy', 'values', entries, 'float32');
    await zip.finish();
  };
}

function asSafetensors(file: AtomicFile, dSae: number): (lists: Lists) => Promise<void> {
  return async ({ samples, entries, read }) => {
    const tensors: Readonly<Record<string, { shape: number[]; type: ElementType }>> = {
      offsets: { shape: [samples + 1], type: 'int64' },
      indices: { shape: [entries], type: 'int64' },
      values: { shape: [entries], type: 'float32' },
      shape: { shape: [2], type: 'int64' },
    };
    const names = safetensorsOrder(tensors);
    await file.append(safetensorsHeader(names.map(name => [name, tensors[name]!])));
    for (const name of names) {
      if (name === 'shape') await file.append(encodeElements([samples, dSae], 'int64'));
      else
        for await (const part of read(name as ListName)) await file.append(encodeElements(part, tensors[name]!.type));
    }
  };
}

function asJson(dSae: number, write: (text: string) => Promise<void>): (lists: Lists) => Promise<void> {
  return async ({ samples, read }) => {
    await write(`{"shape":[${samples},${dSae}]`);
    for (const list of ['offsets', 'indices', 'values'] as const) {
      let before = `,"${list}":[`;
      for await (const values of read(list)) {
        await write(before + Array.from(values).join(','));
        before = ',';
      }
      await write(before === ',' ? ']' : `${before}]`);
    }
    await write('}\n');
  };
}

/** Takes rows (sample, feature, value). */
interface TriplesFormat {
  begin(): Promise<void>;
  append(triples: Float64Array): Promise<void>;
  end(entries: number): Promise<void>;
}

async function triplesOutput(file: AtomicFile, format: TriplesFormat): Promise<SparseOutput> {
  await format.begin();
  let [samples, entries] = [0, 0];
  return {
    async append({ offsets, indices, values }) {
      const triples = new Float64Array(3 * values.length);
      for (let sample = 0; sample + 1 < offsets.length; sample++) {
        for (let at = offsets[sample]!; at < offsets[sample + 1]!; at++) {
          triples.set([samples + sample, indices[at]!, values[at]!], 3 * at);
        }
      }
      await format.append(triples);
      samples += offsets.length - 1;
      entries += values.length;
    },
    async finish() {
      try {
        await format.end(entries);
        await file.finish();
      } finally {
        await file.discard();
      }
      return { samples, entries };
    },
    discard: () => file.discard(),
  };
}

function npyTriples(file: AtomicFile): TriplesFormat {
  // NumPy pads headers to a multiple of 64: as long for any number of entries.
  const header = (entries: number): Uint8Array => npyHeader([entries, 3], 'float64');
  return {
    begin: () => file.append(header(Number.MAX_SAFE_INTEGER)),
    append: triples => file.append(encodeElements(triples, 'float64')),
    end: entries => file.patch(header(entries), 0),
  };
}

function csvTriples(file: AtomicFile): TriplesFormat {
  return {
    begin: () => file.append('sample,feature,value\n'),
    async append(triples) {
      for (let at = 0; at < triples.length; at += 3 * 2 ** 14) {
        await file.append(csvLines(triples.subarray(at, at + 3 * 2 ** 14), 3));
      }
    },
    async end() {},
  };
}

/** A .npy file of one NumPy byte string, for which `writeNpy` has no element type. */
function bytesScalar(text: string): Uint8Array {
  const dictionary = `{'descr': '|S${text.length}', 'fortran_order': False, 'shape': (), }`;
  const header = `${dictionary.padEnd(128 - 10 - 1)}\n`;
  const ascii = Array.from(header + text, character => character.charCodeAt(0));
  return Uint8Array.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0, ...ascii]);
}
