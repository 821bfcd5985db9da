import { expect } from 'chai';
import { DetectionF1 } from '../../src/analysis/detection-f1.ts';
import { ExplainedVariance } from '../../src/analysis/explained-variance.ts';
import { FiringDensity } from '../../src/analysis/firing-density.ts';
import { L0 } from '../../src/analysis/l0.ts';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import { filled, fromNested, type HostTensor, hostTensor, zeros } from '../../src/tensor.ts';
import { expectClose, reference } from './reference.ts';

const x = fromNested(reference.x);
const reconstruction = fromNested(reference.reconstruction);
const features = fromNested(reference.features);

/** Batches of unequal size. */
function batches(tensor: HostTensor): HostTensor[] {
  const width = tensor.shape[1]!;
  const cuts = [0, 1, 8, 8, 40, tensor.shape[0]!];
  return cuts.slice(1).map((end, i) => ({
    data: tensor.data.subarray(cuts[i]! * width, end * width),
    shape: [end - cuts[i]!, width],
  }));
}

describe('ExplainedVariance', () => {
  it('agrees with the reference figures, in one batch and in several', () => {
    const whole = new ExplainedVariance();
    whole.add(x, reconstruction);
    expectClose([whole.compute()!], [reference.explained_variance]);
    const streamed = new ExplainedVariance();
    const parts = batches(reconstruction);
    batches(x).forEach((batch, i) => void streamed.add(batch, parts[i]!));
    expect(streamed.compute()).to.be.closeTo(whole.compute()!, 1e-12);
  });

  it('is 1 for the activations themselves, 0 for their mean, and does not lose a small variance to a large mean', () => {
    const random = createRandomSource(1);
    // Whole multiples of float32's spacing at 4096, so that nothing is rounded but the mean.
    const values = Float32Array.from({ length: 2000 }, () => 4096 + Math.round(random.normal() * 4) / 2048);
    const mean = values.reduce((sum, value) => sum + value, 0) / 2000;
    const score = (guess: (value: number) => number) => {
      const metric = new ExplainedVariance();
      metric.add(hostTensor(values, [2000, 1]), hostTensor(values.map(guess), [2000, 1]));
      return metric.compute();
    };
    expect(score(value => value)).to.equal(1);
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    const offset = Math.fround(mean) - mean;
    expect(score(() => mean)).to.be.closeTo((-2000 * offset ** 2) / variance, 1e-6);
  });

  it('knows activations that do not vary', () => {
    // Reconstructed exactly or not, there is nothing to explain.
    for (const value of [0, 3]) {
      const constant = new ExplainedVariance();
      constant.add(filled([3, 2], value), filled([3, 2], value));
      expect(constant.compute()).to.equal(undefined);
      constant.add(filled([1, 2], value), hostTensor([1, 0], [1, 2]));
      expect(constant.compute()).to.equal(undefined);
    }
  });

  it('refuses shapes that differ, a width that changes and no samples', () => {
    const metric = new ExplainedVariance();
    expect(() => metric.compute()).to.throw(InvalidValueError, 'no samples');
    expect(() => metric.add(zeros([2, 3]), zeros([3, 2]))).to.throw(InvalidShapeError, 'must have the same shape');
    metric.add(x, reconstruction);
    expect(() => metric.add(zeros([2, 3]), zeros([2, 3]))).to.throw(InvalidShapeError, 'expected [samples, 5]');
    expect(() => metric.add(zeros([5]), zeros([5]))).to.throw(InvalidShapeError, 'expected [samples, 5]');
  });
});

describe('L0 and FiringDensity', () => {
  it('agree with the reference figures, streamed', () => {
    const l0 = new L0();
    const firing = new FiringDensity();
    for (const batch of batches(features)) {
      l0.add(batch);
      firing.add(batch);
    }
    expectClose([l0.compute()], [reference.l0]);
    const { density, alive, samples } = firing.compute();
    expectClose(density, reference.fire_density);
    expect(samples).to.equal(64);
    expect(alive).to.deep.equal(reference.fire_density.map(share => share > 0));
    expect(density.reduce((sum, share) => sum + share, 0)).to.be.closeTo(l0.compute(), 1e-12);
  });

  it('tell dead latents from rare ones', () => {
    const firing = new FiringDensity();
    firing.add(hostTensor([0, 1, -1, 0], [1, 4]));
    firing.add(hostTensor([0, 0, 0, 1e-30], [1, 4]));
    expect(firing.compute().dead).to.deep.equal([0, 2]);
    expect([...firing.compute().density]).to.deep.equal([0, 0.5, 0, 0.5]);
    expect(() => firing.add(zeros([1, 3]))).to.throw(InvalidShapeError, 'expected [samples, 4]');
    expect(() => new FiringDensity().compute()).to.throw(InvalidValueError, 'no samples');
    expect(() => new L0().compute()).to.throw(InvalidValueError, 'no samples');
  });
});

describe('DetectionF1', () => {
  // Feature 0 in samples 0–3, feature 1 in 3–5, feature 2 never. Latent 0: samples 0–2; latent 1: all; latent 2: 3–6.
  const truth = hostTensor([1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], [8, 3]);
  const codes = hostTensor([1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0], [8, 3]);

  it('counts precision and recall of each latent for each feature', () => {
    const metric = new DetectionF1();
    const parts = batches({ ...truth, shape: [8, 3] }).slice(0, 2);
    batches({ ...codes, shape: [8, 3] })
      .slice(0, 2)
      .forEach((batch, i) => void metric.add(batch, parts[i]!));
    const best = metric.compute();
    expect([...best.latents]).to.deep.equal([0, 2, -1]);
    expectClose(best.f1, [6 / 7, 6 / 7, 0]);
    expectClose(metric.compute([1, 0, 2]).f1, [8 / 12, 0, 0]);
    expectClose(metric.compute([-1, 1, -1]).f1, [0, 6 / 11, 0]);
  });

  it('is 1 where latents are the features, in whatever order', () => {
    const metric = new DetectionF1();
    const positive = reference.features.map(row => [...row].reverse().map(value => 3 * value));
    metric.add(fromNested(positive), features);
    const { f1, latents } = metric.compute();
    reference.fire_density.forEach((share, feature) => {
      if (share === 0) return;
      expect(f1[feature]).to.equal(1);
      expect(latents[feature]).to.equal(8 - feature);
    });
  });

  it('refuses batches that do not go together', () => {
    const metric = new DetectionF1();
    expect(() => metric.compute()).to.throw(InvalidValueError, 'no samples');
    expect(() => metric.add(zeros([2, 3]), zeros([3, 3]))).to.throw(InvalidShapeError, '2 samples of features, but 3');
    metric.add(codes, truth);
    expect(() => metric.add(zeros([2, 4]), zeros([2, 3]))).to.throw(InvalidShapeError, 'expected [samples, 3]');
    expect(() => metric.compute([1])).to.throw(InvalidShapeError, 'expected one each');
  });
});
