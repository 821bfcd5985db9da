import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { createRandomSource } from '../../../src/data/random-source.ts';
import type { AuxKOptions } from '../../../src/models/architectures/aux-k.ts';
import { createArchitecture } from '../../../src/models/architectures/registry.ts';
import { runEagerly } from '../../../src/models/eager.ts';
import type { Tensors } from '../../../src/models/model.ts';
import { ACTIVATIONS, saeTrainable } from '../../../src/models/sae-trainable.ts';
import { SparseAutoencoder } from '../../../src/models/sparse-autoencoder.ts';
import { fromNested, type HostTensors, hostTensor, type NestedArray } from '../../../src/tensor.ts';
import { expectClose, readReference } from '../tensors.ts';

const PARAMETERS = ['W_enc', 'b_enc', 'W_dec', 'b_dec'] as const;

interface Inputs extends Record<(typeof PARAMETERS)[number] | 'x', NestedArray> {
  readonly k: number;
  readonly dead: readonly boolean[];
}

/** PyTorch's figures for it are checked on every engine (test/engines/reference.test.ts). */
const { inputs } = readReference('sae-auxk') as { readonly inputs: Inputs };

const BATCH = inputs.x.length;

/**
 * Loss, gradients and outputs on the reference's batch, where `silent` says for how many samples each latent has not fired, and `rates` on what share of them
 * each fired.
 */
function lossOn(auxK: AuxKOptions | undefined, silent: readonly number[], rates?: readonly number[]) {
  const activation = { kind: 'topk', k: inputs.k, ...(auxK && { auxK }) } as const;
  const sae = new SparseAutoencoder({ dIn: 4, dSae: 12, activation, decoder: 'free' }, createRandomSource(1));
  const parameters: HostTensors = Object.fromEntries(PARAMETERS.map(name => [name, fromNested(inputs[name])]));
  return runEagerly(
    ({ input, quiet, rate, ...given }) => {
      let outputs: Tensors = {};
      const loss = (...values: tf.Tensor[]): tf.Scalar => {
        const current = Object.fromEntries(PARAMETERS.map((name, i) => [name, values[i]!]));
        const scalars = { k: { value: inputs.k }, aux_k: { value: auxK?.coefficient ?? 1 / 32 } };
        const firing = { firing_rate: rate!, fired: tf.zeros([12]), window_steps: tf.scalar(0) };
        const state = { parameters: current, buffers: { silent: quiet!, ...(rates && firing) } };
        const { losses, buffers } = saeTrainable(sae).losses({ ...state, batch: { [ACTIVATIONS]: input! }, scalars });
        const given = { shape: sae.shape, ...state, input: input!, target: input!, scalars };
        outputs = { ...buffers, features: sae.architecture.forward(given).features };
        for (const tensor of Object.values(outputs)) tf.keep(tensor);
        return Object.values(losses).reduce((sum, term) => tf.add(sum, term)) as tf.Scalar;
      };
      const { value, grads } = tf.valueAndGrads(loss)(PARAMETERS.map(name => given[name]!));
      return { ...outputs, loss: value, ...Object.fromEntries(grads.map((grad, i) => [`d${PARAMETERS[i]}`, grad])) };
    },
    {
      ...parameters,
      input: fromNested(inputs.x),
      quiet: hostTensor(silent, [12]),
      rate: hostTensor(rates ?? silent, [12]),
    },
  );
}

const DEAD_AFTER = 7;
const silent = inputs.dead.map(isDead => BATCH * (isDead ? DEAD_AFTER : DEAD_AFTER - 1));

describe('AuxK', () => {
  before(() => tf.setBackend('cpu'));

  it('adds nothing while no latent is dead: neither loss nor gradient', () => {
    const [without, none] = [lossOn(undefined, silent), lossOn({ deadAfter: DEAD_AFTER + 1 }, silent)];
    expectClose(none['loss'], without['loss']!);
    for (const name of PARAMETERS) expectClose(none[`d${name}`], without[`d${name}`]!);
  });

  it('counts the samples since each latent fired', () => {
    const { silent: next, features } = lossOn({ deadAfter: DEAD_AFTER }, silent);
    const fired = silent.map((_, latent) => features!.data.some((value, at) => at % 12 === latent && value > 0));
    expect(new Set(fired).size).to.equal(2);
    expect([...next!.data]).to.deep.equal(silent.map((samples, latent) => (fired[latent] ? 0 : samples + BATCH)));
  });

  it('takes for dead what fires too rarely, where it is told a share, whatever has been silent', () => {
    const rates = inputs.dead.map(isDead => (isDead ? 0.019 : 0.02));
    const nobodySilent = silent.map(() => 0);
    const [bySilence, byRate] = [
      lossOn({ deadAfter: DEAD_AFTER }, silent),
      lossOn({ deadAfter: DEAD_AFTER, deadBelow: 0.02 }, nobodySilent, rates),
    ];
    expectClose(byRate['loss'], bySilence['loss']!);
    for (const name of PARAMETERS) expectClose(byRate[`d${name}`], bySilence[`d${name}`]!);
    expect(lossOn(undefined, silent)['loss']!.data[0]).not.to.be.closeTo(byRate['loss']!.data[0]!, 1e-6);
  });

  it('refuses numbers that are out of range', () => {
    for (const [auxK, words] of [
      [{ coefficient: 0 }, 'coefficient must be positive, got 0'],
      [{ k: 1.5 }, 'k must be positive, and an integer, got 1.5'],
      [{ deadBelow: 1 }, 'deadBelow must be a share of samples in [0, 1), got 1'],
      [{ deadAfter: -1 }, 'deadAfter must be positive, and an integer, got -1'],
    ] as const) {
      expect(() => createArchitecture({ kind: 'topk', k: 1, auxK }, 4)).to.throw(RangeError, words);
    }
  });
});
