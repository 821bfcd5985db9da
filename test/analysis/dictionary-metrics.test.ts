/** Metrics of dictionaries, against SAELens's own code, SciPy and NumPy (make_dictionary_metrics.py), and closed forms. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { bestMatches, uniqueness } from '../../src/analysis/best-matches.ts';
import { cosineSimilarityMatrix } from '../../src/analysis/cosine-similarity.ts';
import { DecoderProjection } from '../../src/analysis/decoder-projection.ts';
import { dictionaryCosine } from '../../src/analysis/dictionary-cosine.ts';
import { encoderAlignment } from '../../src/analysis/encoder-alignment.ts';
import { L0Histogram } from '../../src/analysis/l0-histogram.ts';
import { LatentF1 } from '../../src/analysis/latent-detection.ts';
import { matchDirections, meanCorrelation, pairwiseMeanCorrelation } from '../../src/analysis/match-directions.ts';
import { optimalMatching } from '../../src/analysis/optimal-matching.ts';
import { ReconstructionNorm } from '../../src/analysis/reconstruction-norm.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { filled, fromNested, type HostTensor, hostTensor, rowNorms, zeros } from '../../src/tensor.ts';
import { expectClose } from './reference.ts';

const reference = JSON.parse(
  readFileSync(new URL('../reference/dictionary-metrics.json', import.meta.url), 'utf8'),
) as Readonly<Record<'true_directions' | 'directions' | 'other' | 'third' | 'encoder', number[][]>> &
  Readonly<Record<'true_features' | 'features' | 'x' | 'reconstruction', number[][]>> &
  Readonly<Record<'mcc' | 'mcc_scipy' | 'mcc_signed' | 'uniqueness' | 'shrinkage' | 'c_dec', number>> & {
    readonly bias: number[];
    readonly best: number[];
    readonly pw_mcc: { readonly mean: number; readonly pairs: number[] };
    readonly classification: Readonly<Record<'precision' | 'recall' | 'f1' | 'accuracy', number>>;
    readonly relative_reconstruction_bias: number;
    readonly s_dec: Readonly<Record<string, number>>;
    readonly alignment: number[];
    readonly encoder_norms: number[];
    readonly l0: { mean: number; median: number; p5: number; p95: number; counts: number[] };
  };

const directions = fromNested(reference.directions);
const truth = fromNested(reference.true_directions);
const [other, third] = [fromNested(reference.other), fromNested(reference.third)];
const [x, reconstruction] = [fromNested(reference.x), fromNested(reference.reconstruction)];
const [features, trueFeatures] = [fromNested(reference.features), fromNested(reference.true_features)];

/** Two batches of unequal size. */
function halves(tensor: HostTensor): HostTensor[] {
  const width = tensor.shape[1]!;
  return [
    { data: tensor.data.subarray(0, 7 * width), shape: [7, width] },
    { data: tensor.data.subarray(7 * width), shape: [tensor.shape[0]! - 7, width] },
  ];
}

function gaussian(rows: number, width: number, seed: number): HostTensor {
  const random = createRandomSource(seed);
  return hostTensor(
    Float32Array.from({ length: rows * width }, () => random.normal()),
    [rows, width],
  );
}

describe('MCC', () => {
  it('agrees with SAELens and SciPy, in both orders', () => {
    expectClose([meanCorrelation(directions, truth)!], [reference.mcc]);
    expectClose([meanCorrelation(directions, truth)!], [reference.mcc_scipy]);
    expectClose([meanCorrelation(truth, directions)!], [reference.mcc_scipy]);
    expectClose([meanCorrelation(directions, truth, { signed: true })!], [reference.mcc_signed]);
  });

  it('of pairs of dictionaries agrees with SciPy', () => {
    const { mean, pairs } = pairwiseMeanCorrelation([directions, other, third]);
    expectClose([mean!], [reference.pw_mcc.mean]);
    expectClose(
      pairs.map(({ mcc }) => mcc!),
      reference.pw_mcc.pairs,
    );
    expect(pairs.map(({ first, second }) => [first, second])).to.deep.equal([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
  });

  it('is 1 for the same directions in another order and sign, and 1/√2 for a basis turned by 45°', () => {
    const turned = { data: directions.data.map(value => -3 * value), shape: directions.shape };
    const reversed = {
      data: Float32Array.from(
        Array.from({ length: 12 }, (_, i) => [...turned.data.subarray((11 - i) * 6, (12 - i) * 6)]).flat(),
      ),
      shape: [12, 6],
    };
    const matching = matchDirections(reversed, directions);
    expect(matching.mean).to.be.closeTo(1, 1e-6);
    expect(
      meanCorrelation(
        fromNested([
          [1, 0],
          [0, 1],
        ]),
        fromNested([
          [1, 1],
          [-1, 1],
        ]),
      ),
    ).to.be.closeTo(Math.SQRT1_2, 1e-6);
  });

  it('finds the optimum of the dense problem from short lists', () => {
    const cases = [
      [60, 60, 6, 3],
      [50, 80, 10, 4],
      [80, 50, 10, 1],
      [200, 200, 24, 8],
      [5, 5, 3, 2],
    ] as const;
    for (const [n, m, width, candidates] of cases) {
      const [a, b] = [gaussian(n, width, n), gaussian(m, width, m + 1)];
      const cosines = cosineSimilarityMatrix(a, b);
      const dense = optimalMatching({ ...cosines, data: cosines.data.map(Math.abs) });
      const sparse = matchDirections(a, b, { candidates, tolerance: 0 });
      expect(sparse.mean).to.be.closeTo(dense.mean, 1e-9);
      expect(sparse.upperBound).to.be.closeTo(dense.mean, 1e-9);
      const used = [...sparse.matches].filter(match => match >= 0);
      expect(new Set(used).size).to.equal(Math.min(n, m));
      expect(used.length).to.equal(Math.min(n, m));
      // What it says of each pair is the cosine of that pair.
      for (const [second, first] of sparse.matches.entries()) {
        const cosine = first < 0 ? 0 : Math.abs(cosines.data[first * m + second]!);
        expect(sparse.similarities[second]).to.be.closeTo(cosine, 1e-6);
      }
    }
  });

  it('lies within its bound of the optimum where it may stop early', () => {
    const [a, b] = [gaussian(150, 8, 1), gaussian(150, 8, 2)];
    const exact = matchDirections(a, b, { tolerance: 0 }).mean!;
    const early = matchDirections(a, b, { candidates: 2, tolerance: 0.05 });
    expect(early.mean).to.be.at.most(exact + 1e-9);
    expect(early.upperBound).to.be.at.least(exact - 1e-9);
    expect(early.upperBound! - early.mean!).to.be.within(1e-9, 0.05);
  });

  it('matches many latents that all want the same few features', () => {
    // Equal directions make every choice among them a tie.
    const few = gaussian(3, 4, 1);
    const many = { data: Float32Array.from({ length: 400 }, (_, i) => few.data[i % 12]!), shape: [100, 4] };
    const { mean, matches } = matchDirections(many, many, { candidates: 2 });
    expect(mean).to.be.closeTo(1, 1e-6);
    expect(new Set(matches).size).to.equal(100);
  });

  it('is undefined for nothing, and refuses what does not fit', () => {
    expect(meanCorrelation(zeros([0, 3]), zeros([2, 3]))).to.equal(undefined);
    expect(() => meanCorrelation(zeros([2, 3]), zeros([2, 4]))).to.throw(InvalidShapeError, 'expected [n, 3]');
    expect(() => meanCorrelation(filled([2, 2], Number.NaN), zeros([2, 2]))).to.throw(InvalidValueError, 'finite');
    expect(() => pairwiseMeanCorrelation([directions])).to.throw(InvalidValueError, 'at least two');
  });
});

describe('latents and the true features nearest to them', () => {
  const matches = bestMatches(directions, truth);

  it('are those of NumPy, and as distinct as SAELens says', () => {
    expect([...matches.features]).to.deep.equal(reference.best);
    expect(uniqueness(matches)).to.equal(reference.uniqueness);
  });

  it('have the precision, recall, F1 and accuracy of SAELens, streamed', () => {
    const metric = new LatentF1(matches);
    const truths = halves(trueFeatures);
    halves(features).forEach((batch, i) => void metric.add(batch, truths[i]!));
    const { mean, f1 } = metric.compute();
    for (const [name, value] of Object.entries(reference.classification)) {
      expect(mean[name as keyof typeof mean], name).to.be.closeTo(value, 1e-6);
    }
    // The latent that never fires counts.
    expect(f1[11]).to.equal(0);
  });

  it('detect perfectly where they are the features', () => {
    const metric = new LatentF1(bestMatches(truth, truth));
    metric.add(trueFeatures, trueFeatures);
    expect(metric.compute().mean).to.deep.equal({ precision: 1, recall: 1, f1: 1, accuracy: 1 });
  });

  it('refuse samples that do not belong together', () => {
    const metric = new LatentF1(matches);
    expect(() => metric.compute()).to.throw(InvalidValueError, 'no samples');
    expect(() => metric.add(zeros([2, 12]), zeros([3, 9]))).to.throw(InvalidShapeError, '2 samples');
    expect(() => metric.add(zeros([2, 12]), zeros([2, 3]))).to.throw(InvalidShapeError, '3 true features');
  });
});

describe('ReconstructionNorm', () => {
  it('has the shrinkage of SAELens and the bias of the Gated paper, streamed', () => {
    const metric = new ReconstructionNorm();
    const parts = halves(reconstruction);
    halves(x).forEach((batch, i) => void metric.add(batch, parts[i]!));
    const { shrinkage, relativeReconstructionBias, samples } = metric.compute();
    expectClose(
      [shrinkage!, relativeReconstructionBias!, samples],
      [reference.shrinkage, reference.relative_reconstruction_bias, 40],
    );
  });

  it('is the factor by which reconstructions are too short', () => {
    const metric = new ReconstructionNorm();
    metric.add(x, { ...x, data: x.data.map(value => 0.8 * value) });
    const { shrinkage, relativeReconstructionBias } = metric.compute();
    expect(shrinkage).to.be.closeTo(0.8, 1e-6);
    expect(relativeReconstructionBias).to.be.closeTo(0.8, 1e-6);
  });

  it('is undefined where activations or reconstructions are zero', () => {
    const metric = new ReconstructionNorm();
    metric.add(zeros([3, 2]), filled([3, 2], 1));
    expect(metric.compute()).to.deep.equal({ shrinkage: undefined, relativeReconstructionBias: undefined, samples: 3 });
  });
});

describe('what needs no truth', () => {
  it('c_dec is that of NumPy, 0 for an orthogonal basis, and of a sample where the dictionary is large', () => {
    expectClose([dictionaryCosine(directions).mean!], [reference.c_dec]);
    expect(
      dictionaryCosine(
        fromNested([
          [2, 0],
          [0, 1],
        ]),
      ),
    ).to.deep.equal({ mean: 0, latents: 2 });
    expect(dictionaryCosine(zeros([1, 3]))).to.deep.equal({ mean: undefined, latents: 1 });
    // E|cos| of random directions in d dimensions: Γ(d/2) / (√π Γ((d+1)/2)); d = 16 gives 0.20261.
    const random = gaussian(1500, 16, 5);
    const sampled = dictionaryCosine(random, { mostLatents: 400 });
    expect(sampled.latents).to.equal(400);
    expect(sampled.mean).to.be.closeTo(0.20261, 0.003);
    expect(dictionaryCosine(random).mean).to.be.closeTo(0.20261, 0.001);
    expect(() => dictionaryCosine(random, { mostLatents: 1 })).to.throw(InvalidValueError, 'from 2');
  });

  it('s_n^dec is that of NumPy for any n', () => {
    const norms = rowNorms(directions);
    const unit = { ...directions, data: directions.data.map((value, i) => value / norms[Math.floor(i / 6)]!) };
    const n = Object.keys(reference.s_dec).map(Number);
    const metric = new DecoderProjection({ directions: unit, bias: reference.bias, n });
    metric.add(x);
    expectClose(
      metric.compute().map(({ value }) => value),
      n.map(value => reference.s_dec[String(value)]!),
    );
    expect(new DecoderProjection({ directions: gaussian(24, 3, 1) })).to.be.an('object');
    expect(() => new DecoderProjection({ directions, n: [13] })).to.throw(InvalidValueError, 'at most 12');
    expect(() => metric.add(zeros([2, 5]))).to.throw(InvalidShapeError, 'expected [samples, 6]');
  });

  it('s_n^dec is the mean over batches, at the powers of two by default', () => {
    const basis = fromNested([
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ]);
    const metric = new DecoderProjection({ directions: basis });
    // Of each batch of one row the n-th largest number.
    metric.add(fromNested([[4, 3, 2, 1]]));
    metric.add(fromNested([[0, 8, 1, 5]]));
    expect(metric.compute()).to.deep.equal([
      { n: 1, value: 6 },
      { n: 2, value: 4 },
    ]);
  });

  it('encoder and decoder have the cosines of PyTorch', () => {
    const { cosines, encoderNorms, mean } = encoderAlignment(fromNested(reference.encoder), directions);
    expectClose(cosines, reference.alignment);
    expectClose(encoderNorms, reference.encoder_norms);
    expect(mean).to.be.closeTo(reference.alignment.reduce((sum, value) => sum + value, 0) / 12, 1e-6);
    expect(() => encoderAlignment(directions, directions)).to.throw(InvalidShapeError, '[d, dSae] and [dSae, d]');
  });

  it('the distribution of L0 is that of NumPy, in bins where it is wide', () => {
    const metric = new L0Histogram();
    for (const batch of halves(features)) metric.add(batch);
    const { mean, median, p5, p95, counts } = reference.l0;
    const edges = [0, 1, 2, 3, 4, 5, 6, 7];
    const found = metric.compute();
    expect(found.mean).to.be.closeTo(mean, 1e-6);
    expect({ ...found, mean: 0 }).to.deep.equal({ edges, counts, mean: 0, median, p5, p95 });
    const wide = new L0Histogram();
    wide.add({
      data: Float32Array.from({ length: 200 * 200 }, (_, i) => (i % 200 <= Math.floor(i / 200) ? 1 : 0)),
      shape: [200, 200],
    });
    const { edges: wideEdges, counts: wideCounts } = wide.compute();
    // Sample i has i + 1 active latents; 201 possible values in at most 32 bins are 7 to a bin.
    expect(wideEdges.slice(0, 3)).to.deep.equal([0, 7, 14]);
    expect(wideCounts.slice(0, 2)).to.deep.equal([6, 7]);
    expect(wideCounts.reduce((sum, count) => sum + count, 0)).to.equal(200);
  });
});
