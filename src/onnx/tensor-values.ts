/** The numbers of a TensorProto, whichever of its fields and types hold them. */
import { FileFormatError } from '../errors.ts';
import { decodeElements } from '../files/element-type.ts';
import type { HostTensor } from '../tensor.ts';
import { elementType } from './element-type.ts';
import { type Int64, type TensorMessage, toInteger } from './proto.ts';
import type { OnnxModel } from './read.ts';

/** A copy of `bytes` at an address that any typed array may start from. */
const aligned = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

/** 16-bit floats from their bits, one in each entry. */
function fromHalves(bits: ArrayLike<number>, type: 'float16' | 'bfloat16'): ArrayLike<number> {
  return decodeElements(new Uint8Array(Uint16Array.from(bits).buffer), type);
}

/** Readers of `raw_data`, little-endian as ONNX wants; every platform that Node and browsers run on is. */
const RAW_READERS: Readonly<Record<string, (bytes: ArrayBuffer) => ArrayLike<number>>> = {
  float32: bytes => new Float32Array(bytes),
  float64: bytes => new Float64Array(bytes),
  float16: bytes => decodeElements(new Uint8Array(bytes), 'float16'),
  bfloat16: bytes => decodeElements(new Uint8Array(bytes), 'bfloat16'),
  int8: bytes => new Int8Array(bytes),
  int16: bytes => new Int16Array(bytes),
  int32: bytes => new Int32Array(bytes),
  int64: bytes => Float64Array.from(new BigInt64Array(bytes), Number),
  uint8: bytes => new Uint8Array(bytes),
  uint16: bytes => new Uint16Array(bytes),
  uint32: bytes => new Uint32Array(bytes),
  uint64: bytes => Float64Array.from(new BigUint64Array(bytes), Number),
  bool: bytes => new Uint8Array(bytes),
};

function readField(tensor: TensorMessage, name: string): ArrayLike<number> {
  const int32s = tensor.int32Data ?? [];
  switch (name) {
    case 'float32':
      return Float32Array.from(tensor.floatData ?? []);
    case 'float64':
      return Float64Array.from(tensor.doubleData ?? []);
    case 'float16':
    case 'bfloat16':
      return fromHalves(int32s, name);
    case 'int64':
      return Float64Array.from(tensor.int64Data ?? [], value => toInteger(value as Int64));
    case 'uint32':
    case 'uint64':
      return Float64Array.from(tensor.uint64Data ?? [], value => toInteger(value as Int64));
    default:
      return Int32Array.from(int32s);
  }
}

/**
 * A tensor's values and shape; the tensor must be validated. 16-bit floats become float32, 64-bit integers numbers
 * (exact up to 2^53), bool 0 and 1.
 * @throws FileFormatError for types that are not plain numbers (text, complex, 4- and 8-bit floats) and for data
 *   outside the file, which `inlineExternalData` brings in
 */
export function readTensor(tensor: TensorMessage, file?: string): HostTensor<ArrayLike<number>> {
  const type = elementType(tensor.dataType);
  const readRaw = type && RAW_READERS[type.name];
  if (!readRaw) {
    throw new FileFormatError(`tensor ${tensor.name} is ${type?.name ?? 'of an unknown type'}; expected numbers`, {
      file,
    });
  }
  if (tensor.dataLocation === 1) {
    throw new FileFormatError(`the data of tensor ${tensor.name} is outside the file and was not read`, { file });
  }
  const data = tensor.rawData?.length ? readRaw(aligned(tensor.rawData)) : readField(tensor, type.name);
  return { data, shape: (tensor.dims ?? []).map(toInteger) };
}

/**
 * An initializer as float32, whatever its own type.
 * @throws FileFormatError where the model has none of that name
 */
export function readInitializer({ proto, file }: OnnxModel, name: string): HostTensor {
  const initializers = proto.graph.initializer ?? [];
  const tensor = initializers.find(candidate => candidate.name === name);
  if (!tensor) {
    const names = initializers.map(candidate => candidate.name).join(', ') || 'none';
    throw new FileFormatError(`no initializer named ${name}; there are ${names}`, { file });
  }
  const { data, shape } = readTensor(tensor, file);
  return { data: data instanceof Float32Array ? data : Float32Array.from(data), shape };
}
