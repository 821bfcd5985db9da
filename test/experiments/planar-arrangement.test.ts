import { expect } from 'chai';
import { type Arrangement, arrangementOf, expectedArrangement } from '../../src/experiments/planar-arrangement.ts';
import { hostTensor } from '../../src/tensor.ts';

/** Directions at angles in degrees, of length 1 unless given. */
function directions(degrees: readonly number[], lengths: readonly number[] = degrees.map(() => 1)) {
  const values = degrees.flatMap((angle, i) => [
    lengths[i]! * Math.cos((angle * Math.PI) / 180),
    lengths[i]! * Math.sin((angle * Math.PI) / 180),
  ]);
  return hostTensor(values, [degrees.length, 2]);
}

describe('arrangementOf', () => {
  const cases: readonly [string, ReturnType<typeof directions>, Arrangement][] = [
    [
      'two axes and three short features',
      directions([10, 100, 40, 200, 300], [1, 1, 0.02, 0.01, 0]),
      'two orthogonal features',
    ],
    ['two axes that are not orthogonal', directions([10, 80, 40, 200, 300], [1, 1, 0, 0, 0]), 'another'],
    [
      'four at right angles and one left out',
      directions([0, 182, 91, 270, 45], [1, 1, 1, 1, 0.05]),
      'two orthogonal digons',
    ],
    ['two pairs that are not orthogonal', directions([0, 180, 60, 240, 45], [1, 1, 1, 1, 0]), 'another'],
    ['digons of unequal lengths, so D is not ½', directions([0, 180, 90, 270, 0], [1, 0.5, 1, 1, 0]), 'another'],
    ['five at 72°', directions([3, 75, 147, 219, 291]), 'pentagon'],
    ['five with one gap of 80°', directions([0, 80, 152, 220, 290]), 'another'],
    ['three alone', directions([0, 120, 240, 10, 20], [1, 1, 1, 0, 0]), 'another'],
  ];
  for (const [name, weight, arrangement] of cases) {
    it(`calls ${name}: ${arrangement}`, () => expect(arrangementOf(weight)).to.equal(arrangement));
  }
});

describe('expectedArrangement', () => {
  it('knows dense, middle and sparse, and nothing where arrangements tie', () => {
    expect([0, 0.63, 0.74, 0.81, 0.9, 0.95].map(expectedArrangement)).to.deep.equal([
      'two orthogonal features',
      'two orthogonal digons',
      'two orthogonal digons',
      undefined,
      'pentagon',
      'pentagon',
    ]);
  });
});
