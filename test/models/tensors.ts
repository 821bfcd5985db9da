/** Host tensors for tests: seeded draws, parts, comparison, and the files that PyTorch wrote. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { type HostTensor, type Shape, sizeOf } from '../../src/tensor.ts';

/** Standard normal draws. */
export function normals(shape: Shape, seed: number): HostTensor {
  const random = createRandomSource(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, () => random.normal()) };
}

/** Entries `from` to `to` of the first axis. */
export function rowsOf({ shape, data }: HostTensor, from: number, to: number): HostTensor {
  const size = sizeOf(shape.slice(1));
  return { shape: [to - from, ...shape.slice(1)], data: data.slice(from * size, to * size) };
}

/** Entry `index` of the first axis. */
export function entryOf(tensor: HostTensor, index: number): HostTensor {
  return { shape: tensor.shape.slice(1), data: rowsOf(tensor, index, index + 1).data };
}

/** The same shape, and entries within `tolerance` · max(1, |value|). */
export function expectClose(actual: HostTensor | undefined, expected: HostTensor, tolerance = 1e-6): void {
  expect(actual?.shape).to.deep.equal([...expected.shape]);
  expected.data.forEach((value, i) => {
    const difference = Math.abs(actual!.data[i]! - value);
    if (!(difference <= tolerance * Math.max(1, Math.abs(value)))) {
      expect.fail(`entry ${i} is ${actual!.data[i]}, expected ${value}`);
    }
  });
}

/** Norms of the rows of a matrix. */
export function rowNorms({ shape, data }: HostTensor): number[] {
  const width = shape.at(-1)!;
  return Array.from({ length: data.length / width }, (_, row) =>
    Math.hypot(...data.subarray(row * width, (row + 1) * width)),
  );
}

export function readReference(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../reference/${name}.json`, import.meta.url), 'utf8'));
}
