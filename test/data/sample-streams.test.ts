/** A seed gives one stream of samples, however it is cut into calls (finding A1), and the one that it gave before calls were cut freely. */
import { expect } from 'chai';
import { activationSource } from '../../src/data/activation-data.ts';
import { type BatchSource, batchesFrom, renamed, samplesSideBySide, sideBySide } from '../../src/data/batch-source.ts';
import { clusteredFeatures } from '../../src/data/clustered-features.ts';
import { contentHash } from '../../src/data/content-hash.ts';
import type { GeneratedSource } from '../../src/data/generated-source.ts';
import { createRandomSource, type RandomSource } from '../../src/data/random-source.ts';
import type { SampleGenerator } from '../../src/data/sample-generator.ts';
import { sparseFeatures } from '../../src/data/sparse-features.ts';
import { SyntheticSparseDataGenerator } from '../../src/data/synthetic-sparse.ts';
import { toyModelActivations } from '../../src/data/toy-model-activations.ts';
import { FileFormatError } from '../../src/errors.ts';
import { hostTensor } from '../../src/tensor.ts';

const N = 5;
const BATCH = 64;
const WEIGHT = hostTensor(
  Float32Array.from({ length: 3 * N }, (_, i) => Math.sin(i + 1)),
  [N, 3],
);
const PLANE = hostTensor(
  Float32Array.from({ length: 2 * N }, (_, i) => Math.cos(i + 1)),
  [N, 2],
);

/** Few present, most present, and several sparsities in one sample: each is drawn another way. */
const FEATURES: Readonly<Record<string, GeneratedSource>> = {
  sparse: sparseFeatures({ nFeatures: N, sparsity: 0.9 }),
  dense: sparseFeatures({ nFeatures: N, sparsity: [0.5, 0.5, 0.5, 0.5, 0.5] }),
  mixed: sparseFeatures({ nFeatures: N, sparsity: [0.9, 0.5, 0.95, 0.9, 0.99] }),
  clustered: clusteredFeatures({ nTopics: 4, nFeatures: N, alpha: 0.5, beta: [0.5, 1], seed: 3 }),
};

const SOURCES: Readonly<Record<string, GeneratedSource>> = {
  ...FEATURES,
  ...Object.fromEntries(
    Object.entries(FEATURES).flatMap(([name, features]) => [
      [`hidden activations of ${name}`, toyModelActivations(WEIGHT, features)],
      [`hidden activations in the plane of ${name}`, toyModelActivations(PLANE, features)],
    ]),
  ),
};

/** Sizes of calls that add up to `total`, drawn at random: up to the end of a batch, or of any size. */
function cuts(total: number, random: RandomSource): number[] {
  const sizes: number[] = [];
  for (let left = total; left > 0; left -= sizes.at(-1)!) {
    sizes.push(random.integer(2) ? left % BATCH || BATCH : 1 + random.integer(Math.min(left, 3 * BATCH)));
  }
  return sizes;
}

async function rowsOf(batches: BatchSource, width: number, rows: number, inputName = 'activations') {
  const into = new Float32Array(rows * width);
  await batches.fill({ [inputName]: into }, 1);
  return into;
}

describe('a stream of generated samples', () => {
  const random = createRandomSource(11);

  for (const [name, source] of Object.entries(SOURCES)) {
    const { width } = source;

    it(`is the same however its generator is called: ${name}`, () => {
      for (let seed = 0; seed < 20; seed++) {
        const whole = new Float32Array(10 * BATCH * width);
        source.generator(createRandomSource(seed), BATCH).fill(whole);
        const generator = source.generator(createRandomSource(seed), BATCH);
        let at = 0;
        for (const rows of cuts(10 * BATCH, random)) {
          const into = new Float32Array(rows * width);
          drawSomehow(generator, into, rows, random);
          expect(into, `rows ${at} to ${at + rows} of seed ${seed}`).to.deep.equal(
            whole.slice(at * width, (at + rows) * width),
          );
          at += rows;
        }
      }
    });

    it(`goes on from a position within a batch that went through JSON, and so does its recipe: ${name}`, async () => {
      const open = async () => (await source.open({ seed: 5, batchSize: BATCH })).batches;
      const batches = await open();
      for (const rows of [BATCH, 7, 3 * BATCH - 7, BATCH - 1]) {
        await rowsOf(batches, width, rows);
        const position = JSON.parse(JSON.stringify(batches.state()));
        const other = await open();
        await other.restore(position);
        const copy = batchesFrom(structuredClone(batches.recipe!()!));
        const expected = await rowsOf(batches, width, 2 * BATCH + 5);
        expect(await rowsOf(other, width, 2 * BATCH + 5)).to.deep.equal(expected);
        expect(await rowsOf(copy, width, 2 * BATCH + 5)).to.deep.equal(expected);
        expect(other.state()).to.deep.equal(batches.state());
        expect(copy.state()).to.deep.equal(batches.state());
      }
    });
  }

  it('is the same where a generator draws twice the batch that is trained on, in one call of 4 steps or 1 and 3', () => {
    // As finding A1 was shown: trainer 1024, generator 2048.
    const generator = () => new SyntheticSparseDataGenerator(2048, [0.9, 0.9, 0.9, 0.9], createRandomSource(0));
    const [whole, parts] = [new Float32Array(4 * 1024 * 4), new Float32Array(4 * 1024 * 4)];
    generator().fill(whole);
    const apart = generator();
    apart.fill(parts.subarray(0, 1024 * 4));
    apart.fill(parts.subarray(1024 * 4));
    expect(parts).to.deep.equal(whole);
  });

  it('refuses a position that no batch of its has', async () => {
    const { batches } = await FEATURES['sparse']!.open({ seed: 0, batchSize: 8 });
    const { random: words } = (() => {
      const generator = FEATURES['sparse']!.generator(createRandomSource(0), 8);
      generator.skip!(3);
      return generator.begun!;
    })();
    await batches.restore({ random: words, taken: 3 });
    for (const wrong of [
      { random: words, taken: 8 },
      { random: words, taken: -1 },
      { random: [0, 0, 0, 0], taken: 1 },
      3,
    ]) {
      const failure = await Promise.resolve()
        .then(() => batches.restore(wrong))
        .catch((error: unknown) => error);
      expect(failure, JSON.stringify(wrong)).to.be.instanceOf(FileFormatError);
    }
  });
});

/** Draws the next samples by one of the ways that a generator has. */
function drawSomehow(generator: SampleGenerator, into: Float32Array, rows: number, random: RandomSource): void {
  const present = random.integer(2) ? generator.drawPresent?.(rows) : undefined;
  if (!present) generator.fill(into);
  else for (let i = 0; i < present.count; i++) into[present.positions[i]!] = present.values[i]!;
}

/**
 * Hashes of what commit c5ddd67 drew with `generatedBatches`, `generatedSamples` and `sideBySide` where generator and trainer had the batch
 * size 64: 4 steps of seed 3 (streams 1, and 8 for hidden activations), 256 rows of streams 2 and 3.
 */
const BEFORE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  sparse: {
    batches: 'e64cd3069778ca67',
    sample: 'a5e6e55ae4ae126f',
    heldOut: 'ca0d7f8d1c136c59',
    restarts: 'f164f38820297a5d',
    hidden: '8507aad4602ec12d',
    hiddenSample: 'd5f42c4a427c0c12',
    sideBySide: '0b9ca52086da5a05',
  },
  dense: {
    batches: 'bf3a37211efae9fe',
    sample: 'f7161b2bfb048fd6',
    heldOut: '56a072a98990b93a',
    restarts: '576f7150315b2fc6',
    hidden: 'f9ee68e0ea963d41',
    hiddenSample: 'c22072fb81d84d2b',
    sideBySide: '5432e5add7b4ea37',
  },
  mixed: {
    batches: '8ce5253d32e77359',
    sample: '6fc59d484d3107cd',
    heldOut: '96c88795a24c8b2d',
    restarts: '503104e70a2ef17d',
    hidden: '25b155553df5acc9',
    sideBySide: '466c61137a666e1b',
  },
  clustered: { batches: 'f38fa9c4e663201b' },
};

describe('a generated source', () => {
  const filled = async (batches: BatchSource, size: number): Promise<Float32Array> => {
    const x = new Float32Array(4 * size);
    await batches.fill({ x }, 4);
    return x;
  };
  const heldOutOf = async (source: GeneratedSource, rows: number, batchSize: number): Promise<Float32Array> => {
    const { heldOut } = await source.open({ seed: 3, batchSize: BATCH });
    const all: number[] = [];
    for await (const { input } of heldOut(rows, batchSize)) {
      expect(input.shape[0]).to.be.at.most(batchSize);
      all.push(...input.data);
    }
    return Float32Array.from(all);
  };

  for (const [name, before] of Object.entries(BEFORE)) {
    it(`draws what the same seed and batch size drew before: ${name}`, async () => {
      const features = FEATURES[name]!;
      const { batches, sample } = await features.open({ seed: 3, batchSize: BATCH });
      const hidden = toyModelActivations({ featureDirections: () => WEIGHT }, features);
      const opened = await hidden.open({ seed: 3, batchSize: BATCH });
      const restarts = await Promise.all(
        [0, 1, 2].map(restart => features.open({ seed: 3, batchSize: BATCH, restart })),
      );
      const seeds = await Promise.all([1, 2].map(seed => hidden.open({ seed, batchSize: BATCH })));
      const join = (sources: readonly { readonly batches: BatchSource }[]) =>
        sources.map(source => renamed(source.batches, 'x'));
      const now: Record<string, string> = {
        batches: contentHash(await filled(renamed(batches, 'x'), BATCH * N)),
        sample: contentHash((await sample(4 * BATCH)).data),
        heldOut: contentHash(await heldOutOf(features, 4 * BATCH, 100)),
        restarts: contentHash(await filled(samplesSideBySide('x', N, join(restarts)), BATCH * 3 * N)),
        hidden: contentHash(await filled(renamed(opened.batches, 'x'), BATCH * 3)),
        hiddenSample: contentHash((await opened.sample(100)).data),
        sideBySide: contentHash(await filled(sideBySide('x', join(seeds), [0, 1, 0]), BATCH * 3 * 3)),
      };
      for (const [what, hash] of Object.entries(before)) expect(now[what], what).to.equal(hash);
    });
  }

  it('gives a sample whose beginning is a smaller sample, and moves nothing by it', async () => {
    const source = FEATURES['mixed']!;
    const opened = await source.open({ seed: 1, batchSize: BATCH });
    const fresh = await source.open({ seed: 1, batchSize: BATCH });
    const [small, large] = [await opened.sample(10), await opened.sample(1000)];
    expect(large.data.slice(0, 10 * N)).to.deep.equal(small.data);
    expect(large.shape).to.deep.equal([1000, N]);
    for await (const _ of opened.heldOut(100, 10));
    expect(await rowsOf(opened.batches, N, 200)).to.deep.equal(await rowsOf(fresh.batches, N, 200));
  });

  it('holds out the same rows whatever the size of their batches, as many as are asked for', async () => {
    for (const source of [FEATURES['mixed']!, FEATURES['clustered']!]) {
      const rows = await heldOutOf(source, 333, 333);
      expect(rows).to.have.length(333 * N);
      expect(await heldOutOf(source, 333, 10)).to.deep.equal(rows);
    }
  });

  it('gives each restart, seed and kind of rows numbers of their own', async () => {
    const source = FEATURES['dense']!;
    const first = async (seed: number, restart?: number): Promise<number> => {
      const { batches } = await source.open({ seed, batchSize: BATCH, restart });
      return (await rowsOf(batches, N, 1))[0]!;
    };
    const opened = await source.open({ seed: 0, batchSize: BATCH });
    const numbers = [
      await first(0),
      await first(1),
      await first(0, 0),
      await first(0, 1),
      (await opened.sample(1)).data[0]!,
      (await heldOutOf(source, 1, 1))[0]!,
    ];
    expect(new Set(numbers.map(String)).size).to.equal(numbers.length);
  });

  it('has an identity that is equal exactly where the rows are', async () => {
    const identity = async (source: GeneratedSource, options: object = {}): Promise<string> =>
      JSON.stringify((await activationSource(source).open({ seed: 0, batchSize: BATCH, ...options })).identity);
    const same = sparseFeatures({ nFeatures: N, sparsity: 0.9 });
    expect(await identity(same)).to.equal(await identity(FEATURES['sparse']!));
    const other = hostTensor(
      WEIGHT.data.map(value => value + 1e-6),
      [N, 3],
    );
    const different = [
      await identity(same),
      await identity(same, { seed: 1 }),
      await identity(same, { batchSize: 2 * BATCH }),
      await identity(same, { restart: 0 }),
      await identity(FEATURES['dense']!),
      await identity(FEATURES['clustered']!),
      await identity(clusteredFeatures({ nTopics: 4, nFeatures: N, seed: 4 })),
      await identity(toyModelActivations(WEIGHT, same)),
      await identity(toyModelActivations(other, same)),
    ];
    expect(new Set(different).size).to.equal(different.length);
  });

  it('joins sources that no recipe describes as it joins generated ones', async () => {
    const members = async (): Promise<BatchSource[]> =>
      Promise.all([1, 2].map(async seed => (await FEATURES['sparse']!.open({ seed, batchSize: 4 })).batches));
    const joined = samplesSideBySide('activations', N, await members(), [1, 0, 1]);
    const opaque = (await members()).map(({ fill, state, restore }, i, all) => ({
      fill: fill.bind(all[i]),
      state: state.bind(all[i]),
      restore: restore.bind(all[i]),
    }));
    const other = samplesSideBySide('activations', N, opaque, [1, 0, 1]);
    expect(joined.recipe!()).to.include({ input: 'activations' });
    expect(other.recipe!()).to.equal(undefined);
    const [a, b] = [new Float32Array(3 * 4 * 3 * N), new Float32Array(3 * 4 * 3 * N)];
    await joined.fill({ activations: a }, 3);
    await other.fill({ activations: b }, 3);
    expect(b).to.deep.equal(a);
    expect(batchesFrom(joined.recipe!()!).state()).to.deep.equal(other.state());
  });
});
