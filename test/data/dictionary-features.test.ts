import kstest from '@stdlib/stats-kstest';
import { expect } from 'chai';
import { batchesFrom } from '../../src/data/batch-source.ts';
import { type DictionaryFeatures, dictionaryFeatures } from '../../src/data/dictionary-features.ts';
import { type Firing, firingFeatures } from '../../src/data/firing-features.ts';
import type { Magnitudes } from '../../src/data/magnitudes.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { hostTensor } from '../../src/tensor.ts';

function draw(nFeatures: number, firing: Firing, samples: number, seed = 1, magnitudes?: Magnitudes): Float32Array {
  const source = firingFeatures({ nFeatures, firing, ...(magnitudes && { magnitudes }) });
  const rows = new Float32Array(samples * nFeatures);
  source.generator(createRandomSource(seed), 1).fill(rows);
  return rows;
}

/** How often each feature fires. */
function countsOf(rows: Float32Array, nFeatures: number): number[] {
  const counts = new Array<number>(nFeatures).fill(0);
  for (let i = 0; i < rows.length; i++) if (rows[i] !== 0) counts[i % nFeatures]!++;
  return counts;
}

/** Below this a chi-square of so many degrees of freedom lies but for once in 10,000 (Wilson–Hilferty). */
const largest = (degrees: number): number =>
  degrees * (1 - 2 / (9 * degrees) + 3.72 * Math.sqrt(2 / (9 * degrees))) ** 3;

/** Magnitudes that are never 0, so that a feature that fires is seen to. */
const ONE: Magnitudes = { kind: 'normal', mean: 1, std: 0 };

describe('features with given firing probabilities', () => {
  const SAMPLES = 40_000;

  const kinds: [string, number, Firing][] = [
    ['one probability', 30, 0.03],
    ['their own probabilities', 8, [1, 0.7, 0.5, 0.25, 0.1, 0.01, 0.005, 0.9]],
    ['a Zipf law', 200, { zipf: {} }],
    ['a steep Zipf law', 50, { zipf: { exponent: 2, max: 1, min: 1e-3 } }],
  ];
  for (const [name, nFeatures, firing] of kinds) {
    it(`fire as often as asked, each by itself: ${name}`, () => {
      const { probabilities } = firingFeatures({ nFeatures, firing });
      const rows = draw(nFeatures, firing, SAMPLES, 2, ONE);
      const counts = countsOf(rows, nFeatures);
      let [chiSquare, degrees] = [0, 0];
      for (const [i, p] of probabilities.entries()) {
        if (p === 1) {
          expect(counts[i]).to.equal(SAMPLES);
          continue;
        }
        chiSquare += (counts[i]! - SAMPLES * p) ** 2 / (SAMPLES * p * (1 - p));
        degrees++;
      }
      expect(chiSquare).to.be.below(largest(degrees));
      // Features that do not depend on each other: the number that fire has the variance Σ p(1 − p).
      const fired = new Array<number>(SAMPLES).fill(0);
      for (let i = 0; i < rows.length; i++) if (rows[i] !== 0) fired[Math.floor(i / nFeatures)]!++;
      const mean = fired.reduce((a, b) => a + b, 0) / SAMPLES;
      const variance = fired.reduce((sum, count) => sum + (count - mean) ** 2, 0) / SAMPLES;
      const expected = probabilities.reduce((sum, p) => sum + p * (1 - p), 0);
      expect(variance / expected).to.be.closeTo(1, 5 * Math.sqrt(2 / SAMPLES) + 3 / Math.sqrt(SAMPLES * expected));
      // And neither does one row on the row before it.
      const [first] = [...probabilities.keys()].filter(i => probabilities[i]! > 0.02 && probabilities[i]! < 1) as [
        number,
      ];
      let both = 0;
      for (let row = 1; row < SAMPLES; row++) {
        both += Number(rows[row * nFeatures + first] !== 0 && rows[(row - 1) * nFeatures + first] !== 0);
      }
      const p = probabilities[first]! ** 2;
      expect(Math.abs(both - SAMPLES * p) / Math.sqrt(SAMPLES * p * (1 - p) * 2)).to.be.below(4);
    });
  }

  it('follow the Zipf law of SynthSAEBench', () => {
    // Rank r of N: u = r^−α, p = p_min + (p_max − p_min)(u − u_N)/(u_1 − u_N), here for N = 4.
    const { probabilities } = firingFeatures({ nFeatures: 4, firing: { zipf: { exponent: 0.5, max: 0.4, min: 0.1 } } });
    const [u1, u2, u3, u4] = [1, Math.SQRT1_2, 3 ** -0.5, 0.5] as const;
    for (const [i, u] of [u1, u2, u3, u4].entries()) {
      expect(probabilities[i]).to.be.closeTo(0.1 + (0.3 * (u - u4)) / (u1 - u4), 1e-12);
    }
    // Its true L0 at 16,384 features, before the hierarchy takes some away.
    const whole = firingFeatures({ nFeatures: 16_384, firing: { zipf: {} } }).probabilities;
    expect([whole[0], whole.at(-1)!]).to.deep.equal([0.4, 5e-4]);
  });

  it('fire in exactly so many, all sets equally likely', () => {
    const [nFeatures, k] = [6, 3];
    const rows = draw(nFeatures, { exactly: k }, SAMPLES, 3, ONE);
    const sets = new Map<number, number>();
    for (let row = 0; row < SAMPLES; row++) {
      let set = 0;
      for (let i = 0; i < nFeatures; i++) if (rows[row * nFeatures + i] !== 0) set |= 1 << i;
      sets.set(set, (sets.get(set) ?? 0) + 1);
    }
    expect(sets.size).to.equal(20);
    for (const set of sets.keys()) expect(set.toString(2).replaceAll('0', '')).to.have.length(k);
    const expected = SAMPLES / 20;
    const chiSquare = [...sets.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquare).to.be.below(largest(19));
    expect(countsOf(draw(4, { exactly: 4 }, 100), 4)).to.deep.equal([100, 100, 100, 100]);
    expect(draw(4, { exactly: 0 }, 100).some(Boolean)).to.equal(false);
  });

  it('have magnitudes of the kind asked for', () => {
    const values = (magnitudes: Magnitudes): number[] => [...draw(1, 1, 4000, 4, magnitudes)];
    expect(kstest(values({ kind: 'uniform' }), 'uniform', 0, 1).pValue).to.be.above(1e-3);
    expect(kstest(values({ kind: 'normal', mean: 10, std: 2 }), 'normal', 10, 2).pValue).to.be.above(1e-3);
    expect(kstest(values({ kind: 'log-normal', mean: 0.5, std: 0.25 }), 'lognormal', 0.5, 0.25).pValue).to.be.above(
      1e-3,
    );
    const squares = values({ kind: 'half-normal', std: 3 }).map(value => (value / 3) ** 2);
    expect(kstest(squares, 'chisquare', 1).pValue).to.be.above(1e-3);
    const own = draw(3, 1, 1000, 5, { kind: 'normal', mean: [1, 5, -9], std: [0, 1, 1] });
    expect(own.filter((_, i) => i % 3 === 0).every(value => value === 1)).to.equal(true);
    const mean = own.filter((_, i) => i % 3 === 1).reduce((sum, value) => sum + value, 0) / 1000;
    expect(mean).to.be.closeTo(5, 4 / Math.sqrt(1000));
    expect(own.filter((_, i) => i % 3 === 2).every(value => value === 0)).to.equal(true);
  });

  it('are the same as present entries, as all of them, and in parts', () => {
    for (const firing of [0.1, { exactly: 3 }, { zipf: {} }] as Firing[]) {
      const whole = draw(50, firing, 200, 6);
      const generator = firingFeatures({ nFeatures: 50, firing }).generator(createRandomSource(6), 1);
      const parts = new Float32Array(200 * 50);
      for (let at = 0, rows = 1; at < 200; at += rows, rows = Math.min(rows + 7, 200 - at)) {
        const part = parts.subarray(at * 50, (at + rows) * 50);
        if (rows % 2) generator.fill(part);
        else {
          const { count, positions, values } = generator.drawPresent!(rows)!;
          for (let i = 0; i < count; i++) part[positions[i]!] = values[i]!;
          expect([...positions.subarray(0, count)]).to.deep.equal(
            [...positions.subarray(0, count)].sort((a, b) => a - b),
          );
        }
      }
      expect(parts).to.deep.equal(whole);
    }
  });

  it('are refused where they are out of range', () => {
    for (const firing of [
      1.1,
      -1,
      { exactly: 6 },
      { exactly: 0.5 },
      { zipf: { min: 1, max: 0.5 } },
      { zipf: { max: 2 } },
    ]) {
      expect(() => firingFeatures({ nFeatures: 5, firing }), JSON.stringify(firing)).to.throw(InvalidValueError);
    }
    expect(() => firingFeatures({ nFeatures: 5, firing: [0.1] })).to.throw(InvalidShapeError);
    const magnitudes: Magnitudes = { kind: 'normal', mean: [1, 2], std: 1 };
    expect(() => firingFeatures({ nFeatures: 5, firing: 0.1, magnitudes })).to.throw(InvalidShapeError);
    for (const [wrong, message] of [
      [{ kind: 'half-normal', std: -1 }, 'std is -1'],
      [{ kind: 'half-normal', std: Number.NaN }, 'std is NaN'],
      [{ kind: 'normal', mean: 1e39, std: 0 }, 'more than float32 holds'],
      [{ kind: 'log-normal', mean: 100, std: 0 }, 'more than float32 holds'],
      [{ kind: 'normal', mean: 1 }, 'std is undefined'],
      [{ kind: 'cauchy' }, 'kind is cauchy'],
    ] as const) {
      const given = { nFeatures: 1, firing: 0.1, magnitudes: wrong as Magnitudes };
      expect(() => firingFeatures(given), message).to.throw(InvalidValueError, message);
    }
    for (const firing of [null, undefined, 'often'] as unknown[]) {
      expect(() => firingFeatures({ nFeatures: 5, firing: firing as Firing })).to.throw(InvalidValueError, `${firing}`);
    }
    const exponent = Number.POSITIVE_INFINITY;
    expect(() => firingFeatures({ nFeatures: 5, firing: { zipf: { exponent } } })).to.throw(
      InvalidValueError,
      'exponent Infinity',
    );
  });

  it('are present where their magnitude is not 0', () => {
    const magnitudes: Magnitudes = { kind: 'normal', mean: 0, std: 1 };
    const source = firingFeatures({ nFeatures: 1, firing: 1, magnitudes });
    const { count, values } = source.generator(createRandomSource(5), 1).drawPresent!(1000)!;
    // A normal of mean 0 is cut off at 0 in half of the samples: 500 ± 6 of 15.8.
    expect(count).to.be.within(405, 595);
    expect(values.subarray(0, count).every(value => value > 0)).to.equal(true);
  });

  it('fire in every sample however many there are', () => {
    const [nFeatures, samples] = [2_200_000, 1024];
    const source = dictionaryFeatures({
      nFeatures,
      dIn: 1,
      dictionary: hostTensor(new Float32Array(nFeatures).fill(1), [nFeatures, 1]),
      firing: { exactly: 2 },
      magnitudes: ONE,
    });
    const rows = new Float32Array(samples);
    source.generator(createRandomSource(1), 1).fill(rows);
    expect(rows.every(value => value === 2)).to.equal(true);
  });

  it('are held out in whole numbers', async () => {
    const open = await firingFeatures({ nFeatures: 2, firing: 0.5 }).open({ seed: 0, batchSize: 4 });
    for (const rows of [-1, 1.5, Number.NaN]) {
      const failed = await open
        .heldOut(rows, 4)
        [Symbol.asyncIterator]()
        .next()
        .catch((error: Error) => error);
      expect(failed).to.be.instanceOf(InvalidValueError).with.property('message').that.contains(`rows is ${rows}`);
    }
  });
});

describe('activations of a known dictionary', () => {
  const make = (options: Partial<Parameters<typeof dictionaryFeatures>[0]> = {}): DictionaryFeatures =>
    dictionaryFeatures({
      nFeatures: 40,
      dIn: 12,
      firing: { zipf: { max: 0.5, min: 0.01 } },
      magnitudes: { kind: 'normal', mean: 4, std: 0.5 },
      bias: 2,
      seed: 7,
      ...options,
    });

  it('are a E + b of the features that lie beside them', async () => {
    const source = make();
    const { dictionary, bias, features } = source;
    const norms = Array.from({ length: 40 }, (_, i) => Math.hypot(...dictionary.data.subarray(i * 12, (i + 1) * 12)));
    for (const norm of norms) expect(norm).to.be.closeTo(1, 1e-6);
    expect(Math.hypot(...bias.data)).to.be.closeTo(2, 1e-6);
    const options = { seed: 3, batchSize: 16 };
    const [x, a] = await Promise.all([source, features].map(async own => (await own.open(options)).sample(100)));
    for (let row = 0; row < 100; row++) {
      for (let i = 0; i < 12; i++) {
        let sum = bias.data[i]!;
        for (let j = 0; j < 40; j++) sum += a!.data[row * 40 + j]! * dictionary.data[j * 12 + i]!;
        expect(x!.data[row * 12 + i]).to.be.closeTo(sum, 1e-5);
      }
    }
  });

  it('have the mean Σ p µ E + b', async () => {
    const source = make();
    const { data } = await (await source.open({ seed: 1, batchSize: 64 })).sample(50_000);
    for (let i = 0; i < 12; i++) {
      let [expected, variance] = [source.bias.data[i]!, 0];
      for (const [j, p] of source.features.probabilities.entries()) {
        const e = source.dictionary.data[j * 12 + i]!;
        expected += p * 4 * e;
        variance += e * e * (p * (16 + 0.25) - (4 * p) ** 2);
      }
      let mean = 0;
      for (let row = 0; row < 50_000; row++) mean += data[row * 12 + i]! / 50_000;
      expect(Math.abs(mean - expected) / Math.sqrt(variance / 50_000)).to.be.below(4.5);
    }
  });

  it('are drawn alike by another thread, from their recipe', async () => {
    const { batches } = await make().open({ seed: 1, batchSize: 8 });
    await batches.fill({ activations: new Float32Array(5 * 12) }, 1);
    const copy = batchesFrom(structuredClone(batches.recipe!()!));
    const [one, other] = [new Float32Array(64 * 12), new Float32Array(64 * 12)];
    await batches.fill({ activations: one }, 1);
    await copy.fill({ activations: other }, 1);
    expect(other).to.deep.equal(one);
  });

  it('have a dictionary of their own seed, or a given one, and say which', async () => {
    expect(make().dictionary).to.deep.equal(make().dictionary);
    expect(make({ seed: 8 }).dictionary).to.not.deep.equal(make().dictionary);
    const dictionary = hostTensor(new Float32Array(40 * 12).fill(1), [40, 12]);
    const given = make({ dictionary, bias: 0 });
    expect(given.featureDirections()).to.equal(dictionary);
    const descriptions = [make(), make({ seed: 8 }), make({ bias: 0 }), given, make({ firing: 0.1 })];
    expect(new Set(descriptions.map(({ description }) => JSON.stringify(description))).size).to.equal(5);
    expect(() => make({ dictionary: hostTensor(new Float32Array(12), [1, 12]) })).to.throw(
      InvalidShapeError,
      '[40, 12]',
    );
    expect(() => make({ bias: hostTensor([1], [1]) })).to.throw(InvalidShapeError, '[12]');
  });

  it('keep their bias where the dictionary that was drawn is given back', () => {
    for (const dictionary of ['unit', { steps: 2, learningRate: 1e-3 }] as const) {
      const drawn = make({ dictionary });
      expect(make({ dictionary: drawn.dictionary }).bias).to.deep.equal(drawn.bias);
    }
    const drawn = make({ nFeatures: 8, dictionary: 'orthonormal' });
    expect(make({ nFeatures: 8, dictionary: drawn.dictionary }).bias).to.deep.equal(drawn.bias);
  });

  it('are refused where a number is not finite, or a norm negative', () => {
    for (const bias of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
      expect(() => make({ bias })).to.throw(InvalidValueError, `bias is ${bias}`);
    }
    const bad = (length: number) => new Float32Array(length).fill(Number.NaN, 5);
    expect(() => make({ bias: hostTensor(bad(12), [12]) })).to.throw(InvalidValueError, 'value 5 of the bias is NaN');
    expect(() => make({ dictionary: hostTensor(bad(480), [40, 12]) })).to.throw(
      InvalidValueError,
      'value 5 of the dictionary is NaN',
    );
    const learningRate = Number.POSITIVE_INFINITY;
    expect(() => make({ dictionary: { steps: 1, learningRate } })).to.throw(InvalidValueError, 'Infinity');
  });
});
