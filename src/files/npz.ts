/** NumPy's .npz format: a zip archive with one .npy file per array. Pure functions of bytes; large archives are read by row-source.ts. */
import { FileFormatError } from '../errors.ts';
import { type Asking, answeredFromMemory } from './byte-source.ts';
import type { FileTensor } from './element-type.ts';
import { readNpy } from './npy.ts';
import { otherFormat } from './other-format.ts';
import { isZip, unpackedEntry, type ZipEntry, zipDirectory } from './zip.ts';

interface Source {
  /** The file's path, for messages. */
  readonly file?: string | undefined;
}

/**
 * An archive may unpack to this many bytes whatever its size, and beyond to this many times its size. Weights and
 * activations shrink by less than half. Arrays of zeros, which shrink a thousandfold, are accepted while they are
 * small.
 */
const SMALL = 2 ** 28;
const LARGEST_RATIO = 16;

/**
 * Reads the arrays of an archive by name (without `.npy`), only those in `names` where it is given; stored or deflated
 * entries.
 * @throws FileFormatError for what is not a zip archive, is damaged, unpacks to too much, or holds arrays that
 *   `readNpy` refuses
 */
export function readNpz(
  bytes: Uint8Array,
  { names, file }: Source & { readonly names?: readonly string[] } = {},
): ReadonlyMap<string, FileTensor> {
  if (!isZip(bytes)) throw new FileFormatError('not a zip archive, so not a .npz file', { file });
  return answeredFromMemory(npzArrays(bytes, bytes.byteLength, file, names), bytes);
}

/**
 * Reads the arrays of an archive of `fileSize` bytes that begins with `beginning`, one after another. Errors are those
 * of `readNpz`, without the one for a file that is no archive.
 */
export function* npzArrays(
  beginning: Uint8Array,
  fileSize: number,
  file: string | undefined,
  names?: readonly string[],
): Asking<ReadonlyMap<string, FileTensor>> {
  const name = file ?? 'the archive';
  const entries = arraysAmong(yield* zipDirectory(fileSize, name), beginning, name).filter(
    entry => names === undefined || names.includes(arrayName(entry)),
  );
  checkUnpackedSize(entries, fileSize, name);
  const arrays = new Map<string, FileTensor>();
  for (const entry of entries) {
    const within = file === undefined ? entry.name : `${file}: ${entry.name}`;
    arrays.set(arrayName(entry), readNpy(yield* unpackedEntry(entry, fileSize, name), { file: within }));
  }
  return arrays;
}

/**
 * The entries that are arrays.
 * @throws FileFormatError where there is none; the message says what the archive is instead
 */
export function arraysAmong(entries: readonly ZipEntry[], beginning: Uint8Array, file: string): readonly ZipEntry[] {
  const arrays = entries.filter(({ name }) => name.endsWith('.npy'));
  if (arrays.length > 0) return arrays;
  const isPickle = entries.some(({ name }) => name.endsWith('data.pkl'));
  const what = isPickle ? otherFormat(new TextEncoder().encode('PK data.pkl')) : otherFormat(beginning);
  throw new FileFormatError(`no arrays (.npy) in it: ${what ?? 'it is another kind of archive'}`, { file });
}

/** The name of an archive's array: its entry's name without `.npy`. */
export function arrayName({ name }: ZipEntry): string {
  return name.replace(/\.npy$/, '');
}

/**
 * Checks the unpacked size of entries.
 * @throws FileFormatError where together they unpack to more than an archive of `archiveSize` bytes honestly does
 */
export function checkUnpackedSize(entries: readonly ZipEntry[], archiveSize: number, file: string): void {
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  const most = Math.max(SMALL, LARGEST_RATIO * archiveSize);
  if (total > most) {
    throw new FileFormatError(
      `its arrays unpack to ${total} bytes; an archive of ${archiveSize} may hold ${most} (16 times its size, or 256 MiB)`,
      { file },
    );
  }
}
