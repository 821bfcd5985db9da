import { expect } from 'chai';
import { studentInterval, studentQuantile } from '../../src/analysis/student-interval.ts';

describe('studentInterval', () => {
  // scipy.stats.t.ppf((1 + level) / 2, degrees), SciPy 1.x.
  const EXPECTED = [
    [0.95, 1, 12.706204736174694],
    [0.95, 2, 4.302652729749462],
    [0.95, 3, 3.1824463052837078],
    [0.95, 7, 2.364624251592784],
    [0.95, 10, 2.228138851986274],
    [0.95, 255, 1.9693105698498752],
    [0.99, 1, 63.656741162871526],
    [0.99, 2, 9.924843200918287],
    [0.99, 3, 5.840909309733355],
    [0.99, 7, 3.4994832973504924],
    [0.99, 10, 3.16927267261695],
    [0.99, 255, 2.5952464847916277],
  ] as const;
  for (const [level, degrees, t] of EXPECTED) {
    it(`has SciPy's quantile at ${level} with ${degrees} degrees of freedom`, () => {
      expect(studentQuantile(level, degrees)).to.be.closeTo(t, 1e-9 * t);
    });
  }

  it('is mean ± t · s / √n', () => {
    const { mean, low, high, deviation } = studentInterval([1, 2, 3, 4]);
    expect([mean, deviation]).to.deep.equal([2.5, Math.sqrt(5 / 3)]);
    expect(high - mean).to.be.closeTo((3.182446305284263 * Math.sqrt(5 / 3)) / 2, 1e-12);
    expect(mean - low).to.be.closeTo(high - mean, 1e-12);
  });

  it('says of one value that nothing is known of the spread', () => {
    const { mean, low, high } = studentInterval([7]);
    expect([mean, low, high]).to.deep.equal([7, Number.NaN, Number.NaN]);
    expect(() => studentInterval([])).to.throw('at least one value');
  });
});
