/** ONNX's element types (TensorProto.DataType): their names, widths, and which field of a TensorProto holds their values. */
import type { TensorMessage } from './proto.ts';

type ValueField = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data' | 'stringData';

/** One element type. */
export interface ElementType {
  /** ONNX's name in the spelling of NumPy and ONNX Runtime, such as `float32`. */
  readonly name: string;
  /** Bits of one element in `raw_data`, where types narrower than a byte are packed; undefined for text. */
  readonly bits: number | undefined;
  /** The field that holds the values where `raw_data` does not. */
  readonly field: ValueField;
  /** Entries of that field per element. */
  readonly entriesPerElement: number;
}

const type = (name: string, bits: number | undefined, field: ValueField, entriesPerElement = 1): ElementType => ({
  name,
  bits,
  field,
  entriesPerElement,
});

const ELEMENT_TYPES: Readonly<Record<number, ElementType>> = {
  1: type('float32', 32, 'floatData'),
  2: type('uint8', 8, 'int32Data'),
  3: type('int8', 8, 'int32Data'),
  4: type('uint16', 16, 'int32Data'),
  5: type('int16', 16, 'int32Data'),
  6: type('int32', 32, 'int32Data'),
  7: type('int64', 64, 'int64Data'),
  8: type('string', undefined, 'stringData'),
  9: type('bool', 8, 'int32Data'),
  10: type('float16', 16, 'int32Data'),
  11: type('float64', 64, 'doubleData'),
  12: type('uint32', 32, 'uint64Data'),
  13: type('uint64', 64, 'uint64Data'),
  14: type('complex64', 64, 'floatData', 2),
  15: type('complex128', 128, 'doubleData', 2),
  16: type('bfloat16', 16, 'int32Data'),
  17: type('float8e4m3fn', 8, 'int32Data'),
  18: type('float8e4m3fnuz', 8, 'int32Data'),
  19: type('float8e5m2', 8, 'int32Data'),
  20: type('float8e5m2fnuz', 8, 'int32Data'),
  21: type('uint4', 4, 'int32Data', 0.5),
  22: type('int4', 4, 'int32Data', 0.5),
  23: type('float4e2m1', 4, 'int32Data', 0.5),
  24: type('float8e8m0', 8, 'int32Data'),
  25: type('uint2', 2, 'int32Data', 0.25),
  26: type('int2', 2, 'int32Data', 0.25),
};

/** The element type of TensorProto.DataType `code`; undefined where this version does not know it. */
export function elementType(code: number | null | undefined): ElementType | undefined {
  return ELEMENT_TYPES[code ?? 0];
}

/** Number of values in the typed field that `tensor` should use. */
export function fieldLength(tensor: TensorMessage, { field }: ElementType): number {
  return tensor[field]?.length ?? 0;
}
