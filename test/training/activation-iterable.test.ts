import { expect } from 'chai';
import { fromAsyncIterable } from '../../src/data/activation-iterable.ts';
import { InvalidValueError } from '../../src/errors.ts';
import type { HostTensor } from '../../src/tensor.ts';

/** Rows of two numbers that count up, in parts of unequal length. */
async function* counted(parts: readonly number[]): AsyncIterable<HostTensor> {
  let next = 0;
  for (const rows of parts) {
    yield { data: Float32Array.from({ length: rows * 2 }, () => next++), shape: [rows, 2] };
  }
}

async function take(source: ReturnType<typeof fromAsyncIterable>, count: number): Promise<number[]> {
  const activations = new Float32Array(count);
  await source.fill({ activations });
  return [...activations];
}

describe('activations from an iterator', () => {
  const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i);

  it('joins and cuts what it gives into batches, in order', async () => {
    const source = fromAsyncIterable(counted([1, 5, 2]));
    expect(await take(source, 6)).to.deep.equal(upTo(6));
    expect(await take(source, 10)).to.deep.equal(upTo(16, 6));
  });

  it('begins again where a function makes it, and says so where it cannot', async () => {
    expect(
      await take(
        fromAsyncIterable(() => counted([2])),
        10,
      ),
    ).to.deep.equal([0, 1, 2, 3, 0, 1, 2, 3, 0, 1]);
    for (const given of [counted([2]), () => counted([])]) {
      const failure = await take(fromAsyncIterable(given), 10).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(InvalidValueError);
    }
  });

  it('goes on from a position that went through JSON', async () => {
    const make = () => counted([3, 3, 3]);
    const source = fromAsyncIterable(make);
    await take(source, 8);
    const state = JSON.parse(JSON.stringify(source.state()));
    const again = fromAsyncIterable(make);
    await again.restore(state);
    expect(await take(again, 9)).to.deep.equal(await take(source, 9));
  });

  it('takes iterables that are not asynchronous', async () => {
    expect(await take(fromAsyncIterable([{ data: Float32Array.of(1, 2), shape: [1, 2] }]), 2)).to.deep.equal([1, 2]);
  });
});
