/** Arrays as JSON: nested rows, or a shape and flat data. */
import { FileFormatError } from '../errors.ts';
import { fromNested, type HostTensor, hostTensor, type NestedArray } from '../tensor.ts';
import { parseJson } from './parse-json.ts';

/**
 * Reads `[[…], …]` (any depth) or `{"shape": […], "data": […]}` as float32.
 * FileFormatError for what is not JSON, rows of unequal length, an entry that is not a number, or data that do not fill the shape; a wrong
 * entry is told by its value.
 */
export function readJsonArray(text: string, { file }: { readonly file?: string | undefined } = {}): HostTensor {
  const value = parseJson(text, 'it', { file });
  try {
    if (Array.isArray(value)) return fromNested(value as NestedArray);
    const { shape, data } = (value ?? {}) as { shape?: unknown; data?: unknown };
    if (isNumbers(shape) && shape.every(size => Number.isSafeInteger(size) && size >= 0) && isNumbers(data)) {
      return hostTensor(data, shape);
    }
  } catch (cause) {
    throw new FileFormatError((cause as Error).message, { file, cause });
  }
  throw new FileFormatError('expected an array of rows of numbers, or {"shape": [...], "data": [...]} of numbers', {
    file,
  });
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(entry => typeof entry === 'number');
}
