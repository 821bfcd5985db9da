/**
 * Tensors whose data lies in files beside the model, as PyTorch's exporter writes them. They are brought into the model, so that
 * ONNX Runtime never opens a path that a file names. Only plain relative paths below the model's folder are followed.
 * https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { FileFormatError } from '../errors.ts';
import { sizeOf } from '../tensor.ts';
import { elementType } from './element-type.ts';
import { type TensorMessage, toInteger } from './proto.ts';
import { MAX_MODEL_BYTES, type OnnxModel } from './read.ts';

/** TensorProto.DataLocation. */
export const EXTERNAL = 1;

/** Reads `length` bytes at `offset` of the file at `location`, a checked relative path with forward slashes. */
export type ReadExternal = (location: string, offset: number, length: number) => Promise<Uint8Array>;

export function hasExternalData({ proto }: OnnxModel): boolean {
  return (proto.graph.initializer ?? []).some(tensor => tensor.dataLocation === EXTERNAL);
}

/** `location` with forward slashes. FileFormatError for every path that could leave the model's folder, on any platform. */
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

async function inlineTensor(
  tensor: TensorMessage,
  file: string | undefined,
  read: ReadExternal,
): Promise<TensorMessage> {
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
  const bytes = await read(location, offset, expected);
  if (bytes.length !== expected) {
    throw new FileFormatError(
      `tensor ${name} needs ${expected} bytes at ${offset} of '${location}', which is shorter`,
      { file },
    );
  }
  return { ...tensor, externalData: [], dataLocation: 0, rawData: bytes };
}

/**
 * The model with all of its data inside.
 * FileFormatError where a path leaves the model's folder, where a file is shorter than its tensors, or where the whole is more
 * than protobuf can hold.
 */
export async function inlineExternalData(model: OnnxModel, read: ReadExternal): Promise<OnnxModel> {
  const { graph } = model.proto;
  const initializer: TensorMessage[] = [];
  let total = 0;
  for (const tensor of graph.initializer ?? []) {
    const inlined = tensor.dataLocation === EXTERNAL ? await inlineTensor(tensor, model.file, read) : tensor;
    total += inlined.rawData?.length ?? 0;
    if (total > MAX_MODEL_BYTES) {
      throw new FileFormatError(`the model's data takes more than ${MAX_MODEL_BYTES} bytes`, { file: model.file });
    }
    initializer.push(inlined);
  }
  return { ...model, proto: { ...model.proto, graph: { ...graph, initializer } } };
}
