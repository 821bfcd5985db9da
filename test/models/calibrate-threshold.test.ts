import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidTypeError } from '../../src/errors.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import type { HostTensor } from '../../src/tensor.ts';

function gaussian(samples: number, width: number, seed: number): HostTensor {
  const random = createRandomSource(seed);
  return { data: Float32Array.from({ length: samples * width }, () => random.normal()), shape: [samples, width] };
}

describe('calibrateThreshold', () => {
  const config = { dIn: 6, dSae: 20, activation: { kind: 'batchtopk', k: 2.5 } } as const;

  it('makes the mean number of active features k on the activations given', () => {
    const sae = new SparseAutoencoder(config, createRandomSource(1));
    const activations = gaussian(5000, 6, 2);
    const threshold = sae.calibrateThreshold(activations);
    const { data } = sae.encode(activations);
    expect(data.filter(value => value > 0)).to.have.length(12_500);
    expect(Math.min(...data.filter(value => value > 0))).to.be.greaterThan(threshold);
    expect(sae.state.buffers['threshold']!.data[0]).to.equal(threshold);
  });

  it('comes near k on other activations of the same kind', () => {
    const sae = new SparseAutoencoder(config, createRandomSource(1));
    sae.calibrateThreshold(gaussian(5000, 6, 2));
    const { data } = sae.encode(gaussian(5000, 6, 3));
    expect(data.filter(value => value > 0).length / 5000).to.be.closeTo(2.5, 0.1);
  });

  it('lets every positive feature fire where there are fewer than k', () => {
    const sae = new SparseAutoencoder({ ...config, activation: { kind: 'batchtopk', k: 20 } }, createRandomSource(1));
    expect(sae.calibrateThreshold(gaussian(50, 6, 2))).to.equal(0);
  });

  it('is only for activations with a threshold', () => {
    const sae = new SparseAutoencoder({ ...config, activation: { kind: 'topk', k: 2 } }, createRandomSource(1));
    expect(() => sae.calibrateThreshold(gaussian(50, 6, 2))).to.throw(InvalidTypeError, /topk has no threshold/);
  });
});
