import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { trainingCase } from '../../../scripts/reference/training-file.ts';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { acceptsSparseUpdate } from '../../../src/engines/sparse-update/accept.ts';
import { InvalidTypeError, InvalidValueError } from '../../../src/errors.ts';
import { configFromFlags, createArchitecture } from '../../../src/models/architectures/registry.ts';
import { SparseAutoencoder } from '../../../src/models/sparse-autoencoder.ts';
import { fromNested } from '../../../src/tensor.ts';
import { trainSae } from '../../../src/training/node.ts';
import { adam } from '../../../src/training/optimizers.ts';
import { SAE_OPTIMIZER } from '../../../src/training/sae-settings.ts';
import { descriptorOf } from '../../../src/training/train-sae.ts';
import { entryOf, expectClose, normals, readReference } from '../tensors.ts';
import { expectAsSaelens } from './saelens-trainer.ts';
import { expectAsAlone, expectSameBitsResumed, SETTINGS } from './trained-alike.ts';

describe('Gated', () => {
  before(() => tf.setBackend('cpu'));

  it('computes what PyTorch does, in training and once it is frozen', () => {
    const { state, batches, expected } = trainingCase('gated', readReference('sae-gated'));
    const activation = { kind: 'gated', l1: 0.05 } as const;
    const config = { dIn: 4, dSae: 10, activation, decoder: 'renormalise', reconstructionLoss: 'sum' } as const;
    const sae = new SparseAutoencoder(config, createRandomSource(0), { state });
    const batch = entryOf(batches['activations']!, 0);
    const trained = sae.trainingForward(batch);
    const frozen = sae.forward(batch);
    for (const output of ['features', 'reconstruction'] as const) {
      expectClose(trained[output], fromNested(expected.outputs[output]!));
      expectClose(frozen[output], trained[output]);
    }
    expect(Object.keys(trained.losses)).to.deep.equal(['mse', 'l1', 'via_gate']);
    const sum = Object.values(trained.losses).reduce((total, term) => total + term);
    expect(sum).to.be.closeTo(expected.losses[0]!, 1e-5);
  });

  it('trains as SAELens’s trainer does, with the gradient through the decoder and its norms in the penalty', () =>
    expectAsSaelens(
      'gated',
      ({ config }) => ({ kind: 'gated', l1: Number(config['l1_coefficient']), detachDecoder: false }),
      { mse: 'mse_loss', l1: 'l1_loss', via_gate: 'auxiliary_reconstruction_loss' },
    ));

  it('resumes to the same bits', () => expectSameBitsResumed({ kind: 'gated', l1: 0.02 }));

  it('trains side by side as alone', () => expectAsAlone([0, 0.02, 0.1].map(l1 => ({ kind: 'gated', l1 }))));

  it('freezes to what it was in training, for transcoders with a skip connection too', async () => {
    const { sae } = await trainSae({ ...SETTINGS, activation: { kind: 'gated', l1: 0.02 } });
    const samples = normals([20, 4], 3);
    const { features, reconstruction } = sae.trainingForward(samples);
    expect(features.data.filter(value => value > 0)).to.not.be.empty;
    expectClose(sae.encode(samples), features);
    expectClose(sae.forward(samples).reconstruction, reconstruction);
    const shape = { dIn: 4, dSae: 12, dOut: 3, skip: true, activation: { kind: 'gated' } } as const;
    const transcoder = new SparseAutoencoder(shape, createRandomSource(1), { bias: [1, 2, 3] });
    const both = transcoder.trainingForward(samples, normals([20, 3], 4));
    expectClose(transcoder.forward(samples).reconstruction, both.reconstruction);
  });

  it('leaves its biases at 0 where training has none', async () => {
    const start = { ...SETTINGS.start, biases: false } as const;
    const { sae } = await trainSae({ ...SETTINGS, start, steps: 5, activation: { kind: 'gated' } });
    const { b_gate, b_mag, b_dec, r_mag } = sae.state.parameters;
    for (const bias of [b_gate, b_mag, b_dec]) expect(new Set(bias!.data)).to.deep.equal(new Set([0]));
    expect(new Set(r_mag!.data).size).to.be.above(1);
  });

  it('is left to the recorded graph by the sparse update', () => {
    const sae = new SparseAutoencoder({ dIn: 512, dSae: 4096, activation: { kind: 'gated' } }, createRandomSource(0));
    const descriptor = descriptorOf(sae, { batchSize: 4096, optimizer: adam(SAE_OPTIMIZER).options });
    const { accepted, reason } = acceptsSparseUpdate(descriptor);
    expect(accepted).to.equal(false);
    expect(reason).to.include('activation gated is not supported');
  });

  it('takes its settings from flags, and refuses those out of range', () => {
    expect(configFromFlags('gated', { l1: 0.3 })).to.deep.equal({ kind: 'gated', l1: 0.3 });
    expect(configFromFlags('gated', { l1: 0.3, throughDecoder: true })).to.deep.equal({
      kind: 'gated',
      l1: 0.3,
      detachDecoder: false,
    });
    for (const l1 of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createArchitecture({ kind: 'gated', l1 }, 4)).to.throw(InvalidValueError, `got ${l1}`);
    }
    const detachDecoder = 'no' as unknown as boolean;
    expect(() => createArchitecture({ kind: 'gated', detachDecoder }, 4)).to.throw(InvalidTypeError, 'detachDecoder');
  });
});
