import kstest from '@stdlib/stats-kstest';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { INITIALISATIONS, initialDirections } from '../../src/models/initialisation.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';

/** Rows of a matrix. */
function rows({ data, shape }: HostTensor): Float32Array[] {
  return Array.from({ length: shape[0]! }, (_, row) => data.subarray(row * shape[1]!, (row + 1) * shape[1]!));
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** Activations along `tips` around `center`: one tip a sample, the first far more often than the others, some at the center but for noise. */
function star(seed: number, tips: readonly (readonly number[])[], center: readonly number[], n = 4000): HostTensor {
  const random = createRandomSource(seed);
  const data: number[] = [];
  for (let i = 0; i < n; i++) {
    const tip = tips[random.uniform() < 0.7 ? 0 : random.integer(tips.length)]!;
    const length = random.uniform() < 0.3 ? 0 : 0.2 + random.uniform();
    data.push(...tip.map((value, j) => center[j]! + length * value + 2e-3 * random.normal()));
  }
  return hostTensor(data, [n, tips[0]!.length]);
}

const center = [0.3, -0.7];
const pentagon = Array.from({ length: 5 }, (_, i) => [Math.cos(1.2566 * i), Math.sin(1.2566 * i)]);

describe('initialDirections', () => {
  for (const kind of INITIALISATIONS) {
    it(`${kind}: [dSae, dIn], every row of unit norm, repeated by its seed`, () => {
      const activations = hostTensor(
        Float32Array.from({ length: 700 }, (_, i) => Math.sin(i * i)),
        [100, 7],
      );
      const make = (seed: number) =>
        initialDirections(kind, { dIn: 7, dSae: 33, activations, random: createRandomSource(seed) });
      const directions = make(1);
      expect(directions.shape).to.deep.equal([33, 7]);
      for (const row of rows(directions)) expect(Math.hypot(...row)).to.be.closeTo(1, 1e-6);
      expect(make(1)).to.deep.equal(directions);
      expect(make(2)).to.not.deep.equal(directions);
    });
  }

  it('gaussian: uniform on the sphere', () => {
    const directions = initialDirections('gaussian', { dIn: 3, dSae: 3000, random: createRandomSource(3) });
    // Archimedes: each coordinate of a uniform point of the 2-sphere is uniform on [−1, 1].
    for (let axis = 0; axis < 3; axis++) {
      const coordinates = rows(directions).map(row => row[axis]!);
      expect(kstest(coordinates, 'uniform', -1, 1).pValue).to.be.above(1e-3);
    }
  });

  it('activations: centred activations, none twice, none from samples at the center', () => {
    const options = { dIn: 2, dSae: 500, activations: star(4, pentagon, center), center };
    const directions = rows(initialDirections('activations', { ...options, random: createRandomSource(4) }));
    expect(new Set(directions.map(row => row.join())).size).to.equal(500);
    let first = 0;
    for (const row of directions) {
      const cosines = pentagon.map(tip => cosine(row, Float32Array.from(tip)));
      expect(Math.max(...cosines)).to.be.above(0.999);
      first += Number(cosines[0]! > 0.999);
    }
    // P(first tip) = .7 + .3 / 5
    expect(Math.abs(first / 500 - 0.76)).to.be.below(4 * Math.sqrt((0.76 * 0.24) / 500));
  });

  it('spread: finds every tip of a star, whatever the seed', () => {
    const activations = star(5, pentagon, center);
    for (let seed = 0; seed < 40; seed++) {
      const options = { dIn: 2, dSae: 5, activations, center, random: createRandomSource(seed) };
      const directions = rows(initialDirections('spread', options));
      for (const tip of pentagon) {
        const best = Math.max(...directions.map(row => cosine(row, Float32Array.from(tip))));
        expect(best, `seed ${seed}`).to.be.above(0.999);
      }
    }
  });

  it('spread: the second row follows (1 − cosine)⁴', () => {
    // Three directions at 0°, 60° and 180°: from 0°, weights (1 − ½)⁴ and 2⁴ are as 1 to 256; from 60°, 1⁄16 and (3⁄2)⁴ as 1 to 81.
    const angles = [0, Math.PI / 3, Math.PI];
    const activations = hostTensor(
      angles.flatMap(angle => [Math.cos(angle), Math.sin(angle)]),
      [3, 2],
    );
    const random = createRandomSource(6);
    const counts = new Map<string, number>();
    const draws = 30_000;
    for (let i = 0; i < draws; i++) {
      const [first, second] = rows(initialDirections('spread', { dIn: 2, dSae: 2, activations, random })).map(row =>
        angles.findIndex(angle => Math.cos(angle) * row[0]! + Math.sin(angle) * row[1]! > 0.999),
      );
      counts.set(`${first}${second}`, (counts.get(`${first}${second}`) ?? 0) + 1);
    }
    const expected = { '01': 1 / 257, '02': 256 / 257, '10': 1 / 82, '12': 81 / 82, '20': 256 / 337, '21': 81 / 337 };
    for (const [pair, share] of Object.entries(expected)) {
      const p = share / 3;
      expect(Math.abs((counts.get(pair) ?? 0) / draws - p), pair).to.be.below(4 * Math.sqrt((p * (1 - p)) / draws));
    }
  });

  it('blend: between the activation and noise, by p', () => {
    const axis = hostTensor([0, 0, 0, 2], [1, 4]);
    const at = (blend: number) => {
      const options = { dIn: 4, dSae: 4000, activations: axis, blend, random: createRandomSource(7) };
      const cosines = rows(initialDirections('blend', options)).map(row => row[3]!);
      return cosines.reduce((sum, value) => sum + value, 0) / 4000;
    };
    expect(at(1)).to.be.closeTo(1, 1e-6);
    expect(at(0)).to.be.closeTo(0, 4 * Math.sqrt(1 / 4 / 4000));
    // (p + q t) / √(p² + q² + 2 p q t), p = .8, q = .2, averaged over t, the cosine of a random direction.
    let expected = 0;
    const random = createRandomSource(8);
    for (let i = 0; i < 4000; i++) {
      const [a, b, c, d] = [random.normal(), random.normal(), random.normal(), random.normal()];
      const t = d / Math.hypot(a, b, c, d);
      expected += (0.8 + 0.2 * t) / Math.sqrt(0.68 + 0.32 * t) / 4000;
    }
    expect(at(0.8)).to.be.closeTo(expected, 2e-3);
    expect(at(0.5)).to.be.below(at(0.8));
  });

  it('fills up with blends where activations run out: no two rows equal', () => {
    const random = createRandomSource(9);
    const few = hostTensor([1, 0, 0, 1, 0, 0, 1, 0], [4, 2]); // two directions, one of them twice, and a zero
    for (const kind of ['activations', 'spread', 'blend'] as const) {
      const directions = rows(initialDirections(kind, { dIn: 2, dSae: 12, activations: few, random }));
      const distinct = new Set(directions.map(row => row.join())).size;
      expect(distinct, kind).to.be.at.least(kind === 'activations' ? 11 : 12);
      for (const row of directions) expect(Math.hypot(...row)).to.be.closeTo(1, 1e-6);
    }
    const spread = rows(initialDirections('spread', { dIn: 2, dSae: 2, activations: few, random }));
    expect(spread.map(row => row.join()).sort()).to.deep.equal(['0,1', '1,0']);
  });

  it('refuses what it cannot start from', () => {
    const random = createRandomSource(10);
    const options = { dIn: 2, dSae: 3, random };
    const one = hostTensor([1, 2], [1, 2]);
    expect(() => initialDirections('spread', options)).to.throw(InvalidValueError, 'none were given');
    expect(() => initialDirections('kmeans' as never, options)).to.throw(InvalidValueError, 'gaussian, activations');
    expect(() => initialDirections('gaussian', { ...options, dSae: 0 })).to.throw(
      InvalidValueError,
      'must be positive',
    );
    expect(() => initialDirections('blend', { ...options, activations: one, blend: 2 })).to.throw(
      InvalidValueError,
      'must be between 0 and 1',
    );
    expect(() => initialDirections('spread', { ...options, activations: hostTensor([1, 2, 3], [1, 3]) })).to.throw(
      InvalidShapeError,
      'expected [n, 2], got [1, 3]',
    );
    expect(() => initialDirections('spread', { ...options, activations: one, center: [1] })).to.throw(
      InvalidShapeError,
    );
    expect(() => initialDirections('spread', { ...options, activations: one, center: [1, 2] })).to.throw(
      InvalidValueError,
      'equal the center',
    );
    expect(() =>
      initialDirections('spread', { ...options, activations: hostTensor([1, Number.NaN], [1, 2]) }),
    ).to.throw(InvalidValueError, 'must be finite');
  });
});
