/**
 * Sparse features in files. Three forms keep everything and are read back by `decode --sparse`: `.npz` (SciPy's compressed sparse rows,
 * `scipy.sparse.load_npz`), `.safetensors` and `.json` (the fields of SparseFeatures). Two are for looking at: `.npy` and `.csv` hold
 * [entries, 3], a row (sample, feature, value) for each feature that fires.
 */
import { extname } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { FileFormatError } from '../errors.ts';
import { writeCsv } from '../files/csv.ts';
import type { FileTensor } from '../files/element-type.ts';
import { writeNpy } from '../files/npy.ts';
import { isZip, readNpz } from '../files/npz.ts';
import { readSafetensors, writeSafetensors } from '../files/safetensors.ts';
import type { SparseFeatures } from '../inference/sparse-features.ts';
import type { HostTensor } from '../tensor.ts';

export const SPARSE_EXTENSIONS = ['.npz', '.safetensors', '.json', '.npy', '.csv'];

/** The bytes or text of `sparse` [samples, d_sae] in the format that `path` ends in; JSON for `-`. */
export function encodeSparseFile(path: string, sparse: SparseFeatures): Uint8Array | string {
  switch (extname(path).toLowerCase()) {
    case '.npz':
      return writeScipyCsr(sparse);
    case '.safetensors':
      return writeSafetensors({
        offsets: { data: sparse.offsets, shape: [sparse.offsets.length], type: 'int64' },
        indices: { data: sparse.indices, shape: [sparse.indices.length], type: 'int64' },
        values: { data: sparse.values, shape: [sparse.values.length] },
        shape: { data: sparse.shape, shape: [sparse.shape.length], type: 'int64' },
      });
    case '.npy':
      return writeNpy({ ...asTriples(sparse), type: 'float64' });
    case '.csv':
      return `sample,feature,value\n${writeCsv(asTriples(sparse))}`;
    default: {
      const { shape, offsets, indices, values } = sparse;
      return `${JSON.stringify({ shape, offsets: [...offsets], indices: [...indices], values: [...values] })}\n`;
    }
  }
}

/** Reads what `encodeSparseFile` wrote as .npz, .safetensors or .json; FileFormatError for anything else. */
export function decodeSparseFile(bytes: Uint8Array, file: string): SparseFeatures {
  if (isZip(bytes)) {
    // The array `format` is text, which readNpz does not know.
    const arrays = readNpz(bytes, { file, names: ['shape', 'indptr', 'indices', 'data'] });
    return fromTensors(arrays, { shape: 'shape', offsets: 'indptr', indices: 'indices', values: 'data' }, file);
  }
  const names = { shape: 'shape', offsets: 'offsets', indices: 'indices', values: 'values' };
  if (bytes[8] === 0x7b) return fromTensors(readSafetensors(bytes, { file }).tensors, names, file);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new FileFormatError(
      'expected sparse features as encode --sparse writes them to .npz, .safetensors or .json',
      {
        file,
        cause,
      },
    );
  }
  const lists = Object.entries((json ?? {}) as Record<string, unknown>).filter(([, list]) => isNumbers(list));
  const tensors = new Map(
    lists.map(([name, list]) => [name, { data: list as number[], shape: [(list as number[]).length] }]),
  );
  return fromTensors(tensors, names, file);
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(entry => typeof entry === 'number');

function fromTensors(
  tensors: ReadonlyMap<string, HostTensor<ArrayLike<number>> | FileTensor>,
  names: Readonly<Record<keyof SparseFeatures, string>>,
  file: string,
): SparseFeatures {
  const take = (name: string): ArrayLike<number> => {
    const tensor = tensors.get(name);
    if (tensor) return tensor.data;
    throw new FileFormatError(`sparse features need ${Object.values(names).join(', ')}; ${name} is missing`, { file });
  };
  const offsets = take(names.offsets);
  const indices = take(names.indices);
  checkIndices(offsets, 'offsets', file);
  checkIndices(indices, 'indices', file);
  for (let i = 1; i < offsets.length; i++) {
    if (offsets[i]! < offsets[i - 1]!)
      throw new FileFormatError(`offsets fall at ${i}; expected ascending ones`, { file });
  }
  return {
    shape: Array.from(take(names.shape)),
    offsets: Uint32Array.from(offsets),
    indices: Uint32Array.from(indices),
    values: Float32Array.from(take(names.values)),
  };
}

function checkIndices(values: ArrayLike<number>, name: string, file: string): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
      throw new FileFormatError(`${name} hold ${value} at ${i}; expected integers from 0`, { file });
    }
  }
}

/** The samples of all `parts` in order, of `dSae` features each. */
export function joinSparse(parts: readonly SparseFeatures[], dSae: number): SparseFeatures {
  const entries = parts.reduce((sum, { values }) => sum + values.length, 0);
  const samples = parts.reduce((sum, { offsets }) => sum + offsets.length - 1, 0);
  const offsets = new Uint32Array(samples + 1);
  const indices = new Uint32Array(entries);
  const values = new Float32Array(entries);
  let [sample, entry] = [0, 0];
  for (const part of parts) {
    indices.set(part.indices, entry);
    values.set(part.values, entry);
    for (const end of part.offsets.subarray(1)) offsets[++sample] = entry + end;
    entry += part.values.length;
  }
  return { shape: [samples, dSae], offsets, indices, values };
}

/** [entries, 3]: sample, feature, value. */
function asTriples({ offsets, indices, values }: SparseFeatures): HostTensor<Float64Array> {
  const data = new Float64Array(3 * values.length);
  for (let sample = 0; sample + 1 < offsets.length; sample++) {
    for (let at = offsets[sample]!; at < offsets[sample + 1]!; at++) {
      data.set([sample, indices[at]!, values[at]!], 3 * at);
    }
  }
  return { data, shape: [values.length, 3] };
}

/** The archive that `scipy.sparse.save_npz` makes of a csr_matrix. */
function writeScipyCsr({ shape, offsets, indices, values }: SparseFeatures): Uint8Array {
  return zipSync({
    'indices.npy': writeNpy({ data: indices, shape: [indices.length], type: 'int32' }),
    'indptr.npy': writeNpy({ data: offsets, shape: [offsets.length], type: 'int32' }),
    'format.npy': bytesScalar('csr'),
    'shape.npy': writeNpy({ data: shape, shape: [shape.length], type: 'int64' }),
    'data.npy': writeNpy({ data: values, shape: [values.length] }),
  });
}

/** A .npy file of one NumPy byte string, for which `writeNpy` has no element type. */
function bytesScalar(text: string): Uint8Array {
  const dictionary = `{'descr': '|S${text.length}', 'fortran_order': False, 'shape': (), }`;
  const header = `${dictionary.padEnd(128 - 10 - 1)}\n`;
  return new Uint8Array([...strToU8('\x93NUMPY', true), 1, 0, header.length, 0, ...strToU8(header + text, true)]);
}
