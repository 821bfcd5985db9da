import kstest from '@stdlib/stats-kstest';
import { expect } from 'chai';
import { createRandomSource, type RandomSource, restoreRandomSource } from '../../src/data/random-source.ts';
import { InvalidValueError } from '../../src/errors.ts';

const draws = (count: number, draw: () => number): number[] => Array.from({ length: count }, draw);

/** Mean and variance, with the standard error of the mean. */
function moments(values: readonly number[]) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance, standardError: Math.sqrt(variance / values.length) };
}

describe('createRandomSource', () => {
  it('repeats one seed, and differs for two', () => {
    const first = draws(20, seeded(7));
    expect(draws(20, seeded(7))).to.deep.equal(first);
    for (const other of [8, -7, 7 + 2 ** 32, 7 - 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(draws(20, seeded(other)), `seed ${other}`).to.not.deep.equal(first);
    }
  });

  it('gives unrelated first draws for consecutive seeds', () => {
    const first = Array.from({ length: 2000 }, (_, seed) => createRandomSource(seed).uniform());
    expect(kstest(first, 'uniform', 0, 1).pValue).to.be.above(1e-3);
    const { mean, variance } = moments(first);
    const products = first.slice(1).map((value, i) => (value - mean) * (first[i]! - mean));
    expect(Math.abs(moments(products).mean)).to.be.below((4 * variance) / Math.sqrt(products.length));
  });

  it('refuses a seed that is not a safe integer', () => {
    for (const seed of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => createRandomSource(seed), String(seed)).to.throw(InvalidValueError, 'must be a safe integer');
    }
  });
});

describe('distributions', () => {
  it('draws uniforms on [0, 1)', () => {
    const random = createRandomSource(1);
    for (const draw of [() => random.uniform(), () => random.float32()]) {
      const values = draws(3000, draw);
      expect(kstest(values, 'uniform', 0, 1).pValue).to.be.above(1e-3);
      expect(Math.min(...values)).to.be.at.least(0);
      expect(Math.max(...values)).to.be.below(1);
    }
    expect(draws(1000, () => random.float32()).every(value => Math.fround(value) === value)).to.equal(true);
  });

  it('draws standard normals, each pair independent', () => {
    const random = createRandomSource(2);
    const values = draws(20_000, () => random.normal());
    expect(kstest(values.slice(0, 3000), 'normal', 0, 1).pValue).to.be.above(1e-3);
    const products = values.slice(1).map((value, i) => value * values[i]!);
    expect(Math.abs(moments(products).mean)).to.be.below(4 / Math.sqrt(products.length));
  });

  it('draws gammas, also below shape 1', () => {
    const random = createRandomSource(3);
    for (const alpha of [0.1, 0.5, 1, 4]) {
      const values = new Float64Array(2000);
      random.fillGamma(alpha, values);
      expect(kstest([...values], 'gamma', alpha, 1).pValue, `alpha ${alpha}`).to.be.above(1e-3);
    }
  });

  it('draws betas', () => {
    const random = createRandomSource(4);
    for (const [a, b] of [
      [0.1, 2],
      [0.15, 1],
      [3, 2],
    ] as const) {
      const values = draws(20_000, () => random.beta(a, b));
      const { mean, variance, standardError } = moments(values);
      expect(Math.abs(mean - a / (a + b)), `mean of Beta(${a}, ${b})`).to.be.below(4 * standardError);
      const expected = (a * b) / ((a + b) ** 2 * (a + b + 1));
      expect(variance / expected, `variance of Beta(${a}, ${b})`).to.be.closeTo(1, 0.08);
    }
  });

  it('draws betas of parameters so small that gammas underflow', () => {
    const random = createRandomSource(6);
    for (const [a, b] of [
      [1e-3, 1e-3],
      [1e-5, 3e-5],
      [0.01, 1],
    ] as const) {
      const { mean, standardError } = moments(draws(20_000, () => random.beta(a, b)));
      expect(Math.abs(mean - a / (a + b)), `mean of Beta(${a}, ${b})`).to.be.below(4 * standardError);
    }
  });

  it('draws integers evenly', () => {
    const random = createRandomSource(5);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) counts[random.integer(3)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).to.be.below(4 * Math.sqrt(30_000 * (2 / 9)));
    expect(() => random.integer(0)).to.throw(InvalidValueError, 'must be a positive integer');
  });

  it('refuses shapes that are not positive', () => {
    const random = createRandomSource(5);
    expect(() => random.fillGamma(0, new Float64Array(1))).to.throw(InvalidValueError, 'must be positive');
    expect(() => random.beta(1, Number.NaN)).to.throw(InvalidValueError, 'must be positive');
  });
});

describe('state', () => {
  const everything = (random: RandomSource): number[] => {
    const gammas = new Float64Array(3);
    random.fillGamma(0.3, gammas);
    return [random.normal(), random.uniform(), random.normal(), ...gammas, random.beta(0.1, 2), random.integer(1000)];
  };

  it('continues to the bit, also between the two normals of a pair and through JSON', () => {
    for (const normals of [0, 1, 2, 3]) {
      const random = createRandomSource(11);
      for (let i = 0; i < normals; i++) random.normal();
      everything(random);
      const restored = restoreRandomSource(JSON.parse(JSON.stringify(random.state())));
      for (let i = 0; i < 5; i++) expect(everything(restored), `${normals} normals`).to.deep.equal(everything(random));
      expect(restored.state()).to.deep.equal(random.state());
    }
  });

  it('is not changed by what is drawn later', () => {
    const random = createRandomSource(12);
    const state = random.state();
    const first = random.uniform();
    expect(restoreRandomSource(state).uniform()).to.equal(first);
  });

  it('refuses what is not a state', () => {
    for (const state of [[], [1, 2, 3], [0, 0, 0, 0], [1, 2, 3, 0.5], [1, 2, 3, 2 ** 31], [1, 2, 3, 4, Number.NaN]]) {
      expect(() => restoreRandomSource(state), JSON.stringify(state)).to.throw(
        InvalidValueError,
        'four 32-bit integers',
      );
    }
    expect(() => restoreRandomSource('abcd' as never)).to.throw(InvalidValueError);
    expect(() => restoreRandomSource(undefined as never)).to.throw(InvalidValueError);
  });
});

function seeded(seed: number): () => number {
  const random = createRandomSource(seed);
  return () => random.uniform();
}
