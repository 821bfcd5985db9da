/**
 * Tells what a file is that was taken for another kind, so that an error says what to do instead of where parsing
 * stopped.
 */

/** Bytes of a file's beginning that are enough for `otherFormat`. */
export const otherFormatGuess = 512;

/** What a file that begins with `bytes` looks like, as a clause ("it is ..."); `undefined` where it looks like nothing known. */
export function otherFormat(bytes: Uint8Array): string | undefined {
  // TextDecoder's latin1 is windows-1252, which moves the bytes from 0x80 to 0x9f.
  const start = String.fromCharCode(...bytes.subarray(0, otherFormatGuess));
  if (/^(\xef\xbb\xbf)?version https:\/\/git-lfs/.test(start)) {
    return 'it is a Git LFS pointer, not the file itself: fetch that with git lfs pull';
  }
  if (start.startsWith('PK')) {
    return /\bdata\.pkl/.test(start)
      ? 'it is a PyTorch checkpoint, a pickle, which is not read because it can run code: save its tensors as .safetensors'
      : 'it looks like a zip archive (.npz?)';
  }
  // The protocol's byte, and what an unpickler does first.
  if (bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5) {
    return 'it is a Python pickle, which is not read because it can run code: save its arrays as .npy or .safetensors';
  }
  if (start.startsWith('\x93NUMPY')) return 'it looks like a .npy array';
  if (start.startsWith('\x89HDF')) return 'it looks like an HDF5 file: save its arrays as .npy or .safetensors';
  if (start.startsWith('PAR1')) return 'it looks like a Parquet file: save its columns as .npy or .safetensors';
  if (start.startsWith('ARROW1')) return 'it looks like an Arrow file: save its columns as .npy or .safetensors';
  if (start.startsWith('\x1f\x8b')) return 'it is compressed with gzip: unpack it first';
  if (start.startsWith('\x28\xb5\x2f\xfd')) return 'it is compressed with zstd: unpack it first';
  if (start.startsWith('BZh')) return 'it is compressed with bzip2: unpack it first';
  if (start.startsWith('\xfd7zXZ')) return 'it is compressed with xz: unpack it first';
  if (start.startsWith('GGUF')) return 'it looks like a GGUF file';
  if (start.startsWith('MATLAB 5.0')) return 'it looks like a MATLAB file: save its arrays as .npy';
  if (start.startsWith('%PDF')) return 'it looks like a PDF';
  if (bytes[6] === 0 && bytes[7] === 0 && start[8] === '{') return 'it looks like a .safetensors file';
  if (/^\s*<(!doctype|html|\?xml)/i.test(start)) return 'it looks like an HTML page: is the address right?';
  if (/^\s*[{[]/.test(start)) return 'it looks like JSON';
  return undefined;
}
