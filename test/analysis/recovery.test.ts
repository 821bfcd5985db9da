import { expect } from 'chai';
import { duplicates } from '../../src/analysis/duplicates.ts';
import { recovery } from '../../src/analysis/recovery.ts';
import { sphericalCapShare } from '../../src/analysis/spherical-cap.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { fromNested, hostTensor, zeros } from '../../src/tensor.ts';

const angle = (degrees: number) => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
const at = (...degrees: number[]) => fromNested(degrees.map(angle));

describe('recovery', () => {
  const trueDirections = at(0, 72, 144);

  it('matches each true direction to a latent of its own and counts those above the threshold', () => {
    const result = recovery({ directions: at(150, 1, 60, 200), trueDirections, threshold: 0.98 });
    expect(result.features.map(feature => feature.latent)).to.deep.equal([1, 2, 0]);
    expect(result.features.map(feature => feature.recovered)).to.deep.equal([true, false, true]);
    expect(result.features[1]!.cosine).to.be.closeTo(Math.cos((12 * Math.PI) / 180), 1e-6);
    expect(result.recovered).to.equal(2);
    expect(result.share).to.be.closeTo(2 / 3, 1e-12);
  });

  it('counts a latent that points the other way where either sign is asked for, and twice the chance', () => {
    const options = { directions: at(180, 72, 325), trueDirections, threshold: 0.98 };
    expect(recovery(options).recovered).to.equal(1);
    const either = recovery({ ...options, eitherSign: true });
    expect(either.features.map(feature => feature.latent)).to.deep.equal([0, 1, 2]);
    expect(either.recovered).to.equal(3);
    expect(either.features[0]!.cosine).to.be.closeTo(1, 1e-6);
    const [one, both] = [false, true].map(eitherSign =>
      recovery({ directions: at(180), trueDirections: at(0), threshold: 0.98, eitherSign }),
    );
    expect(both!.chance).to.be.closeTo(2 * one!.chance, 1e-12);
  });

  it('uses one latent once, however well it would serve two', () => {
    const near = recovery({ directions: at(2, 200), trueDirections: at(0, 4), threshold: 0.98 });
    expect(near.recovered).to.equal(1);
  });

  it('leaves dead latents out before matching', () => {
    const options = { directions: at(0, 3, 72), trueDirections: at(0, 72), threshold: 0.98 };
    expect(recovery(options).features[0]).to.deep.include({ latent: 0, alive: true, recovered: true });
    const first = recovery({ ...options, alive: [false, true, true] }).features[0]!;
    expect(first.latent).to.equal(1);
    expect(first.cosine).to.be.closeTo(Math.cos((3 * Math.PI) / 180), 1e-6);
    const dead = recovery({ ...options, alive: [false, false, false] });
    expect(dead.features).to.deep.equal(Array(2).fill({ latent: null, cosine: 0, alive: false, recovered: false }));
    expect(dead.chance).to.equal(0);
  });

  it('says what chance gives: exactly for one feature, at most for several', () => {
    const random = createRandomSource(1);
    const trials = 3000;
    for (const [nFeatures, dSae, d, threshold] of [
      [1, 5, 2, 0.98],
      [1, 20, 3, 0.9],
      [5, 5, 2, 0.9],
    ] as const) {
      const truth = hostTensor(
        Float32Array.from({ length: nFeatures * d }, () => random.normal()),
        [nFeatures, d],
      );
      let found = 0;
      let chance = 0;
      for (let trial = 0; trial < trials; trial++) {
        const data = Float32Array.from({ length: dSae * d }, () => random.normal());
        const result = recovery({ directions: hostTensor(data, [dSae, d]), trueDirections: truth, threshold });
        found += result.share / trials;
        chance = result.chance;
      }
      const error = 4 * Math.sqrt((chance * (1 - chance)) / trials);
      expect(found, `${nFeatures} features`).to.be.below(chance + error);
      if (nFeatures === 1) expect(found).to.be.above(chance - error);
      else expect(found).to.be.above(chance / 2);
    }
  });

  it('refuses shapes and thresholds that make no sense', () => {
    const options = { directions: at(0, 1), trueDirections, threshold: 0.98 };
    expect(() => recovery({ ...options, directions: zeros([2]) })).to.throw(InvalidShapeError, 'expected two matrices');
    expect(() => recovery({ ...options, directions: zeros([2, 3]) })).to.throw(
      InvalidShapeError,
      'same last dimension',
    );
    expect(() => recovery({ ...options, alive: [true] })).to.throw(InvalidShapeError, '1 entries for 2 latents');
    expect(() => recovery({ ...options, threshold: 98 })).to.throw(InvalidValueError, 'must be a cosine');
  });
});

describe('sphericalCapShare', () => {
  it('has its closed forms in 1 to 5 dimensions', () => {
    for (const cosine of [-1, -0.5, 0, 0.3, 0.9, 0.98]) {
      const theta = Math.acos(cosine);
      const closed = [
        0.5,
        theta / Math.PI,
        (1 - cosine) / 2,
        (theta - Math.sin(theta) * cosine) / Math.PI,
        (2 - 3 * cosine + cosine ** 3) / 4,
      ];
      closed.forEach((share, i) => {
        expect(sphericalCapShare(i + 1, cosine), `${i + 1} dimensions, cosine ${cosine}`).to.be.closeTo(share, 1e-9);
      });
    }
  });

  it('is one half at a right angle and vanishes in many dimensions', () => {
    for (const dimension of [2, 10, 1000, 100_000]) {
      expect(sphericalCapShare(dimension, 0)).to.be.closeTo(0.5, 1e-9);
      expect(sphericalCapShare(dimension, 1)).to.equal(0);
    }
    expect(sphericalCapShare(768, 0.5)).to.be.below(1e-40);
    // A cosine in d dimensions is about normal with variance 1 / d: P(z > 2) = .02275.
    expect(sphericalCapShare(10_000, 0.02)).to.be.closeTo(0.02275, 1e-4);
  });
});

describe('duplicates', () => {
  it('lists pairs of alive latents above the threshold', () => {
    const directions = at(0, 90, 5, 200, 92);
    const pairs = duplicates(directions);
    expect(pairs.map(({ first, second }) => [first, second])).to.deep.equal([
      [0, 2],
      [1, 4],
    ]);
    expect(pairs[0]!.cosine).to.be.closeTo(Math.cos((5 * Math.PI) / 180), 1e-6);
    expect(duplicates(directions, { threshold: 0.998 })).to.have.length(1);
    expect(duplicates(directions, { alive: [true, true, false, true, true] })).to.have.length(1);
    expect(duplicates(directions, { alive: Array(5).fill(false) })).to.deep.equal([]);
  });

  it('finds pairs across the blocks of a large dictionary', () => {
    const random = createRandomSource(2);
    const data = Float32Array.from({ length: 600 * 32 }, () => random.normal());
    for (const [from, to] of [
      [3, 599],
      [255, 256],
      [300, 301],
    ] as const) {
      data.copyWithin(to * 32, from * 32, (from + 1) * 32);
    }
    const pairs = duplicates(hostTensor(data, [600, 32]));
    expect(pairs.map(({ first, second }) => `${first} ${second}`)).to.deep.equal(['3 599', '255 256', '300 301']);
  });

  it('refuses what does not fit', () => {
    expect(() => duplicates(zeros([3]))).to.throw(InvalidShapeError, 'expected [dSae, d]');
    expect(() => duplicates(zeros([3, 2]), { alive: [true] })).to.throw(InvalidShapeError, '1 entries for 3 latents');
  });
});
