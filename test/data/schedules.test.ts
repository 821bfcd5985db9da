import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  createSparsityRange,
  createUniformSparsity,
  importanceDecayByMin,
  importanceDecayByRatio,
} from '../../src/data/schedules.ts';
import { InvalidValueError } from '../../src/errors.ts';

const reference = JSON.parse(readFileSync(new URL('../reference/schedules.json', import.meta.url), 'utf8'));

function expectClose(actual: ArrayLike<number>, expected: readonly number[]) {
  expect(actual.length).to.equal(expected.length);
  expected.forEach((value, i) => void expect(actual[i], `entry ${i}`).to.be.closeTo(value, 1e-6));
}

describe('schedules', () => {
  it('agree with the reference figures', () => {
    for (const { min, max, n, sparsity } of reference.sparsity_range) {
      expectClose(createSparsityRange(min, max, n, 1).data, sparsity);
    }
    const { importance_by_ratio: byRatio, importance_by_min: byMin } = reference;
    expectClose(importanceDecayByRatio(byRatio.n, byRatio.ratio).data, byRatio.importance);
    expectClose(importanceDecayByMin(byMin.n, byMin.min).data, byMin.importance);
  });

  it('give one model all its features the same sparsity', () => {
    const { data, shape } = createSparsityRange(0, 0.5, 2, 3);
    expect(shape).to.deep.equal([2, 3]);
    expect([...data]).to.deep.equal([0, 0, 0, 0.5, 0.5, 0.5]);
    expect(createUniformSparsity(3, 0.25)).to.deep.equal({ data: Float32Array.of(0.25, 0.25, 0.25), shape: [3] });
  });

  it('keep their edge cases', () => {
    expect([...importanceDecayByMin(1, 0.1).data]).to.deep.equal([1]);
    expect([...importanceDecayByMin(3, 0).data]).to.deep.equal([1, 0, 0]);
    expect([...importanceDecayByRatio(3, 0).data]).to.deep.equal([1, 0, 0]);
  });

  it('refuse values outside their range', () => {
    expect(() => createUniformSparsity(0, 0.5)).to.throw(InvalidValueError, 'must be positive');
    expect(() => createUniformSparsity(2, 1.01)).to.throw(InvalidValueError, 'must be between 0 and 1');
    for (const [min, max] of [
      [-0.1, 0.5],
      [0.5, 0.5],
      [0.6, 0.5],
      [0, 1],
      [Number.NaN, 0.5],
    ] as const) {
      expect(() => createSparsityRange(min, max, 2, 2)).to.throw(InvalidValueError, 'must satisfy 0 <= min < max < 1');
    }
    expect(() => createSparsityRange(0, 0.5, 0, 2)).to.throw(InvalidValueError, 'must be positive');
    expect(() => createSparsityRange(0, 0.5, 2, -1)).to.throw(InvalidValueError, 'must be positive');
    for (const decay of [importanceDecayByRatio, importanceDecayByMin]) {
      expect(() => decay(0, 0.5)).to.throw(InvalidValueError, 'must be positive');
      expect(() => decay(2.5, 0.5)).to.throw(InvalidValueError, 'must be positive');
      expect(() => decay(2, -0.5)).to.throw(InvalidValueError, 'at least 0');
    }
  });
});
