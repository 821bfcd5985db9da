/**
 * NumPy's .npy format, versions 1 to 3: a magic string, a header that is a Python dictionary, then one array's bytes. Pure functions of
 * bytes. The header can be read alone, and written alone, so that rows of a large file are streamed.
 * (The kept readers on npm check neither lengths nor offsets and do not transpose Fortran order.)
 */
import { FileFormatError, InvalidShapeError } from '../errors.ts';
import { type HostTensor, type Shape, sizeOf } from '../tensor.ts';
import {
  adoptElements,
  byteLengthOf,
  bytesPerElement,
  decodeElements,
  type Elements,
  type ElementType,
  encodeElements,
  type FileTensor,
} from './element-type.ts';

/** The header of a .npy file. */
export interface NpyHeader {
  readonly type: ElementType;
  readonly shape: Shape;
  /** Whether the first index changes fastest. */
  readonly fortranOrder: boolean;
  readonly bigEndian: boolean;
  /** Bytes before the data. */
  readonly dataStart: number;
}

interface Source {
  /** The file's path, for messages. */
  readonly file?: string | undefined;
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** A header longer than this is damage; NumPy's own refuse above 10,000 characters by default. */
const longestHeader = 1_000_000;

/** Bytes that are enough for any header NumPy writes by default. */
export const npyHeaderGuess = 16_384;

const typeOfCode: Readonly<Record<string, ElementType>> = {
  f8: 'float64',
  f4: 'float32',
  f2: 'float16',
  i8: 'int64',
  i4: 'int32',
  i2: 'int16',
  i1: 'int8',
  u8: 'uint64',
  u4: 'uint32',
  u2: 'uint16',
  u1: 'uint8',
  b1: 'bool',
};

/** The content of dtypes that are refused, by their first letter. */
const unsupported: Readonly<Record<string, string>> = {
  O: 'Python objects stored as a pickle',
  c: 'complex numbers',
  V: 'raw bytes (bfloat16 is stored so; save float32)',
  S: 'text',
  U: 'text',
  M: 'dates',
  m: 'time differences',
  f: 'a float of another width',
};

/** Whether `bytes` begin as a .npy file does. */
export function isNpy(bytes: Uint8Array): boolean {
  return magic.every((byte, i) => bytes[i] === byte);
}

/**
 * Reads the header from the file's first bytes (`npyHeaderGuess` are enough).
 * @throws FileFormatError for another kind of file, a damaged header, an unsupported dtype (supported: floats of 64, 32
 *   and 16 bits, integers of 64 to 8 bits, signed or not, and bool; of either byte order), or a header longer than
 *   `bytes`
 */
export function readNpyHeader(bytes: Uint8Array, source: Source = {}): NpyHeader {
  if (bytes.byteLength < 10 || !isNpy(bytes)) throw new FileFormatError('not a .npy file', source);
  const version = bytes[6]!;
  if (version < 1 || version > 3 || bytes[7] !== 0) {
    throw new FileFormatError(`.npy format version ${version}.${bytes[7]} is not 1.0, 2.0 or 3.0`, source);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const textStart = version === 1 ? 10 : 12;
  if (bytes.byteLength < textStart) throw new FileFormatError('the .npy header is cut short', source);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataStart = textStart + length;
  if (length > longestHeader || dataStart > bytes.byteLength) {
    throw new FileFormatError(
      `the .npy header says ${length} bytes; ${bytes.byteLength - textStart} are there`,
      source,
    );
  }
  const encoding = version === 3 ? 'utf-8' : 'latin1';
  const text = new TextDecoder(encoding).decode(bytes.subarray(textStart, dataStart));
  return { ...parseDictionary(text, source), dataStart };
}

/**
 * Reads a whole file; Fortran order is turned into C order.
 * @throws FileFormatError as `readNpyHeader`, and where the data's length is not exactly what the shape asks for
 */
export function readNpy(bytes: Uint8Array, source: Source = {}): FileTensor {
  const header = readNpyHeader(bytes, source);
  checkNpyLength(header, bytes.byteLength, source);
  const { type, shape, fortranOrder, dataStart } = header;
  const data = decodeNpyElements(header, bytes.subarray(dataStart));
  return { type, shape, data: fortranOrder ? fromFortranOrder(data, shape) : data };
}

/**
 * Checks a file's length.
 * @throws FileFormatError where a file of `fileSize` bytes does not hold exactly the array that `header` announces
 */
export function checkNpyLength(header: NpyHeader, fileSize: number, source: Source = {}): void {
  const { type, shape, dataStart } = header;
  const expected = byteLengthOf(shape, type);
  if (expected !== fileSize - dataStart) {
    throw new FileFormatError(
      `${type} of shape [${shape.join(', ')}] takes ${expected ?? 'too many'} bytes; the file holds ${fileSize - dataStart}`,
      source,
    );
  }
}

/** Decodes part of a file's data, a whole number of elements, in the order of the file. */
export function decodeNpyElements(header: NpyHeader, data: Uint8Array): Elements {
  return header.bigEndian
    ? adoptElements(swapBytes(data, bytesPerElement[header.type]), header.type)
    : decodeElements(data, header.type);
}

/** The bytes that go before the data of a C-ordered little-endian array: format version 1 (2 where the shape is very long). */
export function npyHeader(shape: Shape, type: ElementType): Uint8Array {
  const code = Object.entries(typeOfCode).find(([, known]) => known === type)?.[0];
  if (code === undefined) throw new InvalidShapeError(`.npy has no dtype for ${type}; write float32`);
  const descriptor = `${bytesPerElement[type] === 1 ? '|' : '<'}${code}`;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dictionary = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // NumPy pads with spaces and a newline so that the data begin at a multiple of 64.
  const padded = (prefix: number): string => {
    const length = Math.ceil((prefix + dictionary.length + 1) / 64) * 64 - prefix;
    return `${dictionary.padEnd(length - 1)}\n`;
  };
  const short = padded(10);
  const isShort = short.length <= 0xffff;
  const text = new TextEncoder().encode(isShort ? short : padded(12));
  const prefix = isShort ? 10 : 12;
  const bytes = new Uint8Array(prefix + text.byteLength);
  bytes.set([...magic, isShort ? 1 : 2, 0]);
  const view = new DataView(bytes.buffer);
  if (isShort) view.setUint16(8, text.byteLength, true);
  else view.setUint32(8, text.byteLength, true);
  bytes.set(text, prefix);
  return bytes;
}

/**
 * Writes one array, as float32 where `type` is not given.
 * @throws InvalidShapeError where the data do not fill the shape
 */
export function writeNpy(tensor: HostTensor<ArrayLike<number>> & { readonly type?: ElementType }): Uint8Array {
  const { data, shape, type = 'float32' } = tensor;
  if (data.length !== sizeOf(shape)) {
    throw new InvalidShapeError(`${data.length} values do not fill the shape [${shape.join(', ')}]`);
  }
  const header = npyHeader(shape, type);
  const body = encodeElements(data, type);
  const file = new Uint8Array(header.byteLength + body.byteLength);
  file.set(header);
  file.set(body, header.byteLength);
  return file;
}

/** Reads the three entries of the header's dictionary, in any order, each exactly once, and nothing else. */
function parseDictionary(text: string, source: Source): Omit<NpyHeader, 'dataStart'> {
  const damaged = (why: string): FileFormatError =>
    new FileFormatError(`damaged .npy header: ${why} in ${JSON.stringify(text.trim().slice(0, 200))}`, source);
  const body = /^[ \t\n]*\{(.*)\}[ \t\n]*$/s.exec(text)?.[1];
  if (body === undefined) throw damaged('no dictionary');
  const entry =
    /[ \t\n]*(['"])(descr|fortran_order|shape)\1[ \t\n]*:[ \t\n]*(?:(['"])([^'"]*)\3|(True|False)|\(([\d \t\nL,]*)\))[ \t\n]*(,|$)/y;
  const found = new Map<string, { text?: string | undefined; flag?: string | undefined; tuple?: string | undefined }>();
  while (entry.lastIndex < body.length && /[^ \t\n]/.test(body.slice(entry.lastIndex))) {
    const match = entry.exec(body);
    if (match === null) {
      throw damaged(
        /descr['"]\s*:\s*[[(]/.test(body) ? 'a structured dtype, which is not supported,' : 'an unknown entry',
      );
    }
    const name = match[2]!;
    if (found.has(name)) throw damaged(`${name} twice`);
    found.set(name, { text: match[4], flag: match[5], tuple: match[6] });
  }
  const descriptor = found.get('descr')?.text;
  const order = found.get('fortran_order')?.flag;
  const tuple = found.get('shape')?.tuple;
  if (descriptor === undefined) throw damaged('no descr');
  if (order === undefined) throw damaged('no fortran_order');
  if (tuple === undefined) throw damaged('no shape');
  const code = descriptor.slice(1);
  const type = '<>=|'.includes(descriptor[0] ?? '?') && Object.hasOwn(typeOfCode, code) ? typeOfCode[code] : undefined;
  if (type === undefined) {
    const what = unsupported[code[0] ?? ''];
    throw new FileFormatError(
      `.npy dtype ${JSON.stringify(descriptor)}${what ? `, ${what},` : ''} is not supported; known are ${Object.keys(typeOfCode).join(', ')}`,
      source,
    );
  }
  const shape = tuple
    .split(',')
    .map(part => part.trim().replace(/L$/, ''))
    .filter(part => part !== '')
    .map(part => (/^(0|[1-9]\d*)$/.test(part) ? Number(part) : Number.NaN));
  if (!shape.every(Number.isSafeInteger)) throw damaged('an impossible shape');
  return { type, shape, fortranOrder: order === 'True', bigEndian: descriptor.startsWith('>') };
}

function swapBytes(data: Uint8Array, width: number): Uint8Array {
  const swapped = new Uint8Array(data.byteLength);
  for (let i = 0; i < data.byteLength; i += width) {
    for (let j = 0; j < width; j++) swapped[i + j] = data[i + width - 1 - j]!;
  }
  return swapped;
}

/** Elements whose first index changes fastest, with the last index changing fastest. */
export function fromFortranOrder(data: Elements, shape: Shape): Elements {
  const ordered = data.slice();
  const index = new Array<number>(shape.length).fill(0);
  for (let from = 0; from < data.length; from++) {
    let to = 0;
    for (let axis = 0; axis < shape.length; axis++) to = to * shape[axis]! + index[axis]!;
    ordered[to] = data[from]!;
    // Fortran order counts up the first index first.
    for (let axis = 0; axis < shape.length && ++index[axis]! === shape[axis]; axis++) index[axis] = 0;
  }
  return ordered;
}
