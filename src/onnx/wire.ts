/**
 * Checks what must be true of an ONNX file's bytes before they are decoded. Decoders of protobuf differ on odd files:
 * protobuf's own merges a second `graph` into the first, protobufjs takes the last one, and neither tells; protobufjs
 * reads a field of the wrong wire type as if it were the right one, and recurses as deep as a file says. So every byte
 * is accounted for here: fields that the format knows, of their own wire type, each single message once, nested no
 * deeper than protobuf allows, and no more of them than memory holds. Wire format:
 * https://protobuf.dev/programming-guides/encoding Fields: https://github.com/onnx/onnx/blob/v1.23.2/onnx/onnx-ml.proto
 */

/**
 * A field: `varint`, `fixed32`, `fixed64`, `bytes` (text as well) or the name of a message; `*` where it is repeated, and a letter
 * where only one field with that letter may be there. `ignored` fields change no number and are dropped; `newer` ones might.
 */
type FieldKind = string;

const ENTRY = { 1: 'bytes', 2: 'bytes' };
const MESSAGES: Readonly<Record<string, Readonly<Record<number, FieldKind>>>> = {
  ModelProto: {
    ...{ 1: 'varint', 2: 'bytes', 3: 'bytes', 4: 'bytes', 5: 'varint', 6: 'bytes', 7: 'GraphProto', 26: 'ignored' },
    ...{ 8: 'OperatorSetIdProto*', 14: 'StringStringEntryProto*', 20: 'TrainingInfoProto*', 25: 'FunctionProto*' },
  },
  GraphProto: {
    ...{ 1: 'NodeProto*', 2: 'bytes', 5: 'TensorProto*', 10: 'bytes', 11: 'ValueInfoProto*', 12: 'ValueInfoProto*' },
    ...{ 13: 'ValueInfoProto*', 14: 'TensorAnnotation*', 15: 'SparseTensorProto*', 16: 'ignored' },
  },
  NodeProto: {
    ...{ 1: 'bytes*', 2: 'bytes*', 3: 'bytes', 4: 'bytes', 5: 'AttributeProto*', 6: 'bytes', 7: 'bytes' },
    ...{ 8: 'newer', 9: 'ignored', 10: 'ignored' },
  },
  AttributeProto: {
    ...{ 1: 'bytes', 2: 'fixed32', 3: 'varint', 4: 'bytes', 5: 'TensorProto', 6: 'GraphProto', 7: 'fixed32*' },
    ...{ 8: 'varint*', 9: 'bytes*', 10: 'TensorProto*', 11: 'GraphProto*', 13: 'bytes', 14: 'TypeProto' },
    ...{ 15: 'TypeProto*', 20: 'varint', 21: 'bytes', 22: 'SparseTensorProto', 23: 'SparseTensorProto*' },
  },
  TensorProto: {
    ...{ 1: 'varint*', 2: 'varint', 3: 'Segment', 4: 'fixed32*', 5: 'varint*', 6: 'bytes*', 7: 'varint*', 8: 'bytes' },
    ...{ 9: 'bytes', 10: 'fixed64*', 11: 'varint*', 12: 'bytes', 13: 'StringStringEntryProto*', 14: 'varint' },
    ...{ 16: 'ignored' },
  },
  SparseTensorProto: { 1: 'TensorProto', 2: 'TensorProto', 3: 'varint*' },
  FunctionProto: {
    ...{ 1: 'bytes', 4: 'bytes*', 5: 'bytes*', 6: 'bytes*', 7: 'NodeProto*', 8: 'bytes', 9: 'OperatorSetIdProto*' },
    ...{ 10: 'bytes', 11: 'newer', 12: 'ignored', 13: 'newer', 14: 'ignored' },
    // FunctionProto of IR 7: since_version and status.
    ...{ 2: 'varint', 3: 'varint' },
  },
  TrainingInfoProto: { 1: 'GraphProto', 2: 'GraphProto', 3: 'StringStringEntryProto*', 4: 'StringStringEntryProto*' },
  ValueInfoProto: { 1: 'bytes', 2: 'TypeProto', 3: 'bytes', 4: 'ignored' },
  TypeProto: {
    ...{ 1: 'TensorType a', 4: 'SequenceType a', 5: 'MapType a', 6: 'bytes', 7: 'newer', 8: 'TensorType a' },
    ...{ 9: 'SequenceType a' },
  },
  TensorType: { 1: 'varint', 2: 'TensorShapeProto' },
  SequenceType: { 1: 'TypeProto' },
  MapType: { 1: 'varint', 2: 'TypeProto' },
  TensorShapeProto: { 1: 'Dimension*' },
  Dimension: { 1: 'varint a', 2: 'bytes a', 3: 'bytes' },
  TensorAnnotation: { 1: 'bytes', 2: 'StringStringEntryProto*' },
  OperatorSetIdProto: { 1: 'bytes', 2: 'varint' },
  StringStringEntryProto: ENTRY,
  Segment: { 1: 'varint', 2: 'varint' },
};

interface Field {
  readonly type: string;
  readonly isRepeated: boolean;
  /** Fields of one group exclude each other. */
  readonly group: string | undefined;
}

const FIELDS = new Map(
  Object.entries(MESSAGES).map(([message, fields]) => [
    message,
    new Map(
      Object.entries(fields).map(([number, kind]): [number, Field] => {
        const [name = '', group] = kind.split(' ');
        const isRepeated = name.endsWith('*');
        return [Number(number), { type: isRepeated ? name.slice(0, -1) : name, isRepeated, group }];
      }),
    ),
  ]),
);

const WIRE_TYPE: Readonly<Record<string, number>> = { varint: 0, fixed64: 1, fixed32: 5 };
const LENGTH_DELIMITED = 2;

/** As protobuf's own decoder: an If within an If takes three. */
const MAX_DEPTH = 100;

/** Messages and texts of one model. Each takes some 150 bytes once it is decoded, and two in the file. */
const MAX_PARTS = 2 ** 22;

/** Numbers in one list. V8 ends the process where an array grows to some 1.1e8; `raw_data` holds larger tensors. */
const MAX_LIST = 2 ** 26;

/** Thrown inside this file alone: protobuf's bytes are wrong, and how. */
class WireError extends Error {}

class Scan {
  readonly #bytes: Uint8Array;
  #at = 0;
  #parts = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A varint as a number, inexact above 2^53. */
  #varint(end: number): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < 10; length++) {
      if (this.#at >= end) throw new WireError('it is cut short');
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new WireError(`a number has more than ten bytes at byte ${this.#at}`);
  }

  #skip(length: number, end: number): void {
    if (length > end - this.#at) throw new WireError('it is cut short, or a length in it is wrong');
    this.#at += length;
  }

  #count(): void {
    if (++this.#parts > MAX_PARTS) throw new WireError(`it has more than ${MAX_PARTS} parts`);
  }

  /** Numbers that follow each other without tags. */
  #packed(type: string, end: number): number {
    const start = this.#at;
    if (type === 'varint') {
      let count = 0;
      for (; this.#at < end; count++) this.#varint(end);
      return count;
    }
    const width = type === 'fixed32' ? 4 : 8;
    if ((end - start) % width !== 0) throw new WireError(`a list of numbers at byte ${start} is cut short`);
    this.#at = end;
    return (end - start) / width;
  }

  message(name: string, end: number, depth: number): void {
    if (depth > MAX_DEPTH) throw new WireError(`it is nested more than ${MAX_DEPTH} messages deep`);
    const fields = FIELDS.get(name)!;
    const seen = new Set<number | string>();
    const lengths = new Map<number, number>();
    while (this.#at < end) {
      const at = this.#at;
      const tag = this.#varint(end);
      const number = Math.floor(tag / 8);
      const wireType = tag % 8;
      const field = fields.get(number);
      if (!field) throw new WireError(`${name} has no field ${number} (byte ${at})`);
      const { type, isRepeated, group } = field;
      const expected = WIRE_TYPE[type] ?? LENGTH_DELIMITED;
      if (group !== undefined && seen.has(group) && !seen.has(number)) {
        throw new WireError(`${name} holds two values of which one excludes the other (byte ${at})`);
      }
      if (group !== undefined) seen.add(group);

      if (wireType === LENGTH_DELIMITED && (expected === LENGTH_DELIMITED || isRepeated)) {
        const length = this.#varint(end);
        const stop = this.#at + length;
        if (stop > end) throw new WireError('it is cut short, or a length in it is wrong');
        if (expected !== LENGTH_DELIMITED) {
          this.#list(lengths, number, this.#packed(type, stop));
        } else if (FIELDS.has(type)) {
          if (!isRepeated && seen.has(number))
            throw new WireError(`${name} has its field ${number} twice (byte ${at})`);
          this.#count();
          this.message(type, stop, depth + 1);
        } else {
          if (type === 'newer' && length > 0) {
            throw new WireError(`${name} uses field ${number} of a newer ONNX, which this version does not read`);
          }
          if (type === 'bytes' && isRepeated) this.#count();
          this.#at = stop;
        }
      } else if (wireType === expected) {
        if (type === 'varint') this.#varint(end);
        else this.#skip(type === 'fixed32' ? 4 : 8, end);
        if (isRepeated) this.#list(lengths, number, 1);
      } else {
        throw new WireError(`field ${number} of ${name} is of another type (byte ${at})`);
      }
      seen.add(number);
    }
    if (this.#at !== end) throw new WireError('a length in it is wrong');
  }

  #list(lengths: Map<number, number>, number: number, more: number): void {
    const length = (lengths.get(number) ?? 0) + more;
    if (length > MAX_LIST) {
      throw new WireError(`it has a list of more than ${MAX_LIST} numbers; larger tensors are stored as raw_data`);
    }
    lengths.set(number, length);
  }
}

/** What is wrong with `bytes` as a ModelProto; undefined where they are sound, as the head of this file says. */
export function wireProblem(bytes: Uint8Array): string | undefined {
  try {
    new Scan(bytes).message('ModelProto', bytes.length, 0);
    return undefined;
  } catch (error) {
    if (error instanceof WireError) return error.message;
    throw error;
  }
}
