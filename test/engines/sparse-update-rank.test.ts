/** The kernel's choice of the largest of many numbers, beside a sort: however they are spread, and of equal ones the first. */
import { expect } from 'chai';
import { instantiateKernel } from '../../src/engines/sparse-update/kernel.ts';
import { normals, uniforms } from './sparse-update-oracle.ts';

const MOST = 3000;

/** Indices of the `n` largest, the earlier of equal ones, in order. */
function largestBySort(values: Float32Array, n: number): readonly number[] {
  const order = Array.from(values.keys());
  // -0 and 0 are equal.
  order.sort((a, b) => (values[a]! === values[b]! ? a - b : values[b]! - values[a]!));
  return order.slice(0, n).sort((a, b) => a - b);
}

async function largestByKernel(values: Float32Array, n: number): Promise<readonly number[]> {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const kernel = await instantiateKernel(memory);
  const names = ['entryRows', 'entryLatents', 'entryValues', 'ranked'] as const;
  for (const [at, name] of names.entries()) kernel[name].value = 1024 + at * 4 * (MOST + 4);
  const array = <T>(
    Type: new (buffer: ArrayBuffer, at: number, length: number) => T,
    name: (typeof names)[number],
  ): T => new Type(memory.buffer as ArrayBuffer, kernel[name].value as number, values.length);
  array(Float32Array, 'entryValues').set(values);
  array(Int32Array, 'entryLatents').set(Array.from(values.keys()));
  const kept = kernel.keepLargest(0, values.length, n);
  expect(Array.from(array(Float32Array, 'entryValues').subarray(0, kept))).to.deep.equal(
    largestBySort(values, n).map(index => values[index]!),
  );
  return Array.from(array(Int32Array, 'entryLatents').subarray(0, kept));
}

describe('the largest of many numbers', () => {
  const random = uniforms(5);
  const spreads: Readonly<Record<string, (count: number) => Float32Array>> = {
    'normal draws': count => normals(count, random),
    'numbers close to each other': count => normals(count, random).map(value => -50 + 1e-4 * value),
    'many orders of magnitude': count =>
      normals(count, random).map(value => Math.sign(value) * 10 ** (40 * random() - 44 + value)),
    'few different numbers': count => Float32Array.from({ length: count }, () => Math.floor(4 * random()) - 2),
    'zeros of both signs': count =>
      Float32Array.from({ length: count }, () => [0, -0, 1e-40, -1][Math.floor(4 * random())]!),
    infinities: count => normals(count, random).map(value => (value > 1 ? Infinity : value < -1 ? -Infinity : value)),
    'one number': count => new Float32Array(count).fill(3),
  };
  for (const [name, draw] of Object.entries(spreads)) {
    it(`is what a sort finds: ${name}`, async () => {
      for (const count of [1, 3, 24, 25, 26, 48, 49, 64, 100, 511, 512, MOST]) {
        const values = draw(count);
        for (const n of new Set([1, 2, count >> 2, count >> 1, count - 1])) {
          if (n < 1 || n >= count) continue;
          expect(await largestByKernel(values, n), `${n} of ${count}`).to.deep.equal(largestBySort(values, n));
        }
      }
    });
  }
});
