/**
 * Tensors whose data lies in files beside the model, as PyTorch's exporter writes them. They are read into the model,
 * so that ONNX Runtime never opens a path that a file names; those of graphs within nodes are refused. Only plain
 * relative paths below the model's folder are followed. https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { FileFormatError } from '../errors.ts';
import { toFloat32 } from '../files/element-type.ts';
import { type HostTensor, sizeOf } from '../tensor.ts';
import { elementType } from './element-type.ts';
import { everyInitializer } from './every-tensor.ts';
import { type TensorMessage, toInteger } from './proto.ts';
import { MAX_MODEL_BYTES, type OnnxModel } from './read.ts';
import { readInitializer, readTensor } from './tensor-values.ts';

/** TensorProto.DataLocation. */
export const EXTERNAL = 1;

/** Reads `length` bytes at `offset` of the file at `location`, a checked relative path with forward slashes. */
export type ReadExternal = (location: string, offset: number, length: number) => Promise<Uint8Array>;

/** Whether an initializer has its data outside the file, at any depth. (Other tensors may not: `validateModel`.) */
export function hasExternalData({ proto }: OnnxModel): boolean {
  for (const { dataLocation } of everyInitializer(proto)) if (dataLocation === EXTERNAL) return true;
  return false;
}

/**
 * `location` with forward slashes.
 * @throws FileFormatError for every path that could leave the model's folder, on any platform
 */
export function checkLocation(location: string, tensor: string, file: string | undefined): string {
  const parts = location.split(/[\\/]/);
  const isAbsolute = parts[0] === '' || /^[a-z][a-z0-9+.-]*:/i.test(location);
  if (isAbsolute || parts.includes('..') || location.includes('\0')) {
    throw new FileFormatError(
      `tensor ${tensor} has its data at '${location}', which leaves the model's folder: refused`,
      { file },
    );
  }
  return parts.join('/');
}

/** The place of a tensor's data outside its model. */
export interface ExternalRange {
  /** A checked relative path with forward slashes, below the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Whether a tensor's data lie outside its model. */
export function isExternal(tensor: TensorMessage): boolean {
  return tensor.dataLocation === EXTERNAL;
}

/**
 * The place of an external tensor's data.
 * @throws FileFormatError where the path leaves the model's folder, or offset and length are not what shape and type
 *   ask for
 */
export function externalRange(tensor: TensorMessage, file: string | undefined): ExternalRange {
  const name = tensor.name ?? '';
  const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key, value ?? '']));
  const location = checkLocation(entries.get('location') ?? '', name, file);
  const bits = elementType(tensor.dataType)?.bits ?? 0;
  const expected = Math.ceil((sizeOf((tensor.dims ?? []).map(toInteger)) * bits) / 8);
  const offset = Number(entries.get('offset') ?? 0);
  const length = Number(entries.get('length') ?? expected);
  if (!Number.isSafeInteger(offset) || offset < 0 || length !== expected) {
    throw new FileFormatError(
      `tensor ${name} has ${length} bytes at ${offset} of '${location}'; its shape and type take ${expected}`,
      { file },
    );
  }
  return { location, offset, length: expected };
}

/**
 * The number of bytes that lie outside the model.
 * @throws FileFormatError as `externalRange`
 */
export function externalBytes({ proto, file }: OnnxModel): number {
  let total = 0;
  for (const tensor of everyInitializer(proto)) if (isExternal(tensor)) total += externalRange(tensor, file).length;
  return total;
}

/**
 * Reads all external data into the model, except those of `left`; its messages are filled in place.
 * @throws FileFormatError where a tensor of a graph within a node lies outside, where a path leaves the model's folder,
 *   where a file is shorter than its tensors, or, before anything is read, where the whole is more than protobuf can
 *   hold
 */
export async function inlineExternalData(
  model: OnnxModel,
  read: ReadExternal,
  left: ReadonlySet<TensorMessage> = new Set(),
): Promise<OnnxModel> {
  const { proto, file } = model;
  const outermost = new Set(proto.graph?.initializer ?? []);
  const places: ({ readonly tensor: TensorMessage } & ExternalRange)[] = [];
  let total = 0;
  for (const tensor of everyInitializer(proto)) {
    if (left.has(tensor)) continue;
    if (isExternal(tensor) && !outermost.has(tensor)) {
      // Exporters write weights of the model's own graph in this way. In a branch or a loop, it is a way to have a file
      // read that nobody inspects.
      throw new FileFormatError(
        `the data of tensor ${tensor.name || '(without a name)'}, of a graph within a node, is outside the model: refused`,
        { file },
      );
    }
    const range = isExternal(tensor) ? externalRange(tensor, file) : undefined;
    total += range?.length ?? tensor.rawData?.length ?? 0;
    if (total > MAX_MODEL_BYTES) {
      throw new FileFormatError(
        `its data takes more than the ${MAX_MODEL_BYTES} bytes that a model in memory can hold (protobuf's limit): load it by its path in ` +
          'Node, which leaves data on disk',
        { file },
      );
    }
    if (range) places.push({ tensor, ...range });
  }

  for (const { tensor, location, offset, length } of places) {
    const bytes = await read(location, offset, length);
    if (bytes.length !== length) {
      throw new FileFormatError(
        `tensor ${tensor.name} needs ${length} bytes at ${offset} of '${location}', which is shorter`,
        { file },
      );
    }
    Object.assign(tensor, { externalData: [], dataLocation: 0, rawData: bytes });
  }
  return model;
}

/**
 * An initializer as float32, wherever its data lie.
 * @throws FileFormatError where the model has none of that name
 */
export async function readInitializerAnywhere(model: OnnxModel, name: string): Promise<HostTensor> {
  const tensor = model.proto.graph.initializer?.find(candidate => candidate.name === name);
  if (!tensor || !isExternal(tensor) || !model.beside) return readInitializer(model, name);
  const { location, offset, length } = externalRange(tensor, model.file);
  const rawData = await model.beside.read(location, offset, length);
  return toFloat32(readTensor({ ...tensor, dataLocation: 0, externalData: [], rawData }, model.file));
}
