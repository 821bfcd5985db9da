/** Features that fire together and in trees, held against closed forms, enumeration and SAELens's own sampler. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { batchesFrom } from '../../src/data/batch-source.ts';
import { type FiringFeatureOptions, firingFeatures } from '../../src/data/firing-features.ts';
import type { Magnitudes } from '../../src/data/magnitudes.ts';
import { normalCdf, normalThreshold } from '../../src/data/normal-distribution.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { hostTensor } from '../../src/tensor.ts';

const ONE: Magnitudes = { kind: 'normal', mean: 1, std: 0 };

interface Counts {
  readonly fired: readonly number[];
  /** Row-major [n, n]. */
  readonly together: Float64Array;
  readonly total: readonly number[];
  readonly squares: readonly number[];
}

function count(options: FiringFeatureOptions, samples: number, seed = 1): Counts {
  const n = options.nFeatures;
  const generator = firingFeatures(options).generator(createRandomSource(seed), 1);
  const together = new Float64Array(n * n);
  const [fired, total, squares] = [0, 1, 2].map(() => new Array<number>(n).fill(0)) as [number[], number[], number[]];
  for (let sample = 0; sample < samples; sample++) {
    const { count, positions, values } = generator.drawPresent!(1)!;
    for (let i = 0; i < count; i++) {
      const feature = positions[i]!;
      fired[feature]!++;
      total[feature]! += values[i]!;
      squares[feature]! += values[i]! ** 2;
      for (let j = 0; j < count; j++) together[feature * n + positions[j]!]!++;
    }
  }
  return { fired, together, total, squares };
}

/** How many standard deviations a count of `samples` draws lies from those that probability p gives. */
const zOf = (seen: number, p: number, samples: number): number =>
  (seen - samples * p) / Math.sqrt(samples * p * (1 - p));

/** Below this a chi-square of so many degrees of freedom lies but for once in 10,000 (Wilson and Hilferty). */
const largest = (degrees: number): number =>
  degrees * (1 - 2 / (9 * degrees) + 3.72 * Math.sqrt(2 / (9 * degrees))) ** 3;

describe('the normal distribution', () => {
  it('has the values of scipy.stats.norm', () => {
    const known: [number, number][] = [
      [0, 0.5],
      [1.959963984540054, 0.975],
      [-1, 0.15865525393145707],
      [-3, 0.0013498980316300933],
      [-8, 6.220960574271785e-16],
      [-5, 2.866515718791933e-7],
    ];
    for (const [z, p] of known) expect(normalCdf(z) / p).to.be.closeTo(1, z < -7 ? 1e-7 : 1e-9);
    for (const p of [1e-6, 5e-4, 0.05, 0.4, 0.97]) expect(normalCdf(-normalThreshold(p)) / p).to.be.closeTo(1, 1e-9);
    expect(normalThreshold(0)).to.equal(Number.POSITIVE_INFINITY);
    expect(normalThreshold(1)).to.equal(Number.NEGATIVE_INFINITY);
  });
});

describe('features that fire together', () => {
  const SAMPLES = 100_000;

  it('are independent where nothing correlates them: chi-square of every pair', () => {
    const nFeatures = 12;
    const firing = Array.from({ length: nFeatures }, (_, i) => 0.5 - 0.035 * i);
    // Through the copula's code, not through that of independent features.
    const zeros = hostTensor(new Float32Array(nFeatures), [nFeatures, 1]);
    const { fired, together } = count({ nFeatures, firing, magnitudes: ONE, correlation: { factors: zeros } }, SAMPLES);
    let [chiSquare, pairs] = [0, 0];
    for (let i = 0; i < nFeatures; i++) {
      expect(Math.abs(zOf(fired[i]!, firing[i]!, SAMPLES)), `feature ${i}`).to.be.below(6);
      for (let j = 0; j < i; j++) {
        const [a, b] = [fired[i]! / SAMPLES, fired[j]! / SAMPLES];
        const z =
          ((together[i * nFeatures + j]! / SAMPLES - a * b) * Math.sqrt(SAMPLES)) /
          Math.sqrt(a * b * (1 - a) * (1 - b));
        expect(Math.abs(z), `features ${i} and ${j}`).to.be.below(6);
        chiSquare += z * z;
        pairs++;
      }
    }
    expect(chiSquare).to.be.below(largest(pairs));
  });

  it('fire together as often as two normals exceed their thresholds together', () => {
    // Of probability 1/2 each: 1/4 + asin(ρ) / 2π (Sheppard 1899).
    const rho = [
      [1, 0.6, -0.4],
      [0.6, 1, 0.1],
      [-0.4, 0.1, 1],
    ];
    const whole = { matrix: hostTensor(Float32Array.from(rho.flat()), [3, 3]) };
    const factors = { factors: hostTensor([0.9, -0.8, 0.5], [3, 1]) };
    for (const [name, correlation, rhoOf] of [
      ['matrix', whole, (i: number, j: number) => rho[i]![j]!],
      ['factors', factors, (i: number, j: number) => factors.factors.data[i]! * factors.factors.data[j]!],
    ] as const) {
      const { fired, together } = count({ nFeatures: 3, firing: 0.5, magnitudes: ONE, correlation }, SAMPLES);
      for (let i = 0; i < 3; i++) {
        expect(Math.abs(zOf(fired[i]!, 0.5, SAMPLES))).to.be.below(5);
        for (let j = 0; j < i; j++) {
          const p = 0.25 + Math.asin(rhoOf(i, j)) / (2 * Math.PI);
          expect(Math.abs(zOf(together[i * 3 + j]!, p, SAMPLES)), `${name} ${i} ${j}`).to.be.below(5);
        }
      }
    }
  });

  it('fire as often as asked, rare ones too, however strong the factors', () => {
    const nFeatures = 400;
    const firing = { zipf: { max: 0.4, min: 5e-4 } };
    const options: FiringFeatureOptions = { nFeatures, firing, magnitudes: ONE, correlation: { rank: 25, scale: 0.1 } };
    const { probabilities } = firingFeatures(options);
    const { fired } = count(options, 30_000);
    for (const [i, p] of probabilities.entries())
      expect(Math.abs(zOf(fired[i]!, p, 30_000)), `feature ${i}`).to.be.below(6);
    // A row that is all common part: nothing is skipped that could fire.
    const strong = hostTensor(
      Float32Array.from({ length: 60 }, (_, i) => (i % 2 ? 3 : -3)),
      [60, 1],
    );
    const both = count({ nFeatures: 60, firing: 0.01, magnitudes: ONE, correlation: { factors: strong } }, SAMPLES);
    for (const seen of both.fired) expect(Math.abs(zOf(seen, 0.01, SAMPLES))).to.be.below(6);
  });

  it('are refused where their correlation is none', () => {
    const of = (correlation: FiringFeatureOptions['correlation']) => () =>
      firingFeatures({ nFeatures: 2, firing: 0.1, ...(correlation && { correlation }) });
    expect(of({ matrix: hostTensor([1, 2, 2, 1], [2, 2]) })).to.throw(InvalidValueError, 'positive semidefinite');
    expect(of({ matrix: hostTensor([1, 0.1, 0.2, 1], [2, 2]) })).to.throw(InvalidValueError, 'differ');
    expect(of({ matrix: hostTensor([2, 0, 0, 1], [2, 2]) })).to.throw(InvalidValueError, 'expected 1');
    expect(of({ matrix: hostTensor([1, Number.NaN, Number.NaN, 1], [2, 2]) })).to.throw(
      InvalidValueError,
      '[1, 0] is NaN',
    );
    // The second equals the first, and so cannot be correlated with a third that the first is not: its least eigenvalue is 1 − √1.25.
    const three = (matrix: number[]) => () =>
      firingFeatures({ nFeatures: 3, firing: 0.3, correlation: { matrix: hostTensor(matrix, [3, 3]) } });
    expect(three([1, 1, 0, 1, 1, 0.5, 0, 0.5, 1])).to.throw(InvalidValueError, 'entry [2, 1]');
    expect(three([1, 1, 0.5, 1, 1, 0.5, 0.5, 0.5, 1])).to.not.throw();
    expect(of({ matrix: hostTensor([1], [1, 1]) })).to.throw(InvalidShapeError, '[2, 2]');
    expect(of({ factors: hostTensor([1], [1, 1]) })).to.throw(InvalidShapeError, '[2, rank]');
    expect(of({ rank: 0, scale: 1 })).to.throw(InvalidValueError);
    expect(of({ rank: 1, scale: -1 })).to.throw(InvalidValueError);
    const exactly = { nFeatures: 2, firing: { exactly: 1 }, correlation: { rank: 1, scale: 0.1 } };
    expect(() => firingFeatures(exactly)).to.throw(InvalidValueError, 'exactly 1');
  });
});

describe('features in trees', () => {
  const SAMPLES = 200_000;
  /** Feature 0 has four children, of which the last has two of its own. */
  const parents = [-1, 0, 0, 0, 0, 4, 4];
  const firing = [0.6, 0.5, 0.3, 0.2, 0.4, 0.7, 0.5];

  it('fire only with their parents; exclusive siblings as often as all their patterns together say', () => {
    const { fired, together } = count(
      { nFeatures: 7, firing, magnitudes: ONE, trees: { parents, exclusive: true } },
      SAMPLES,
    );
    /** P(a sibling is the one kept): over all patterns of those that fire, one of each pattern with equal probability. */
    const kept = (siblings: readonly number[], feature: number): number => {
      let sum = 0;
      for (let pattern = 0; pattern < 2 ** siblings.length; pattern++) {
        const fires = siblings.filter((_, i) => pattern & (1 << i));
        if (!fires.includes(feature)) continue;
        sum +=
          siblings.reduce((p, own) => p * (fires.includes(own) ? firing[own]! : 1 - firing[own]!), 1) / fires.length;
      }
      return sum;
    };
    const rate = new Array<number>(7).fill(0.6);
    for (const child of [1, 2, 3, 4]) rate[child] = 0.6 * kept([1, 2, 3, 4], child);
    for (const child of [5, 6]) rate[child] = rate[4]! * kept([5, 6], child);
    let chiSquare = 0;
    for (const [feature, p] of rate.entries()) {
      const z = zOf(fired[feature]!, p, SAMPLES);
      expect(Math.abs(z), `feature ${feature}`).to.be.below(6);
      chiSquare += z * z;
      const parent = parents[feature]!;
      if (parent >= 0) expect(together[feature * 7 + parent]).to.equal(fired[feature]);
    }
    expect(chiSquare).to.be.below(largest(7));
    for (const [i, j] of [
      [1, 2],
      [1, 4],
      [3, 4],
      [5, 6],
    ] as const)
      expect(together[i * 7 + j]).to.equal(0);
  });

  it('fire by themselves below an active parent where they do not exclude each other', () => {
    const { fired, together } = count({ nFeatures: 7, firing, magnitudes: ONE, trees: { parents } }, SAMPLES);
    const rate = [0.6, 0.3, 0.18, 0.12, 0.24, 0.24 * 0.7, 0.24 * 0.5];
    for (const [feature, p] of rate.entries()) expect(Math.abs(zOf(fired[feature]!, p, SAMPLES))).to.be.below(6);
    expect(Math.abs(zOf(together[7 + 2]!, 0.6 * 0.5 * 0.3, SAMPLES))).to.be.below(6);
    // The parents' numbers need not be lower than their children's.
    const upside = { parents: [1, -1], exclusive: [false, true] };
    const other = count({ nFeatures: 2, firing: [0.5, 0.2], magnitudes: ONE, trees: upside }, SAMPLES);
    expect(Math.abs(zOf(other.fired[0]!, 0.1, SAMPLES))).to.be.below(6);
  });

  it('are scaled by their parent, which is itself scaled', () => {
    const magnitudes: Magnitudes = { kind: 'normal', mean: [4, 2, 3], std: [1, 0, 0] };
    const { generator } = firingFeatures({
      nFeatures: 3,
      firing: 1,
      magnitudes,
      trees: { parents: [-1, 0, 1], scaleByParent: true },
    });
    const rows = new Float32Array(300);
    generator(createRandomSource(1), 1).fill(rows);
    for (let at = 0; at < 300; at += 3) {
      expect(rows[at + 1]).to.be.closeTo((2 * rows[at]!) / 4, 1e-5);
      expect(rows[at + 2]).to.be.closeTo((3 * rows[at + 1]!) / 2, 1e-5);
    }
  });

  it('grow level by level, and probabilities can be those of all samples', () => {
    const grown = { roots: 2, branching: 2, depth: 2 };
    const base = Array.from({ length: 16 }, (_, i) => 0.5 - 0.03 * i);
    const { parents: own, probabilities } = firingFeatures({
      nFeatures: 16,
      firing: base,
      trees: { ...grown, exclusive: true, compensate: true },
    });
    expect(own).to.deep.equal([-1, -1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, -1, -1]);
    // p / p_parent · (1 + p_sibling / p_parent), at most 1.
    expect(probabilities[2])
      .to.be.closeTo((0.44 / 0.5) * (1 + 0.41 / 0.5), 1)
      .and.to.equal(1);
    expect(probabilities[12]).to.be.closeTo((base[12]! / base[5]!) * (1 + base[13]! / base[5]!), 1e-12);
    expect(probabilities[14]).to.equal(base[14]);
    const alone = { nFeatures: 16, firing: base, magnitudes: ONE, trees: { ...grown, compensate: true } };
    const { fired } = count(alone, SAMPLES);
    for (const [i, p] of base.entries()) expect(Math.abs(zOf(fired[i]!, p, SAMPLES)), `feature ${i}`).to.be.below(6);
  });

  it('are refused where they are no trees', () => {
    const of = (trees: FiringFeatureOptions['trees']) => () =>
      firingFeatures({ nFeatures: 3, firing: 0.1, ...(trees && { trees }) });
    expect(of({ parents: [1, 2, 0] })).to.throw(InvalidValueError, 'below itself');
    expect(of({ parents: [-1, 3, 0] })).to.throw(InvalidValueError, 'feature 1');
    expect(of({ parents: [-1] })).to.throw(InvalidShapeError, '1 of parents');
    expect(of({ parents: [-1, 0, 0], exclusive: [true] })).to.throw(InvalidShapeError, '1 of exclusive');
    expect(of({ roots: 0, branching: 1, depth: 1 })).to.throw(InvalidValueError, 'roots');
    for (const mean of [0, -1]) {
      const trees = { parents: [-1, 0, -1], scaleByParent: true };
      const scaled = (list: number[]) => () =>
        firingFeatures({ nFeatures: 3, firing: 0.1, magnitudes: { kind: 'normal', mean: list, std: 1 }, trees });
      expect(scaled([mean, 1, 1])).to.throw(InvalidValueError, `feature 0 is ${mean}`);
      // Only parents divide.
      expect(scaled([1, mean, mean])).to.not.throw();
    }
  });

  it('are one stream however it is cut, and the same from a recipe', async () => {
    const source = firingFeatures({
      nFeatures: 40,
      firing: { zipf: { min: 0.05 } },
      magnitudes: { kind: 'normal', mean: 2, std: 1 },
      correlation: { rank: 3, scale: 0.4 },
      trees: { roots: 4, branching: 2, depth: 2, exclusive: true, scaleByParent: true },
    });
    const whole = new Float32Array(200 * 40);
    source.generator(createRandomSource(6), 1).fill(whole);
    const generator = source.generator(createRandomSource(6), 1);
    const parts = new Float32Array(200 * 40);
    for (let at = 0, rows = 1; at < 200; at += rows, rows = Math.min(rows + 7, 200 - at)) {
      const part = parts.subarray(at * 40, (at + rows) * 40);
      if (rows % 2) generator.fill(part);
      else {
        const { count: entries, positions, values } = generator.drawPresent!(rows)!;
        for (let i = 0; i < entries; i++) part[positions[i]!] = values[i]!;
        const own = [...positions.subarray(0, entries)];
        expect(own).to.deep.equal(own.toSorted((a, b) => a - b));
      }
    }
    expect(parts).to.deep.equal(whole);
    const { batches } = await source.open({ seed: 1, batchSize: 8 });
    await batches.fill({ activations: new Float32Array(5 * 40) }, 1);
    const copy = batchesFrom(structuredClone(batches.recipe!()!));
    const [one, other] = [new Float32Array(64 * 40), new Float32Array(64 * 40)];
    await batches.fill({ activations: one }, 1);
    await copy.fill({ activations: other }, 1);
    expect(other).to.deep.equal(one);
  });
});

describe("SAELens's own sampler", () => {
  const SAMPLES = 100_000;
  const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';

  before(function () {
    try {
      execFileSync(python, ['-c', 'import sae_lens.synthetic'], { stdio: 'pipe' });
    } catch {
      console.log(
        `      skipped: ${python} has no sae_lens with sae_lens.synthetic (set MONOSEMANTIC_PYTHON to a Python that has)`,
      );
      this.skip();
    }
  });

  for (const kind of ['matrix', 'low rank', 'trees'] as const) {
    it(`draws as ours does: ${kind}`, () => {
      const script = fileURLToPath(new URL('saelens_samples.py', import.meta.url));
      const request = JSON.stringify({ kind, samples: SAMPLES });
      const theirs = JSON.parse(
        execFileSync(python, [script, request], {
          maxBuffer: 2 ** 28,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      ) as Omit<Counts, 'together'> & {
        probabilities: number[];
        base?: number[];
        mean: number[];
        std: number[];
        matrix?: number[][];
        factors?: number[][];
        parents?: number[];
        together: number[][];
      };
      const { probabilities, base, mean, std, matrix, factors, parents } = theirs;
      const nFeatures = probabilities.length;
      const given = (matrix ?? factors)!;
      const tensor = hostTensor(Float32Array.from(given.flat()), [nFeatures, given[0]!.length]);
      const options: FiringFeatureOptions = {
        nFeatures,
        firing: base ?? probabilities,
        magnitudes: { kind: 'normal', mean, std },
        correlation: matrix ? { matrix: tensor } : { factors: tensor },
        ...(parents && { trees: { parents, exclusive: true, scaleByParent: true, compensate: true } }),
      };
      const source = firingFeatures(options);
      for (const [i, p] of source.probabilities.entries()) expect(p).to.be.closeTo(probabilities[i]!, 1e-5);
      if (parents) {
        const grown = firingFeatures({ ...options, trees: { roots: 8, branching: 4, depth: 2 } });
        expect(grown.parents).to.deep.equal(parents);
      }
      const ours = count(options, SAMPLES, 5);
      let [sum, pairs] = [0, 0];
      for (let i = 0; i < nFeatures; i++) {
        for (let j = 0; j <= i; j++) {
          const [a, b] = [ours.together[i * nFeatures + j]!, theirs.together[i]![j]!];
          if (a + b < 40) continue;
          const p = (a + b) / (2 * SAMPLES);
          const z = (a - b) / Math.sqrt(2 * SAMPLES * p * (1 - p));
          expect(Math.abs(z), `features ${i} and ${j} fire together`).to.be.below(6);
          sum += z * z;
          pairs++;
        }
        const [m, q] = [ours.total[i]! + theirs.total[i]!, ours.squares[i]! + theirs.squares[i]!];
        const variance = q / (2 * SAMPLES) - (m / (2 * SAMPLES)) ** 2;
        expect(
          Math.abs((ours.total[i]! - theirs.total[i]!) / Math.sqrt(2 * SAMPLES * variance)),
          `mean of ${i}`,
        ).to.be.below(6);
      }
      // Pairs that share a feature depend on each other, so that this is no chi-square; its mean is 1.
      expect(pairs).to.be.above(250);
      expect(sum / pairs).to.be.within(0.7, 1.3);
    });
  }
});
