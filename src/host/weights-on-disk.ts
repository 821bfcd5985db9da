/**
 * Reads models whose weights stay in their files: only the graph is in memory, and ONNX Runtime maps the weights when a
 * session opens. So a model of any size can be cut and spliced and its tensors replaced, and several sessions share one
 * copy. Weights inside the .onnx file itself are also addressed as external data, at their place in that file. Node
 * only.
 */
import { lstat, open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { FileFormatError } from '../errors.ts';
import { elementType } from '../onnx/element-type.ts';
import { everyInitializer } from '../onnx/every-tensor.ts';
import { checkLocation, EXTERNAL } from '../onnx/external-data.ts';
import { type TensorMessage, toInteger } from '../onnx/proto.ts';
import { MAX_MODEL_BYTES, type OnnxModel, readModel } from '../onnx/read.ts';
import { sizeOf } from '../tensor.ts';

/** Weights of fewer bytes stay in the graph: shapes, axes and scalars, which ONNX Runtime reads while it loads. */
const SMALLEST_ON_DISK = 1024;

/** A model, and the place of its weights. */
export interface HostFile {
  readonly model: OnnxModel;
  /** The folder to which the weights' locations are relative; `undefined` where all weights are in the graph. */
  readonly folder: string | undefined;
}

/** The number of bytes of a tensor's data. */
export function bytesOf({ dims, dataType }: TensorMessage): number {
  return Math.ceil((sizeOf((dims ?? []).map(toInteger)) * (elementType(dataType)?.bits ?? 0)) / 8);
}

/** The place of a tensor's data outside the graph. */
export interface Place {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** The place of `tensor`'s data; `undefined` where they are in the graph. */
export function placeOf(tensor: TensorMessage): Place | undefined {
  if (tensor.dataLocation !== EXTERNAL) return undefined;
  const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key, value ?? '']));
  return {
    location: entries.get('location') ?? '',
    offset: Number(entries.get('offset') ?? 0),
    length: Number(entries.get('length') ?? bytesOf(tensor)),
  };
}

/** The tensor with its data at `place`. */
export function placed(tensor: TensorMessage, { location, offset, length }: Place): TensorMessage {
  const { rawData: _, ...rest } = tensor;
  const entries = { location, offset: String(offset), length: String(length) };
  return {
    ...rest,
    dataLocation: EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  };
}

/** Checks the weights of the model at `path`: each must lie inside the model's folder and inside its file. */
async function checkedPlaces(model: OnnxModel, path: string): Promise<void> {
  const folder = await realpath(dirname(path));
  const sizes = new Map<string, number>();
  const refuse = (problem: string): never => {
    throw new FileFormatError(problem, { file: path });
  };
  for (const tensor of model.proto.graph.initializer ?? []) {
    const place = placeOf(tensor);
    if (!place) continue;
    const { offset, length } = place;
    const location = checkLocation(place.location, tensor.name ?? '', path);
    if (!sizes.has(location)) {
      const target = await realpath(join(folder, location)).catch((cause: Error) =>
        refuse(`external data '${location}' cannot be read: ${cause.message}`),
      );
      const inside = relative(folder, target);
      if (isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) {
        refuse(`external data '${location}' leads out of the model's folder: refused`);
      }
      const found = await stat(target);
      if (!found.isFile()) refuse(`external data '${location}' is no regular file: refused`);
      sizes.set(location, found.size);
    }
    const expected = bytesOf(tensor);
    if (!Number.isSafeInteger(offset) || offset < 0 || length !== expected) {
      refuse(
        `tensor ${tensor.name} has ${length} bytes at ${offset} of '${location}'; its shape and type take ${expected}`,
      );
    }
    // The location is written as it was checked, because ONNX Runtime takes a backslash for a part of a name.
    Object.assign(tensor, { externalData: placed(tensor, { location, offset, length }).externalData });
    if (offset + length > sizes.get(location)!) {
      refuse(`tensor ${tensor.name} needs ${length} bytes at ${offset} of '${location}', which is shorter`);
    }
  }
}

/**
 * Refuses external data outside the main graph's initializers (in a branch, a loop or a local function), which ONNX
 * Runtime would open without a check.
 */
function refuseInnerPlaces({ proto }: OnnxModel, path: string | undefined): void {
  const checked = new Set(proto.graph.initializer ?? []);
  for (const tensor of everyInitializer(proto)) {
    if (tensor.dataLocation !== EXTERNAL || checked.has(tensor)) continue;
    throw new FileFormatError(`tensor ${tensor.name} inside a branch or loop has its data outside the file: refused`, {
      file: path,
    });
  }
}

/** The initializer with its data addressed in the file instead of held in memory, where it is large enough. */
function addressed(tensor: TensorMessage, file: Uint8Array, location: string): TensorMessage {
  const { rawData } = tensor;
  if (!rawData || rawData.length < SMALLEST_ON_DISK || rawData.buffer !== file.buffer) {
    // The data are copied, so that the file's bytes can be freed.
    return rawData?.length ? { ...tensor, rawData: new Uint8Array(rawData) } : tensor;
  }
  return placed(tensor, { location, offset: rawData.byteOffset - file.byteOffset, length: rawData.length });
}

/**
 * Reads the model at `path` and leaves its weights on disk.
 * @throws FileFormatError as `readModel`, and where external data leaves the model's folder or is shorter than its tensor.
 */
export async function readHostFile(path: string): Promise<HostFile> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > MAX_MODEL_BYTES) throw new RangeError(`${size} bytes, more than an ONNX model can have`);
    bytes = await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : message;
    throw new FileFormatError(`cannot be read: ${problem}; expected an ONNX model`, { file: path, cause });
  }
  const read = readModel(bytes, { file: path });
  refuseInnerPlaces(read, path);
  await checkedPlaces(read, path);
  const { graph } = read.proto;
  const location = basename(path);
  // ONNX Runtime follows no symbolic link out of the folder: the weights of a linked file are held in memory.
  const isLinked = (await lstat(path)).isSymbolicLink();
  const initializer = (graph.initializer ?? []).map(tensor => (isLinked ? tensor : addressed(tensor, bytes, location)));
  const folder = await realpath(dirname(resolve(path)));
  const tensors = new Set(initializer.filter(tensor => placeOf(tensor) !== undefined));
  const readRange = (location: string, offset: number, length: number) =>
    wholePlace(folder, { location, offset, length });
  return {
    model: {
      ...read,
      proto: { ...read.proto, graph: { ...graph, initializer } },
      beside: { folder, read: readRange, tensors },
    },
    folder,
  };
}

/**
 * A model that is held in memory.
 * @throws FileFormatError where it has data outside itself
 */
export function hostInMemory(model: OnnxModel): HostFile {
  refuseInnerPlaces(model, model.file);
  const outside = (model.proto.graph.initializer ?? []).find(({ dataLocation }) => dataLocation === EXTERNAL);
  if (outside) {
    throw new FileFormatError(`tensor ${outside.name} has its data outside the model: open the model by its path`, {
      file: model.file,
    });
  }
  return { model, folder: undefined };
}

/** Reads `length` bytes of a weight's file in pieces of at most 64 MiB: Node aborts on a read of 2 GiB. */
export async function* readPlace(folder: string, { location, offset, length }: Place): AsyncGenerator<Uint8Array> {
  const file = await open(join(folder, location));
  try {
    for (let done = 0; done < length; ) {
      const bytes = new Uint8Array(Math.min(2 ** 26, length - done));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset + done);
      if (bytesRead === 0) throw new FileFormatError(`'${location}' became shorter while it was read`);
      yield bytes.subarray(0, bytesRead);
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Reads all bytes of a place. */
export async function wholePlace(folder: string, place: Place): Promise<Uint8Array> {
  const bytes = new Uint8Array(place.length);
  let at = 0;
  for await (const piece of readPlace(folder, place)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
