import { expect } from 'chai';
import {
  type BatchSource,
  batchesFrom,
  generatedBatches,
  partOf,
  samplesSideBySide,
  sideBySide,
} from '../../src/data/batch-source.ts';
import { hiddenActivations } from '../../src/data/hidden-activations.ts';
import { createRandomSource, type RandomSource } from '../../src/data/random-source.ts';
import type { SampleGenerator } from '../../src/data/sample-generator.ts';
import { SyntheticClusteredDataGenerator } from '../../src/data/synthetic-clustered.ts';
import { SyntheticSparseDataGenerator } from '../../src/data/synthetic-sparse.ts';
import { FileFormatError } from '../../src/errors.ts';
import { hostTensor } from '../../src/tensor.ts';

const [BATCH, N_FEATURES] = [6, 3];
const WEIGHT = hostTensor([1, 2, -3, 0.5, 0.25, 4], [N_FEATURES, 2]);

const features =
  (sparsity: number | number[]) =>
  (random: RandomSource): SampleGenerator =>
    new SyntheticSparseDataGenerator(
      BATCH,
      typeof sparsity === 'number' ? Array<number>(N_FEATURES).fill(sparsity) : sparsity,
      random,
    );

const hidden =
  (sparsity: number | number[]) =>
  (random: RandomSource): SampleGenerator =>
    hiddenActivations(WEIGHT, features(sparsity)(random));

/** The next batches of `steps` steps of `size` numbers. */
async function next(source: BatchSource, steps: number, size: number): Promise<Float32Array> {
  const x = new Float32Array(steps * size);
  await source.fill({ x }, steps);
  return x;
}

/** Most present, of several sparsities, and few present: each is drawn another way. */
const SPARSITIES = [0.5, [0.9, 0.95, 0.9], 0.9];

const SOURCES: Readonly<Record<string, { size: number; make: () => BatchSource }>> = {
  'one generator': {
    size: BATCH * N_FEATURES,
    make: () => generatedBatches('x', createRandomSource(1), features(0.9)),
  },
  'clustered features': {
    size: BATCH * N_FEATURES,
    make: () => {
      const { featureProbabilities } = new SyntheticClusteredDataGenerator(2, N_FEATURES, createRandomSource(9));
      const options = { alpha: 0.5, featureProbabilities };
      return generatedBatches(
        'x',
        createRandomSource(3),
        random => new SyntheticClusteredDataGenerator(2, N_FEATURES, random, options),
      );
    },
  },
  'hidden activations': { size: BATCH * 2, make: () => generatedBatches('x', createRandomSource(2), hidden(0.4)) },
  'batches in turn': {
    size: 3 * BATCH * 2,
    make: () =>
      sideBySide(
        'x',
        [1, 2, 3].map(seed => generatedBatches('x', createRandomSource(seed), hidden(0.9))),
      ),
  },
  'batches that several read': {
    size: 4 * BATCH * 2,
    make: () =>
      sideBySide(
        'x',
        [1, 2].map(seed => generatedBatches('x', createRandomSource(seed), hidden(0.9))),
        [0, 1, 1, 0],
      ),
  },
  'samples side by side': {
    size: BATCH * 3 * N_FEATURES,
    make: () =>
      samplesSideBySide(
        'x',
        N_FEATURES,
        SPARSITIES.map((sparsity, i) => generatedBatches('x', createRandomSource(4 + i), features(sparsity))),
      ),
  },
};

describe('batch sources', () => {
  for (const [name, { size, make }] of Object.entries(SOURCES)) {
    it(`are the same from their recipe, in another thread's copy of it, from wherever they stand: ${name}`, async () => {
      const source = make();
      await next(source, 2, size);
      const other = batchesFrom(structuredClone(source.recipe!()!));
      expect(await next(other, 3, size)).to.deep.equal(await next(source, 3, size));
      expect(other.state()).to.deep.equal(source.state());
    });

    it(`give the same one step at a time or many, and again from a position that went through JSON: ${name}`, async () => {
      const [whole, parts] = [make(), make()];
      const all = await next(whole, 4, size);
      const first = await next(parts, 1, size);
      const position = JSON.parse(JSON.stringify(parts.state()));
      const rest = await next(parts, 3, size);
      expect([...first, ...rest]).to.deep.equal([...all]);
      await parts.restore(position);
      expect(await next(parts, 3, size)).to.deep.equal(rest);
    });
  }

  it('put each instance in its own columns, as it would be drawn alone', async () => {
    const x = await next(SOURCES['samples side by side']!.make(), 2, BATCH * 3 * N_FEATURES);
    for (const [i, sparsity] of SPARSITIES.entries()) {
      const alone = new Float32Array(2 * BATCH * N_FEATURES);
      features(sparsity)(createRandomSource(4 + i)).fill(alone);
      const columns = x.filter((_, at) => Math.floor(at / N_FEATURES) % 3 === i);
      expect(columns).to.deep.equal(alone);
    }
  });

  it('are read by several as each would alone, and of a part only those that it reads', async () => {
    const size = BATCH * 2;
    const source = SOURCES['batches that several read']!.make();
    const { read, part } = partOf(source.recipe!()!, 1, 3);
    expect(read).to.deep.equal([1]);
    expect(part.readers).to.deep.equal([0, 0]);
    const x = await next(source, 2, 4 * size);
    const partly = await next(batchesFrom(part), 2, 2 * size);
    for (const [i, seed] of [1, 2, 2, 1].entries()) {
      const alone = new Float32Array(2 * size);
      hidden(0.9)(createRandomSource(seed)).fill(alone);
      const of = (all: Float32Array, place: number, places: number) =>
        all.filter((_, at) => Math.floor(at / size) % places === place);
      expect(of(x, i, 4), `instance ${i}`).to.deep.equal(alone);
      if (i === 1 || i === 2) expect(of(partly, i - 1, 2), `instance ${i} of the part`).to.deep.equal(alone);
    }
  });

  it('have no recipe where a generator is code alone, or one of several is', () => {
    const own = () => ({ fill: (into: Float32Array) => void into.fill(1) });
    const coded = generatedBatches('x', createRandomSource(1), own);
    expect(coded.recipe!()).to.equal(undefined);
    expect(sideBySide('x', [SOURCES['one generator']!.make(), coded]).recipe!()).to.equal(undefined);
    expect(generatedBatches('x', createRandomSource(1), () => hiddenActivations(WEIGHT, own())).recipe!()).to.equal(
      undefined,
    );
  });

  it('have no recipe where a generator is one of ours with a fill of its own', async () => {
    class Halved extends SyntheticSparseDataGenerator {
      override fill(into: Float32Array): void {
        super.fill(into);
        for (let i = 0; i < into.length; i++) into[i]! /= 2;
      }
    }
    const sparsity = [0.9, 0.9, 0.9];
    const halved = generatedBatches('x', createRandomSource(1), random => new Halved(BATCH, sparsity, random));
    expect(halved.recipe!()).to.equal(undefined);
    const [half, whole] = [new Float32Array(400), new Float32Array(400)];
    hiddenActivations(WEIGHT, new Halved(BATCH, sparsity, createRandomSource(1))).fill(half);
    hiddenActivations(WEIGHT, new SyntheticSparseDataGenerator(BATCH, sparsity, createRandomSource(1))).fill(whole);
    expect(whole.some(value => value !== 0)).to.equal(true);
    expect(half).to.deep.equal(whole.map(value => value / 2));
  });

  it('refuse a position that is none of theirs', async () => {
    expect(() => SOURCES['one generator']!.make().restore('here')).to.throw(FileFormatError, 'no random state');
    const failure = await Promise.resolve(SOURCES['samples side by side']!.make().restore([[1, 2, 3, 4]])).catch(
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(FileFormatError).with.property('message').that.includes('3 sources');
  });
});

describe('hiddenActivations', () => {
  for (const nHidden of [2, 3]) {
    it(`are the features times the weight, to the bit whether drawn as present entries or all: ${nHidden} hidden`, () => {
      const weight = hostTensor(
        Float32Array.from({ length: 4 * nHidden }, (_, i) => Math.sin(i + 1)),
        [4, nHidden],
      );
      const samples = 500;
      // Batches of 64, so that the last one is short.
      const draw = (seed: number) =>
        new SyntheticSparseDataGenerator(64, [0.9, 0.9, 0.9, 0.9], createRandomSource(seed));
      const sparse = new Float32Array(samples * nHidden);
      hiddenActivations(weight, draw(7)).fill(sparse);
      const dense = new Float32Array(samples * nHidden);
      const generator = draw(7);
      hiddenActivations(weight, { fill: into => generator.fill(into) }).fill(dense);
      expect(sparse).to.deep.equal(dense);

      const x = new Float32Array(samples * 4);
      draw(7).fill(x);
      for (let sample = 0; sample < samples; sample++) {
        for (let i = 0; i < nHidden; i++) {
          let sum = 0;
          for (let j = 0; j < 4; j++) sum += x[sample * 4 + j]! * weight.data[j * nHidden + i]!;
          expect(sparse[sample * nHidden + i]).to.be.closeTo(sum, 1e-6);
        }
      }
    });
  }
});
