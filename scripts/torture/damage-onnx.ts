/** Damage to a model that is still well-formed protobuf: what bytes changed at random seldom reach. */
import type { RandomSource } from '../../src/data/random-source.ts';
import { onnx } from '../../src/onnx/proto.ts';

type Message = Record<string, unknown>;

const VALUES: readonly unknown[] = [
  ...[0, 1, -1, 2, 3, 5, 16, 17, 1000, 2 ** 31 - 1, 2 ** 31, 2 ** 40, 2 ** 53],
  ...['', 'x', 'features', 'activations', 'reconstruction', '__proto__', 'constructor', '\x1b[31m', 'a'.repeat(5000)],
  ...['Relu', 'If', 'Loop', 'TopK', 'ConstantOfShape', 'Exp', 'Log', 'Sqrt', 'Reciprocal', 'Identity', 'Cast'],
];

/** Messages and lists within `message`, itself included. */
function* within(message: unknown, depth = 0): Generator<Message | unknown[]> {
  if (typeof message !== 'object' || message === null || ArrayBuffer.isView(message) || depth > 40) return;
  yield message as Message;
  for (const value of Object.values(message)) yield* within(value, depth + 1);
}

const choice = <T>(random: RandomSource, from: readonly T[]): T => from[random.integer(from.length)]!;

/** One change of one field, list or weight. */
function change(model: Message, random: RandomSource): string {
  const places = [...within(model)].filter(found => Object.keys(found).length > 0);
  const found = choice(random, places);
  const key = choice(random, Object.keys(found));
  const fields = found as Message;
  const value = fields[key];
  if (value instanceof Uint8Array && value.length >= 4) {
    const bytes = value.slice();
    const view = new DataView(bytes.buffer);
    const wild = choice(random, [Number.NaN, Infinity, -Infinity, 1e38, -1e38, 1e-45, 0, 1]);
    for (let i = random.integer(3); i >= 0; i--) view.setFloat32(4 * random.integer(bytes.length >> 2), wild, true);
    fields[key] = random.integer(4) === 0 ? bytes.slice(0, random.integer(bytes.length)) : bytes;
    return `${key}: ${wild}`;
  }
  if (Array.isArray(found)) {
    const at = Number(key);
    const other = random.integer(found.length);
    const what = random.integer(3);
    if (what === 0) found.splice(at, 1);
    else if (what === 1) found.splice(at, 0, found[other]);
    else [found[at], found[other]] = [found[other], found[at]];
    return ['an entry left out', 'an entry twice', 'two entries changed round'][what]!;
  }
  if (random.integer(5) === 0) delete fields[key];
  else if (typeof value === 'number' || typeof value === 'string') {
    fields[key] = choice(
      random,
      VALUES.filter(candidate => typeof candidate === typeof value),
    );
  } else if (typeof value === 'object' && value !== null && 'toNumber' in value) {
    fields[key] = choice(
      random,
      VALUES.filter(candidate => typeof candidate === 'number'),
    );
  }
  return `${key} of ${Object.keys(fields).slice(0, 3).join(', ')}`;
}

/** A model with one to four changes, or `bytes` as they are where the result cannot be written. */
export function damageOnnx(
  bytes: Uint8Array,
  random: RandomSource,
): { readonly bytes: Uint8Array; readonly damages: readonly string[] } {
  try {
    const model = onnx.ModelProto.decode(bytes) as unknown as Message;
    const damages = Array.from({ length: 1 + random.integer(4) }, () => change(model, random));
    return { bytes: new Uint8Array(onnx.ModelProto.encode(model as never).finish()), damages };
  } catch {
    return { bytes, damages: [] };
  }
}
