/** NumPy's .npz format: a zip archive (fflate reads it) with one .npy file per array. Pure functions of bytes. */
import { unzipSync } from 'fflate';
import { FileFormatError } from '../errors.ts';
import type { FileTensor } from './element-type.ts';
import { readNpy } from './npy.ts';

/** Deflate cannot do better than 1032 to 1: an entry that claims more is damage or a bomb, refused before memory is taken. */
const bestCompression = 1032;

interface Source {
  /** Path for messages. */
  readonly file?: string | undefined;
}

/** True where `bytes` begin as a zip archive does. */
export function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

/**
 * Reads the arrays of an archive by name (without `.npy`), only those in `names` where it is given; stored or deflated entries.
 * FileFormatError for what is not a zip archive, is damaged, or holds arrays that `readNpy` refuses.
 */
export function readNpz(
  bytes: Uint8Array,
  { names, file }: Source & { readonly names?: readonly string[] } = {},
): ReadonlyMap<string, FileTensor> {
  if (!isZip(bytes)) throw new FileFormatError('not a zip archive, so not a .npz file', { file });
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter: ({ name, size, originalSize, compression }) => {
        if (!name.endsWith('.npy') || (names !== undefined && !names.includes(arrayName(name)))) return false;
        const most = compression === 0 ? size : size * bestCompression;
        if (size > bytes.byteLength || originalSize > most) {
          throw new FileFormatError(`${name} claims ${originalSize} bytes from ${size}`, { file });
        }
        return true;
      },
    });
  } catch (cause) {
    if (cause instanceof FileFormatError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FileFormatError(`damaged zip archive: ${reason}`, { file, cause });
  }
  const arrays = new Map<string, FileTensor>();
  for (const [name, entry] of Object.entries(entries)) {
    const within = file === undefined ? name : `${file}: ${name}`;
    arrays.set(arrayName(name), readNpy(entry, { file: within }));
  }
  return arrays;
}

function arrayName(entryName: string): string {
  return entryName.replace(/\.npy$/, '');
}
