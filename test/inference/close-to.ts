/** Comparing with figures from outside. */
import { expect } from 'chai';
import type { HostTensor } from '../../src/tensor.ts';

/** Same shape, and each value within tolerance · max(1, |expected|). */
export function expectClose(actual: HostTensor, expected: HostTensor, tolerance = 1e-5): void {
  expect(actual.shape).to.deep.equal(expected.shape);
  expect(actual.data.length).to.equal(expected.data.length);
  actual.data.forEach((value, i) => {
    const wanted = expected.data[i]!;
    const difference = Math.abs(value - wanted);
    expect(difference, `at ${i}: ${value}, expected ${wanted}`).to.be.at.most(
      tolerance * Math.max(1, Math.abs(wanted)),
    );
  });
}
