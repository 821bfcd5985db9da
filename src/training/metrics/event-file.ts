/**
 * TensorBoard's event files: records of TFRecord, each a protobuf `Event`. There is no maintained package that writes
 * them without TensorFlow.
 *
 * TFRecord (tensorflow/core/lib/io/record_writer.h): uint64 length, uint32 masked CRC-32C of the length's bytes, data,
 * uint32 masked CRC-32C of the data. Event (tensorflow/core/util/event.proto): 1 wall_time double, 2 step int64, 3
 * file_version string, 5 summary, 7 session_log. Summary: 1 value { 1 tag string, 2 simple_value float }. SessionLog: 1
 * status, START = 1.
 */
import { Crc32c } from '../../files/crc32.ts';

/** A number of one step, under a name such as `losses/mse`. */
export interface ScalarEvent {
  readonly tag: string;
  readonly value: number;
}

/** The first record of a file. */
export function versionEvent(wallTime: number): Uint8Array {
  return tfRecord([...double(1, wallTime), ...bytes(3, encoder.encode('brain.Event:2'))]);
}

/** A mark that the run begins (again) at `step`: readers skip earlier records of that step and later ones. */
export function startEvent(wallTime: number, step: number): Uint8Array {
  return tfRecord([...double(1, wallTime), ...integer(2, step), ...bytes(7, integer(1, 1))]);
}

/** Scalars of one step. */
export function scalarsEvent(wallTime: number, step: number, scalars: readonly ScalarEvent[]): Uint8Array {
  const summary = scalars.flatMap(({ tag, value }) => [
    ...bytes(1, [...bytes(1, encoder.encode(tag)), ...float(2, value)]),
  ]);
  return tfRecord([...double(1, wallTime), ...integer(2, step), ...bytes(5, summary)]);
}

const encoder = new TextEncoder();

/** Data with its length and checksums. */
export function tfRecord(data: ArrayLike<number>): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedChecksum(record.subarray(12, 12 + data.length)), true);
  return record;
}

/** The masked CRC-32C: rotated and offset, so that checksums of data that contain checksums stay good (crc32c.h). */
function maskedChecksum(data: Uint8Array): number {
  const crc = new Crc32c();
  crc.update(data);
  const { value } = crc;
  return (((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0;
}

// Fields of protobuf: a key of number and wire type, then the value (https://protobuf.dev/programming-guides/encoding).

function* integer(field: number, value: number): Generator<number> {
  yield* varint(field << 3);
  yield* varint(value);
}

function* double(field: number, value: number): Generator<number> {
  yield* varint((field << 3) | 1);
  yield* new Uint8Array(new Float64Array([value]).buffer);
}

function* float(field: number, value: number): Generator<number> {
  yield* varint((field << 3) | 5);
  yield* new Uint8Array(new Float32Array([value]).buffer);
}

function* bytes(field: number, value: Iterable<number>): Generator<number> {
  const all = [...value];
  yield* varint((field << 3) | 2);
  yield* varint(all.length);
  yield* all;
}

/** A whole number ≥ 0, seven bits a byte; also beyond 2³². */
function* varint(value: number): Generator<number> {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) yield (rest % 128) | 128;
  yield rest;
}
