/** Damaged variants of good files: bytes flipped, cut off, or spliced with another file. The same seed gives the same variant. */
import { createRandomSource } from '../../src/data/random-source.ts';
import {
  foreignSae,
  normalisingSae,
  parallelToyModel,
  reluSae,
  thresholdSae,
  topKSae,
  toyModel,
} from './contract-graphs.ts';

const GOOD = [topKSae, reluSae, thresholdSae, normalisingSae, foreignSae, toyModel, parallelToyModel].map(
  // A copy: protobufjs gives a Buffer, whose slices share its memory.
  make => new Uint8Array(make()),
);

const concat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap(part => Array.from(part)));

export interface Variant {
  readonly bytes: Uint8Array;
  readonly isToyModel: boolean;
  readonly damage: string;
}

export function variant(seed: number): Variant {
  const random = createRandomSource(seed);
  const which = random.integer(GOOD.length);
  const good = GOOD[which]!;
  const isToyModel = which >= 5;
  const at = random.integer(good.length);
  switch (random.integer(5)) {
    case 0:
      return { bytes: good.slice(0, at), isToyModel, damage: `cut off at ${at}` };
    case 1: {
      const other = GOOD[random.integer(GOOD.length)]!;
      return {
        bytes: concat(good.subarray(0, at), other.subarray(at)),
        isToyModel,
        damage: `another file from ${at} on`,
      };
    }
    case 2: {
      const length = random.integer(40) + 1;
      const bytes = concat(good.subarray(0, at), good.subarray(at + length));
      return { bytes, isToyModel, damage: `${length} bytes missing at ${at}` };
    }
    default: {
      const bytes = good.slice();
      const count = random.integer(8) + 1;
      for (let i = 0; i < count; i++) bytes[random.integer(bytes.length)] = random.integer(256);
      return { bytes, isToyModel, damage: `${count} bytes changed` };
    }
  }
}
