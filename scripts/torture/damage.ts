/** Damage to files: what a bad disk, a cut download, a careless script and a malicious person do to them. The same seed does the same. */
import type { RandomSource } from '../../src/data/random-source.ts';

/** Lengths and counts that programs get wrong. */
const LIES = [
  0,
  1,
  2,
  3,
  7,
  64,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53,
  2 ** 63,
];

const TOKENS = [
  ...[
    '0',
    '-1',
    '1',
    '2',
    '3',
    '1.5',
    '1e999',
    '-1e999',
    '9007199254740993',
    '18446744073709551616',
    'NaN',
    'Infinity',
    'null',
  ],
  ...[
    'true',
    'false',
    '""',
    '"\\u0000"',
    '"__proto__"',
    '[]',
    '{}',
    '[[]]',
    '"1"',
    `${'['.repeat(2000)}${']'.repeat(2000)}`,
  ],
];

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const choice = <T>(random: RandomSource, from: readonly T[]): T => from[random.integer(from.length)]!;

/** Places in a file: mostly near its beginning, where headers are. */
function place(random: RandomSource, length: number): number {
  return random.integer(Math.max(1, random.integer(2) === 0 ? Math.min(length, 256) : length));
}

type Damage = (bytes: Uint8Array, random: RandomSource, other: () => Uint8Array) => Uint8Array;

/** A text file, or the text in a binary one, with `change` made to one match of `pattern`. */
function inText(
  bytes: Uint8Array,
  random: RandomSource,
  pattern: RegExp,
  change: (found: string) => string,
): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  const found = [...text.slice(0, 20_000).matchAll(pattern)];
  if (found.length === 0) return bytes;
  const { index, 0: match } = choice(random, found);
  return new Uint8Array(Buffer.from(text.slice(0, index) + change(match) + text.slice(index + match.length), 'latin1'));
}

/** All damages by name. */
export const DAMAGES: Readonly<Record<string, Damage>> = {
  'bits flipped': (bytes, random) => {
    const copy = bytes.slice();
    for (let i = random.integer(8); i >= 0; i--) copy[place(random, copy.length)]! ^= 1 << random.integer(8);
    return copy;
  },
  'bytes replaced': (bytes, random) => {
    const copy = bytes.slice();
    for (let i = random.integer(8); i >= 0; i--) copy[place(random, copy.length)] = random.integer(256);
    return copy;
  },
  'cut off': (bytes, random) => bytes.slice(0, random.integer(bytes.length)),
  'something appended': (bytes, random) =>
    concat(
      bytes,
      Uint8Array.from({ length: 1 + random.integer(64) }, () => random.integer(256)),
    ),
  'a piece missing': (bytes, random) => {
    const at = place(random, bytes.length);
    return concat(bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(64)));
  },
  'a piece twice': (bytes, random) => {
    const at = place(random, bytes.length);
    const end = at + 1 + random.integer(200);
    return concat(bytes.subarray(0, end), bytes.subarray(at));
  },
  'zeros in the middle': (bytes, random) => {
    const at = place(random, bytes.length);
    return bytes.slice().fill(0, at, at + 1 + random.integer(512));
  },
  'two files spliced': (bytes, random, other) => {
    const second = other();
    return concat(bytes.subarray(0, random.integer(bytes.length)), second.subarray(random.integer(second.length)));
  },
  'two files in one': (bytes, _random, other) => concat(bytes, other()),
  'a length that lies': (bytes, random) => {
    const copy = new Uint8Array(Math.max(bytes.length, 16));
    copy.set(bytes);
    const view = new DataView(copy.buffer);
    const lie = choice(random, LIES);
    const isBig = random.integer(4) === 0;
    const width = choice(random, [1, 2, 4, 8]);
    const at = Math.min(place(random, copy.length), copy.length - 8);
    if (width === 8) view.setBigUint64(at, BigInt(lie), !isBig);
    else if (width === 4) view.setUint32(at, lie % 2 ** 32, !isBig);
    else if (width === 2) view.setUint16(at, lie % 2 ** 16, !isBig);
    else copy[at] = lie % 256;
    return copy;
  },
  'another number in the text': (bytes, random) =>
    inText(bytes, random, /-?\d+(\.\d+)?/g, () => choice(random, TOKENS)),
  'another value in the text': (bytes, random) =>
    inText(bytes, random, /"[^"]{0,40}"|'[^']{0,40}'|true|false|True|False|null/g, () => choice(random, TOKENS)),
  'a key twice': (bytes, random) =>
    inText(bytes, random, /["']\w+["']\s*:\s*[^,{}[\]]{1,40},/g, found =>
      random.integer(2) === 0 ? found + found : found.replace(/:.*/s, `:${choice(random, TOKENS)},`) + found,
    ),
  'other separators': (bytes, random) =>
    inText(bytes, random, /[,;\n\t: ]/g, () => choice(random, [';', '\t', '\r\n', ',,', ' ', '\n', '"', '\0'])),
};

/** One damaged file: `bytes` after one to three damages, and which. */
export function damage(
  bytes: Uint8Array,
  random: RandomSource,
  other: () => Uint8Array,
): { readonly bytes: Uint8Array; readonly damages: readonly string[] } {
  const names = Object.keys(DAMAGES);
  const damages: string[] = [];
  // A plain array: a Buffer's own methods differ.
  let damaged: Uint8Array = new Uint8Array(bytes);
  for (let i = random.integer(5) < 4 ? 0 : random.integer(3); i >= 0 && damaged.length > 0; i--) {
    const name = choice(random, names);
    damages.push(name);
    damaged = DAMAGES[name]!(damaged, random, other);
  }
  return { bytes: damaged, damages };
}
