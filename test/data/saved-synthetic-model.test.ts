/** Synthetic models that SAELens saved. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { openSyntheticModel } from '../../src/data/saved-synthetic-model.ts';
import { FileFormatError, InvalidValueError } from '../../src/errors.ts';
import { writeSafetensors } from '../../src/files/safetensors.ts';
import { hostTensor } from '../../src/tensor.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'synthetic-model-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const CONFIG = {
  num_features: 4,
  hidden_dim: 2,
  seed: 42,
  mean_firing_magnitudes: { generator_name: 'linear', start: 5, end: 4 },
  std_firing_magnitudes: 0,
};
const TENSORS = {
  feature_vectors: hostTensor([1, 0, 0, 1, -1, 0, 0, -1], [4, 2]),
  bias: hostTensor([0.5, 0], [2]),
  firing_probabilities: hostTensor([1, 1, 1, 0], [4]),
};
const LEAVES = [1, 2].map(feature_index => ({ feature_index, children: [] }));
const HIERARCHY = {
  roots: [
    { feature_index: 0, mutually_exclusive_children: true, scale_children_by_parent: false, children: LEAVES },
    { feature_index: 3, children: [] },
  ],
};

interface Files {
  readonly config?: object;
  readonly tensors?: Parameters<typeof writeSafetensors>[0];
  readonly hierarchy?: object;
}

async function write({ config = CONFIG, tensors = TENSORS, hierarchy }: Files): Promise<void> {
  await writeFile(join(folder, 'synthetic_model_config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'synthetic_model.safetensors'), writeSafetensors(tensors));
  if (hierarchy) await writeFile(join(folder, 'hierarchy.json'), JSON.stringify(hierarchy));
}

const refused = (): Promise<Error> =>
  openSyntheticModel(folder).then(
    () => expect.fail('it was read'),
    (error: Error) => error,
  );

describe('synthetic models as SAELens saves them', () => {
  it('give the rows that can be computed by hand', async () => {
    await write({ hierarchy: HIERARCHY });
    const source = await openSyntheticModel(folder);
    expect(source.features.parents).to.deep.equal([-1, 0, 0, -1]);
    const rows = new Float32Array(2 * 1000);
    source.generator(createRandomSource(3), 1).fill(rows);
    // Feature 0 always fires with 5; of its children one, with 14/3 along (0, 1) or 13/3 along (−1, 0); feature 3 never.
    let first = 0;
    for (let row = 0; row < 1000; row++) {
      const [x, y] = rows.subarray(2 * row, 2 * row + 2) as unknown as [number, number];
      const isFirst = y > 1;
      if (isFirst) first++;
      expect(x).to.be.closeTo(isFirst ? 5.5 : 5.5 - 13 / 3, 1e-5);
      expect(y).to.be.closeTo(isFirst ? 14 / 3 : 0, 1e-5);
    }
    expect(first).to.be.within(400, 600);
  });

  it('take magnitudes that are given', async () => {
    await write({});
    const source = await openSyntheticModel(folder, { magnitudes: { mean: [1, 2, 3, 4], std: [0, 0, 0, 0] } });
    const row = new Float32Array(2);
    source.generator(createRandomSource(3), 1).fill(row);
    // 1 · (1, 0) + 2 · (0, 1) + 3 · (−1, 0) + b.
    expect([...row]).to.deep.equal([-1.5, 2]);
  });

  it('are read from bfloat16, whose rounding is no other correlation', async () => {
    const type = 'bfloat16' as const;
    await write({
      tensors: {
        ...TENSORS,
        correlation_factor: { ...hostTensor([0.6, 0, 0, 0], [4, 1]), type },
        correlation_diag: { ...hostTensor([0.64, 1, 1, 1], [4]), type },
      },
    });
    expect((await openSyntheticModel(folder)).width).to.equal(2);
  });

  it('are refused with the file and the reason', async () => {
    expect(await refused())
      .to.be.instanceOf(FileFormatError)
      .with.property('message')
      .that.contains('cannot be read');
    for (const [files, error, reason] of [
      [{ config: { ...CONFIG, num_features: 0 } }, FileFormatError, 'num_features is 0'],
      [
        { config: { ...CONFIG, num_features: 5 } },
        FileFormatError,
        'feature_vectors has shape [4, 2]: expected [5, 2]',
      ],
      [{ config: { ...CONFIG, std_firing_magnitudes: { generator_name: 'cauchy' } } }, FileFormatError, 'cauchy'],
      [
        {
          tensors: {
            ...TENSORS,
            correlation_factor: hostTensor([0.6, 0, 0, 0], [4, 1]),
            correlation_diag: hostTensor([1, 1, 1, 1], [4]),
          },
        },
        FileFormatError,
        'correlation_diag of feature 0',
      ],
      [
        {
          tensors: {
            ...TENSORS,
            correlation_factor: hostTensor([Math.sqrt(1 - 1e-3), 0, 0, 0], [4, 1]),
            correlation_diag: hostTensor([1e-3, 1, 1, 1], [4]),
          },
        },
        InvalidValueError,
        'correlation_diag of feature 0 is 0.001',
      ],
      [{ hierarchy: { roots: [{ feature_index: 0, children: 3 }] } }, FileFormatError, 'a list of nodes'],
      [{ hierarchy: { roots: [{ feature_index: 7 }] } }, FileFormatError, 'feature 7 is not one of 4'],
      [{ hierarchy: { roots: [{ feature_index: null, children: LEAVES }] } }, InvalidValueError, 'is no feature'],
      [
        {
          hierarchy: {
            roots: [
              { feature_index: 0, scale_children_by_parent: true, children: [LEAVES[0]] },
              { feature_index: 3, scale_children_by_parent: false, children: [LEAVES[1]] },
            ],
          },
        },
        InvalidValueError,
        'all must or none',
      ],
    ] as const) {
      await rm(join(folder, 'hierarchy.json'), { force: true });
      await write(files);
      expect(await refused())
        .to.be.instanceOf(error)
        .with.property('message')
        .that.contains(reason);
    }
  });

  it('draw as SAELens draws from the model that it saved', async function () {
    this.timeout(120_000);
    const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';
    try {
      execFileSync(python, ['-c', 'import sae_lens.synthetic'], { stdio: 'pipe' });
    } catch {
      console.log(
        `      skipped: ${python} has no sae_lens with sae_lens.synthetic (set MONOSEMANTIC_PYTHON to a Python that has)`,
      );
      return this.skip();
    }
    const samples = 50_000;
    const script = fileURLToPath(new URL('saelens_samples.py', import.meta.url));
    const request = JSON.stringify({ kind: 'trees', samples, save: folder });
    const theirs = JSON.parse(
      execFileSync(python, [script, request], {
        maxBuffer: 2 ** 28,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    ) as {
      probabilities: number[];
      parents: number[];
      mean: number[];
      std: number[];
      fired: number[];
      total: number[];
    };
    const { mean, std } = theirs;
    const source = await openSyntheticModel(folder, { magnitudes: { std } });
    const n = theirs.probabilities.length;
    expect(source.dictionary.shape).to.deep.equal([n, 16]);
    expect(Math.hypot(...source.bias.data)).to.be.closeTo(0.5, 1e-5);
    expect(source.features.parents).to.deep.equal(theirs.parents);
    for (const [i, p] of source.features.probabilities.entries())
      expect(p).to.be.closeTo(theirs.probabilities[i]!, 1e-6);
    const generator = source.features.generator(createRandomSource(5), 1);
    const [fired, total] = [new Float64Array(n), new Float64Array(n)];
    for (let sample = 0; sample < samples; sample++) {
      const { count, positions, values } = generator.drawPresent!(1)!;
      for (let i = 0; i < count; i++) {
        fired[positions[i]!]!++;
        total[positions[i]!]! += values[i]!;
      }
    }
    for (let i = 0; i < n; i++) {
      const [a, b] = [fired[i]!, theirs.fired[i]!];
      if (a + b < 40) continue;
      const p = (a + b) / (2 * samples);
      expect(Math.abs(a - b) / Math.sqrt(2 * samples * p * (1 - p)), `feature ${i} fires`).to.be.below(6);
      // Means of magnitudes: a root's spread is its own; what scales children only widens it.
      if (theirs.parents[i] === -1 && a > 1000) {
        expect(total[i]! / a, `magnitude of ${i}`).to.be.closeTo(
          theirs.total[i]! / b,
          (10 * (std[i]! + 0.02)) / Math.sqrt(a),
        );
      }
      expect(mean[i]).to.be.within(4, 5);
    }
    // The spreads are of the same law where they are not given: |N(.5, .5²)|, whose mean is .5 (Φ(1) − Φ(−1)) + 1 · φ(1).
    const drawn = (await openSyntheticModel(folder)).features.description['magnitudes'] as { std: number[] };
    const average = drawn.std.reduce((sum, value) => sum + value, 0) / n;
    expect(average).to.be.closeTo(0.5 * 0.6827 + 0.242, 0.12);
  });
});
