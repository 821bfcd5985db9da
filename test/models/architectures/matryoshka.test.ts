import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { acceptsSparseUpdate } from '../../../src/engines/sparse-update/accept.ts';
import { InvalidValueError, UsageError } from '../../../src/errors.ts';
import type { MatryoshkaConfig } from '../../../src/models/architectures/matryoshka.ts';
import {
  type ActivationConfig,
  configFromFlags,
  createArchitecture,
} from '../../../src/models/architectures/registry.ts';
import { SparseAutoencoder } from '../../../src/models/sparse-autoencoder.ts';
import { filled, fromNested, type HostTensor, type HostTensors, type NestedArray } from '../../../src/tensor.ts';
import { trainSae } from '../../../src/training/node.ts';
import { adam } from '../../../src/training/optimizers.ts';
import { SAE_OPTIMIZER } from '../../../src/training/sae-settings.ts';
import { descriptorOf } from '../../../src/training/train-sae.ts';
import { expectClose, normals, readReference } from '../tensors.ts';
import { expectAsSaelens, type SaelensTraining } from './saelens-trainer.ts';
import { expectAsAlone, expectSameBitsResumed, SETTINGS } from './trained-alike.ts';

const PARAMETERS = ['W_enc', 'b_enc', 'W_dec', 'b_dec'] as const;

/** PyTorch's figures of the gradients are checked on every engine (test/engines/reference.test.ts). */
const { inputs, expected } = readReference('sae-matryoshka') as {
  readonly inputs: Readonly<Record<(typeof PARAMETERS)[number] | 'x', NestedArray>> & {
    readonly k: number;
    readonly widths: readonly number[];
  };
  readonly expected: {
    readonly features: NestedArray;
    readonly prefix_reconstructions: readonly NestedArray[];
    readonly loss: number;
  };
};

/** The reference's autoencoder with other settings. */
function create(settings: Partial<MatryoshkaConfig> = {}): SparseAutoencoder {
  const activation: ActivationConfig = { kind: 'matryoshka', k: inputs.k, widths: inputs.widths, ...settings };
  const config = { dIn: 4, dSae: 12, activation, decoder: 'free', reconstructionLoss: 'sum' } as const;
  const parameters: HostTensors = Object.fromEntries(PARAMETERS.map(name => [name, fromNested(inputs[name])]));
  const { state } = new SparseAutoencoder(config, createRandomSource(0));
  return new SparseAutoencoder(config, createRandomSource(0), { state: { ...state, parameters } });
}

/** Σ over d_in, mean over the batch, of squares. */
function squaredError(reconstruction: HostTensor, target: HostTensor): number {
  const sum = reconstruction.data.reduce((total, value, i) => total + (value - target.data[i]!) ** 2, 0);
  return sum / target.shape[0]!;
}

function saelensConfig({ config, dead_feature_window }: SaelensTraining): ActivationConfig {
  return {
    kind: 'matryoshka',
    k: Number(config['k']),
    widths: config['matryoshka_widths'] as number[],
    rescaleByDecoderNorm: config['rescale_acts_by_decoder_norm'] === true,
    auxK: {
      form: 'saelens',
      coefficient: Number(config['aux_loss_coefficient']),
      // Dead is what was silent for strictly more than the window.
      deadAfter: dead_feature_window + 1,
    },
    auxKPerBlock: config['use_matryoshka_aux_loss'] === true,
  };
}

describe('Matryoshka', () => {
  before(() => tf.setBackend('cpu'));

  it('computes what PyTorch does: the mean of the prefixes’ squared errors, a term for each', () => {
    const batch = fromNested(inputs.x);
    const errors = expected.prefix_reconstructions.map(prefix => squaredError(fromNested(prefix), batch));
    const mean = create({ prefixLosses: 'mean' }).trainingForward(batch);
    expectClose(mean.features, fromNested(expected.features));
    expectClose(mean.reconstruction, fromNested(expected.prefix_reconstructions.at(-1)!));
    expect(Object.keys(mean.losses)).to.deep.equal(['mse', 'mse_3', 'mse_6']);
    const sum = Object.values(mean.losses).reduce((total, term) => total + term);
    expect(sum).to.be.closeTo(expected.loss, 1e-5);
    const { losses } = create().trainingForward(batch);
    for (const [i, name] of ['mse_3', 'mse_6', 'mse'].entries()) {
      expect(losses[name]).to.be.closeTo(errors[i]!, 1e-5);
      expect(mean.losses[name]).to.be.closeTo(errors[i]! / 3, 1e-5);
    }
  });

  for (const name of ['matryoshka', 'matryoshka-aux']) {
    it(`trains as SAELens’s trainer does: ${name}`, () =>
      expectAsSaelens(name, saelensConfig, {
        mse: 'mse_loss',
        mse_6: 'inner_mse_loss_6',
        mse_12: 'inner_mse_loss_12',
        aux_k: 'auxiliary_reconstruction_loss',
      }));
  }

  it('is a BatchTopK where there is one width', () => {
    const batch = fromNested(inputs.x);
    const activation = { kind: 'batchtopk', k: inputs.k } as const;
    const one = create({ widths: [12] });
    const { config, state } = one;
    const batchTopk = new SparseAutoencoder({ ...config, activation }, createRandomSource(0), { state });
    expect(one.trainingForward(batch)).to.deep.equal(batchTopk.trainingForward(batch));
  });

  it('revives the dead of one block by that block’s own error, in the paper’s form of AuxK too', () => {
    const batch = fromNested(inputs.x);
    const auxOf = (auxKPerBlock: boolean, isDead: (latent: number) => boolean): number => {
      const sae = create({ auxK: { deadAfter: 1 }, auxKPerBlock });
      const silent = { shape: [12], data: Float32Array.from({ length: 12 }, (_, i) => (isDead(i) ? 10 : 0)) };
      sae.state = { ...sae.state, buffers: { ...sae.state.buffers, silent } };
      return sae.trainingForward(batch).losses['aux_k']!;
    };
    // The last block's prefix is the whole.
    const last = auxOf(true, latent => latent >= 6);
    expect(last).to.be.closeTo(
      auxOf(false, latent => latent >= 6),
      1e-6,
    );
    const first = auxOf(true, latent => latent < 3);
    expect(first).to.not.be.closeTo(
      auxOf(false, latent => latent < 3),
      1e-3,
    );
    expect(auxOf(true, latent => latent < 3 || latent >= 6)).to.be.closeTo(first + last, 1e-6);
    expect(auxOf(true, () => false)).to.equal(0);
  });

  it('resumes to the same bits', () =>
    expectSameBitsResumed({ kind: 'matryoshka', k: 2, widths: [3, 6], auxK: { deadAfter: 2 }, auxKPerBlock: true }));

  it('trains side by side as alone', () =>
    expectAsAlone([1, 2.5, 2].map(k => ({ kind: 'matryoshka', k, widths: [3, 6], prefixLosses: 'mean' }))));

  it('freezes to the threshold form: the features of training where the threshold is the smallest that was chosen', async () => {
    const { sae } = await trainSae({ ...SETTINGS, activation: { kind: 'matryoshka', k: 2, widths: [3, 6] } });
    const samples = normals([20, 4], 3);
    const { features, reconstruction } = sae.trainingForward(samples);
    const smallest = features.data.reduce((least, value) => (value > 0 ? Math.min(least, value) : least), Infinity);
    const threshold = filled([], smallest * (1 - 1e-5));
    sae.state = { ...sae.state, buffers: { ...sae.state.buffers, threshold } };
    expect(sae.freeze().architecture).to.equal('jumprelu');
    expectClose(sae.encode(samples), features);
    expectClose(sae.forward(samples).reconstruction, reconstruction);
  });

  it('is taken by the sparse update, but for dead latents that are revived block by block', () => {
    const acceptance = (settings: Partial<MatryoshkaConfig>) => {
      const activation = { kind: 'matryoshka', k: 32, widths: [128, 512], auxK: {}, ...settings } as const;
      const sae = new SparseAutoencoder({ dIn: 512, dSae: 4096, activation }, createRandomSource(0));
      return acceptsSparseUpdate(descriptorOf(sae, { batchSize: 4096, optimizer: adam(SAE_OPTIMIZER).options }));
    };
    expect(acceptance({}).accepted).to.equal(true);
    const { accepted, reason } = acceptance({ auxKPerBlock: true });
    expect(accepted).to.equal(false);
    expect(reason).to.include('matryoshka with auxKPerBlock is not supported');
  });

  it('takes its settings from flags', () => {
    const flags = { k: 20, widths: '128, 512,2048', auxK: true, auxKPerBlock: true, prefixLosses: 'mean' } as const;
    expect(configFromFlags('matryoshka', flags)).to.deep.equal({
      kind: 'matryoshka',
      k: 20,
      widths: [128, 512, 2048],
      prefixLosses: 'mean',
      auxK: {},
      auxKPerBlock: true,
    });
    for (const widths of [undefined, '', '3,,6', '3,x', '-1', '1.5']) {
      expect(() => configFromFlags('matryoshka', { k: 2, widths })).to.throw(UsageError, '--widths must list');
    }
    const perBlock = { k: 2, widths: '3', auxKPerBlock: true } as const;
    expect(() => configFromFlags('matryoshka', perBlock)).to.throw(UsageError, '--aux-k-per-block needs --aux-k');
  });

  it('adds d_sae to the widths, and refuses settings out of range', () => {
    const build = (settings: Partial<MatryoshkaConfig>) =>
      createArchitecture({ kind: 'matryoshka', k: 2, widths: [3], ...settings }, 12);
    expect(build({ widths: [3, 6] }).config['widths']).to.deep.equal([3, 6, 12]);
    for (const widths of [[], [0, 3], [3, 3], [6, 3], [1.5], [3, 13], undefined as unknown as number[]]) {
      expect(() => build({ widths })).to.throw(InvalidValueError, 'widths must be positive integers in rising order');
    }
    const prefixLosses = 'median' as 'mean';
    expect(() => build({ prefixLosses })).to.throw(InvalidValueError, 'prefixLosses "median" does not exist');
    expect(() => build({ auxKPerBlock: true })).to.throw(InvalidValueError, 'auxKPerBlock needs auxK');
    expect(() => build({ k: 13 })).to.throw(InvalidValueError, 'k must be less than or equal to d_sae 12');
  });
});
