/** SynthSAEBench and its dictionaries. */
import { execFileSync } from 'node:child_process';
import { expect } from 'chai';
import { dictionaryFeatures } from '../../src/data/dictionary-features.ts';
import { orthogonalised, orthonormalRows, unitRows } from '../../src/data/random-dictionary.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { synthSaeBench } from '../../src/data/synth-sae-bench.ts';
import { InvalidValueError } from '../../src/errors.ts';
import type { HostTensor } from '../../src/tensor.ts';

function largestProduct({ data, shape }: HostTensor): number {
  const [n, d] = shape as [number, number];
  let largest = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      let product = 0;
      for (let k = 0; k < d; k++) product += data[i * d + k]! * data[j * d + k]!;
      largest = Math.max(largest, Math.abs(product));
    }
  }
  return largest;
}

describe('dictionaries drawn at random', () => {
  it('are orthonormal where they are asked to be', () => {
    const rows = orthonormalRows(20, 20, createRandomSource(1));
    expect(largestProduct(rows)).to.be.below(1e-6);
    for (let i = 0; i < 20; i++) expect(Math.hypot(...rows.data.subarray(i * 20, (i + 1) * 20))).to.be.closeTo(1, 1e-6);
    expect(() => orthonormalRows(21, 20, createRandomSource(1))).to.throw(InvalidValueError, 'at most 20');
    const source = dictionaryFeatures({ nFeatures: 5, dIn: 8, firing: 0.1, dictionary: 'orthonormal' });
    expect(largestProduct(source.dictionary)).to.be.below(1e-6);
    const unit = dictionaryFeatures({ nFeatures: 5, dIn: 8, firing: 0.1 });
    expect(unit.description).to.not.deep.equal(source.description);
  });

  it("are moved apart as SAELens's orthogonalize_embeddings moves them", function () {
    const rows = unitRows(30, 12, createRandomSource(3));
    const moved = orthogonalised(rows, { steps: 25, learningRate: 0.003 });
    expect(largestProduct(moved)).to.be.below(largestProduct(rows));
    const python = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';
    const code =
      'import json, sys, torch\nfrom sae_lens.synthetic import orthogonalize_embeddings\n' +
      'print(json.dumps(orthogonalize_embeddings(torch.tensor(json.load(sys.stdin)).reshape(30, 12), 25, 0.003).flatten().tolist()))';
    let theirs: number[];
    try {
      execFileSync(python, ['-c', 'import sae_lens.synthetic'], { stdio: 'pipe' });
    } catch {
      console.log(
        `      skipped: ${python} has no sae_lens with sae_lens.synthetic (set MONOSEMANTIC_PYTHON to a Python that has)`,
      );
      return this.skip();
    }
    theirs = JSON.parse(
      execFileSync(python, ['-c', code], { input: JSON.stringify([...rows.data]), encoding: 'utf8', stdio: 'pipe' }),
    );
    for (const [i, value] of theirs.entries()) expect(moved.data[i]).to.be.closeTo(value, 2e-4);
  });
});

describe('SynthSAEBench', () => {
  it('has at full size the trees and the L0 of SynthSAEBench-16k', () => {
    const { features, bias } = synthSaeBench({ dictionary: 'unit' });
    const { parents, probabilities } = features;
    expect(Math.hypot(...bias.data)).to.be.closeTo(0.5, 1e-6);
    // 128 roots, 10,880 features in trees, 2,688 parents.
    expect(parents!.slice(0, 128).every(parent => parent === -1)).to.equal(true);
    expect(parents!.filter(parent => parent >= 0)).to.have.length(10_880 - 128);
    expect(new Set(parents!.filter(parent => parent >= 0)).size).to.equal(2688);
    expect([probabilities[0], probabilities.at(-1)]).to.deep.equal([0.4, 5e-4]);
    // The first child of the first root: p / p_root · (1 + Σ p_sibling / p_root).
    const p = (i: number): number => {
      const last = 16_384 ** -0.5;
      return 5e-4 + ((0.4 - 5e-4) * ((i + 1) ** -0.5 - last)) / (1 - last);
    };
    const expected = (p(128) / p(0)) * (1 + (p(129) + p(130) + p(131)) / p(0));
    expect(probabilities[128]).to.be.closeTo(expected, 1e-12);
    const samples = 400;
    const { count } = features.generator(createRandomSource(1), 1).drawPresent!(samples)!;
    // "True L0 about 34"; its spread is some 7 a sample.
    expect(count / samples).to.be.within(32, 36);
  });

  it('can be made smaller, and is the same for a seed', async () => {
    const options = {
      nFeatures: 512,
      dIn: 24,
      trees: { roots: 8, branching: 4, depth: 2, exclusive: true, scaleByParent: true, compensate: true },
    } as const;
    const [one, other] = [synthSaeBench(options), synthSaeBench(options)];
    expect(other.dictionary).to.deep.equal(one.dictionary);
    expect(other.description).to.deep.equal(one.description);
    expect(synthSaeBench({ ...options, correlation: 'none' }).description).to.not.deep.equal(one.description);
    const rows = await Promise.all(
      [one, other].map(async own => (await own.open({ seed: 1, batchSize: 8 })).sample(50)),
    );
    expect(rows[1]).to.deep.equal(rows[0]);
    expect(synthSaeBench({ ...options, trees: 'none' }).features.parents).to.equal(undefined);
    expect(synthSaeBench({ ...options, seed: 1 }).dictionary).to.not.deep.equal(one.dictionary);
  });
});
