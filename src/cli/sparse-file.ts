/** Sparse features read back from files that `encode --sparse` wrote (sparse-output.ts). */
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from '../files/element-type.ts';
import { readNpz } from '../files/npz.ts';
import { readSafetensors } from '../files/safetensors.ts';
import { isZip } from '../files/zip.ts';
import type { SparseFeatures } from '../inference/sparse-features.ts';
import type { HostTensor } from '../tensor.ts';

/**
 * Reads what `openSparseOutput` wrote as .npz, .safetensors or .json.
 * @throws FileFormatError for anything else
 */
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
