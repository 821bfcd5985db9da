import { expect } from 'chai';
import { wilsonInterval } from '../../src/analysis/wilson-interval.ts';
import { InvalidValueError } from '../../src/errors.ts';

describe('wilsonInterval', () => {
  it('has as its ends the proportions p with |share − p| = z √(p (1 − p) / n)', () => {
    for (const [successes, n, z] of [
      [0, 64, 1.96],
      [14, 24, 1.96],
      [64, 64, 1.96],
      [1, 3, 2.576],
    ] as const) {
      const { low, high } = wilsonInterval(successes, n, z);
      for (const p of [low, high]) {
        expect(p).to.be.within(0, 1);
        expect((successes / n - p) ** 2).to.be.closeTo((z ** 2 * p * (1 - p)) / n, 1e-12);
      }
      expect(low).to.be.below(high);
    }
  });

  it("agrees with SciPy's binomtest(14, 24).proportion_ci(method='wilson')", () => {
    const { low, high } = wilsonInterval(14, 24, 1.959963984540054);
    expect(low).to.be.closeTo(0.3883466586522875, 1e-12);
    expect(high).to.be.closeTo(0.7553239739018824, 1e-12);
  });

  it('is everything for no trials, and ends at 0 and 1 exactly where none or all succeed', () => {
    expect(wilsonInterval(0, 0)).to.deep.equal({ low: 0, high: 1 });
    expect(wilsonInterval(0, 10).low).to.equal(0);
    expect(wilsonInterval(10, 10).high).to.equal(1);
  });

  it('refuses counts that cannot be', () => {
    for (const [successes, n] of [
      [3, 2],
      [-1, 2],
      [1, 2.5],
      [Number.NaN, 2],
    ] as const) {
      expect(() => wilsonInterval(successes, n)).to.throw(InvalidValueError, 'must be between 0 and n');
    }
    expect(() => wilsonInterval(1, 2, 0)).to.throw(InvalidValueError, 'must be positive');
  });
});
