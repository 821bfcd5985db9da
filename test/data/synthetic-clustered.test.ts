import kstest from '@stdlib/stats-kstest';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { SyntheticClusteredDataGenerator } from '../../src/data/synthetic-clustered.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';

/** Two topics, each making its own two of four features certain. */
const disjoint = [1, 1, 0, 0, 0, 0, 1, 1];

describe('SyntheticClusteredDataGenerator', () => {
  it('draws P(feature | topic) from the Beta', () => {
    const { featureProbabilities } = new SyntheticClusteredDataGenerator(20, 1000, createRandomSource(1));
    const mean = featureProbabilities.reduce((sum, p) => sum + p, 0) / featureProbabilities.length;
    const variance = featureProbabilities.reduce((sum, p) => sum + (p - mean) ** 2, 0) / featureProbabilities.length;
    expect(Math.abs(mean - 0.1 / 2.1)).to.be.below(4 * Math.sqrt(variance / 20_000));
    expect(variance).to.be.closeTo(0.2 / (2.1 ** 2 * 3.1), 0.002);
  });

  for (const alpha of [0.2, 1, 5]) {
    it(`mixes topics as Dirichlet(${alpha}): means, variances and co-occurrence`, () => {
      const samples = 40_000;
      const random = createRandomSource(2);
      const generator = new SyntheticClusteredDataGenerator(2, 4, random, { alpha, featureProbabilities: disjoint });
      const { data } = generator.generateBatch(samples);
      const share = (present: (row: number) => boolean): number => {
        let count = 0;
        for (let row = 0; row < samples; row++) count += Number(present(row * 4));
        return count / samples;
      };
      // With weight w of topic 1: P(feature 0) = E w, P(0 and 1) = E w², P(0 and 2) = E w(1 − w).
      const secondMoment = (alpha + 1) / (2 * (2 * alpha + 1));
      const checks: [number, number][] = [
        [share(row => data[row]! > 0), 0.5],
        [share(row => data[row]! > 0 && data[row + 1]! > 0), secondMoment],
        [share(row => data[row]! > 0 && data[row + 2]! > 0), 0.5 - secondMoment],
      ];
      for (const [observed, expected] of checks) {
        expect(Math.abs(observed - expected)).to.be.below(4 * Math.sqrt((expected * (1 - expected)) / samples));
      }
    });
  }

  it('draws values uniform on [0, 1)', () => {
    const { data } = new SyntheticClusteredDataGenerator(10, 100, createRandomSource(3)).generateBatch(2000);
    const values = Array.from(data)
      .filter(value => value > 0)
      .slice(0, 3000);
    expect(values.length).to.be.above(2000);
    expect(kstest(values, 'uniform', 0, 1).pValue).to.be.above(1e-3);
  });

  it('survives an alpha so small that every gamma underflows: one topic a sample', () => {
    const options = { alpha: 1e-5, featureProbabilities: disjoint };
    const { data } = new SyntheticClusteredDataGenerator(2, 4, createRandomSource(4), options).generateBatch(200);
    let first = 0;
    for (let row = 0; row < 800; row += 4) {
      expect(data[row]! > 0).to.not.equal(data[row + 2]! > 0);
      first += Number(data[row]! > 0);
    }
    expect(first).to.be.within(70, 130);
  });

  it('survives an alpha so large that gammas overflow: all topics alike', () => {
    const options = { alpha: 1e308, featureProbabilities: disjoint };
    const { data } = new SyntheticClusteredDataGenerator(2, 4, createRandomSource(4), options).generateBatch(2000);
    const firing = data.reduce((count, value) => count + Number(value > 0), 0) / data.length;
    // Each feature is certain in one of two topics: P = 1 / 2.
    expect(firing).to.be.closeTo(0.5, 0.05);
  });

  it('gives a seed the same samples one batch at a time or together', () => {
    const make = (seed: number) => new SyntheticClusteredDataGenerator(3, 7, createRandomSource(seed), { alpha: 0.5 });
    const together = new Float32Array(7 * 40);
    make(5).fill(together);
    const apart = make(5);
    expect([...apart.generateBatch(15).data, ...apart.generateBatch(25).data]).to.deep.equal([...together]);
    expect(make(6).generateBatch(40).data).to.not.deep.equal(together);
  });

  it('is restored from its state through JSON', () => {
    const generator = new SyntheticClusteredDataGenerator(3, 5, createRandomSource(7), { alpha: 0.3, beta: [0.5, 1] });
    const state = JSON.parse(JSON.stringify(generator.state()));
    const restored = SyntheticClusteredDataGenerator.fromState(state, createRandomSource(8));
    expect(restored.state()).to.deep.equal(generator.state());
    const given = { alpha: 0.3, featureProbabilities: generator.featureProbabilities };
    const same = new SyntheticClusteredDataGenerator(3, 5, createRandomSource(8), given);
    expect(restored.generateBatch(30)).to.deep.equal(same.generateBatch(30));
  });

  it('refuses what it cannot draw', () => {
    const random = createRandomSource(9);
    const make = (nTopics: number, nFeatures: number, options = {}) =>
      new SyntheticClusteredDataGenerator(nTopics, nFeatures, random, options);
    expect(() => make(0, 3)).to.throw(InvalidValueError, 'number of topics is 0: it must be positive');
    expect(() => make(3, 1.5)).to.throw(InvalidValueError, 'must be positive');
    expect(() => make(3, 3, { alpha: 0 })).to.throw(InvalidValueError, 'must be positive');
    expect(() => make(3, 3, { beta: [1, -1] })).to.throw(InvalidValueError, 'must be positive');
    expect(() => make(1, 2, { featureProbabilities: [0.5] })).to.throw(InvalidShapeError, '1 topics × 2 features');
    expect(() => make(1, 2, { featureProbabilities: [0.5, 2] })).to.throw(InvalidValueError, 'must be between 0 and 1');
    expect(() => make(1, 2).generateBatch(0)).to.throw(InvalidValueError, 'must be positive');
    expect(() => make(1, 2).fill(new Float32Array(3))).to.throw(InvalidShapeError, 'samples of 2 features');
    const state = { nTopics: 1, nFeatures: 2, alpha: 1 } as never;
    expect(() => SyntheticClusteredDataGenerator.fromState(state, random)).to.throw(
      InvalidValueError,
      'featureProbabilities',
    );
  });
});
