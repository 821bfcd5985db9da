/** Where a model may come from in Node: paths, and all that a browser takes. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileFormatError, InvalidValueError } from '../errors.ts';
import { openRegularFile } from '../files/open-regular.ts';
import {
  externalBytes,
  externalRange,
  hasExternalData,
  inlineExternalData,
  isExternal,
  type ReadExternal,
} from '../onnx/external-data.ts';
import { requireNoNaNBeside } from '../onnx/finite-weights.ts';
import { MAX_MODEL_BYTES, type OnnxModel, readModel } from '../onnx/read.ts';
import { type ReadOptions, readWebSource, type WebModelSource } from './web-source.ts';

/** A path, an address (file:, http:, https:, data:, blob:), the file's bytes, or a Blob or File. */
export type ModelSource = WebModelSource;

/** The path that `source` names; `undefined` where `source` is no path. */
function pathOf(source: ModelSource): string | undefined {
  if (source instanceof URL) return source.protocol === 'file:' ? pathOfFileUrl(source) : undefined;
  if (typeof source !== 'string') return undefined;
  if (/^file:/i.test(source)) return pathOfFileUrl(source);
  // A single letter before the colon is a Windows drive.
  return /^(https?|data|blob):/i.test(source) ? undefined : source;
}

function pathOfFileUrl(url: string | URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new InvalidValueError(`${String(url)} is no address of a file: ${(cause as Error).message}`, { cause });
  }
}

async function readPath(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    // Checked before memory is allocated.
    if (size > MAX_MODEL_BYTES) throw new RangeError(`${size} bytes, more than an ONNX model can have`);
    return await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message;
    throw new FileFormatError(`cannot be read: ${problem}; expected an ONNX model`, { file: path, cause });
  }
}

/** Up to `length` bytes of a file from `offset` on; fewer where the file is shorter. */
async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await openRegularFile(path);
  try {
    const { size } = await file.stat();
    // Checked before memory is allocated: the length is only the model's claim.
    if (offset + length > size) return new Uint8Array(0);
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      // One read of 2 GiB or more aborts the process.
      const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}

/** Reads external data below the folder of the model at `path`; a symbolic link that leads out of it is refused. */
function readBeside(path: string): ReadExternal {
  return async (location, offset, length) => {
    try {
      const folder = await realpath(dirname(path));
      const target = await realpath(join(folder, location));
      const inside = relative(folder, target);
      if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) {
        throw new FileFormatError(`external data '${location}' leads out of the model's folder: refused`, {
          file: path,
        });
      }
      return await readRange(target, offset, length);
    } catch (cause) {
      if (cause instanceof FileFormatError) throw cause;
      const { message } = cause as Error;
      throw new FileFormatError(`external data '${location}' cannot be read: ${message}`, { file: path, cause });
    }
  };
}

/**
 * External data of more than 256 MiB stay on disk, where ONNX Runtime maps them into memory; less is read into the
 * model.
 */
const LARGEST_INLINED = 2 ** 28;

/**
 * The model with its data left in the files beside it. Each range is checked before ONNX Runtime is told of the folder.
 */
async function leaveBeside(model: OnnxModel, path: string): Promise<OnnxModel> {
  const failed = (location: string, problem: string, cause?: unknown): never => {
    throw new FileFormatError(`external data '${location}' ${problem}`, { file: path, cause });
  };
  const folder = await realpath(dirname(path)).catch(cause => failed('.', `cannot be read: ${cause.message}`, cause));
  const read = readBeside(path);
  const left = new Set((model.proto.graph.initializer ?? []).filter(isExternal));
  // Only the main graph's data stay outside: those of graphs within nodes and of functions are read in.
  await inlineExternalData(model, read, left);
  for (const tensor of left) {
    const { location, offset, length } = externalRange(tensor, path);
    const target = await realpath(join(folder, location)).catch(cause =>
      failed(location, `cannot be read: ${cause.message}`, cause),
    );
    const inside = relative(folder, target);
    if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) {
      failed(location, "leads out of the model's folder: refused");
    }
    const found = await stat(target);
    if (!found.isFile()) failed(location, 'is no plain file: refused');
    if (offset + length > found.size) {
      failed(location, `has ${found.size} bytes; tensor ${tensor.name} needs ${length} at ${offset}`);
    }
    const entries = { location: inside.split(sep).join('/'), offset: String(offset), length: String(length) };
    Object.assign(tensor, { externalData: Object.entries(entries).map(([key, value]) => ({ key, value })) });
  }
  return { ...model, beside: { folder, read, tensors: left } };
}

/**
 * Reads and validates the model at `source`: a path, or what `readWebSource` takes.
 * @param largestInlined bytes of external data up to which they are read into memory; tests set it
 * @throws FileFormatError where the model cannot be read or is no sound ONNX model
 * @throws InvalidValueError for an address that is none
 */
export async function readSource(
  source: ModelSource,
  { largestInlined = LARGEST_INLINED, ...options }: ReadOptions & { readonly largestInlined?: number } = {},
): Promise<OnnxModel> {
  const path = pathOf(source);
  if (path?.includes('\0')) throw new InvalidValueError('the path has a zero byte in it');
  if (path === undefined) return readWebSource(source, options);
  const model = readModel(await readPath(path), { file: path });
  const { external = true } = options;
  if (!external || !hasExternalData(model)) return model;
  if (externalBytes(model) <= largestInlined) return inlineExternalData(model, readBeside(path));
  const left = await leaveBeside(model, path);
  await requireNoNaNBeside(left);
  return left;
}
