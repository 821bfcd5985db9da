/**
 * AuxK: latents that have died learn from what the living ones leave over (Gao et al. 2024, "Scaling and evaluating sparse autoencoders",
 * A.2). Without it TopK and BatchTopK never change a latent again that is not among the largest.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../../errors.ts';
import { zeros } from '../../tensor.ts';
import { keepTopK } from '../keep-top-k.ts';
import { meanSquare } from '../mean-square.ts';
import { stopGradient } from '../stop-gradient.ts';
import type { Reconstructed, SaeActivation } from './activation.ts';

export interface AuxKOptions {
  /** α, the weight of the term. Default 1/32, as the paper's. */
  readonly coefficient?: number;
  /** Dead latents that a sample's error is reconstructed from, at most. Default half of d_in. */
  readonly k?: number;
  /** Steps without firing after which a latent counts as dead. Default 100. */
  readonly deadAfter?: number;
}

/** Buffer: steps since each latent last fired, [..., d_sae]. */
const SILENT = 'silent';
/** Errors whose variance is below this are none. */
const TINY = 1e-30;

/**
 * `activation` with a term in its loss: α · Var(x) · nMSE(e, ê) for the error e = x − x̂ as it is, without gradient, and ê its reconstruction by
 * the k largest relu(pre) of dead latents, without b_dec; nMSE(e, ê) = mean (e − ê)² / Var(e), variances around the batch's mean. That is the
 * paper's term times Var(x), for our loss is not divided by it. 0 while no latent is dead.
 * InvalidValueError: the coefficient, k and deadAfter "must be positive", k and deadAfter integers.
 */
export function withAuxK(activation: SaeActivation, options: AuxKOptions, dSae: number): SaeActivation {
  const { coefficient = 1 / 32, k, deadAfter = 100 } = options;
  if (!(coefficient > 0 && Number.isFinite(coefficient))) {
    throw new InvalidValueError(`auxK's coefficient must be positive, got ${coefficient}`);
  }
  for (const [name, value] of Object.entries({ k, deadAfter })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new InvalidValueError(`auxK's ${name} must be positive, and an integer, got ${value}`);
  }
  // The form with latents laid out first gives no pre-activations.
  const { applyLatentsFirst: _, ...base } = activation;
  return {
    ...base,
    initialBuffers: lead => ({ ...base.initialBuffers(lead), [SILENT]: zeros([...lead, dSae]) }),

    apply(preActivations, buffers, mode) {
      const applied = base.apply(preActivations, buffers, mode);
      if (mode === 'frozen') return applied;
      const fired = tf.step(tf.max(applied.features, -2));
      const silent = tf.mul(tf.add(buffers[SILENT]!, 1), tf.sub(1, fired));
      return { ...applied, buffers: { ...applied.buffers, [SILENT]: silent } };
    },

    auxiliaryLoss({ preActivations, error, input, decoder, buffers }: Reconstructed) {
      const dIn = input.shape.at(-1)!;
      const most = Math.min(k ?? Math.max(1, Math.floor(dIn / 2)), dSae);
      const dead = tf.cast(tf.greaterEqual(buffers[SILENT]!, deadAfter), 'float32');
      const activations = keepTopK(tf.mul(tf.relu(preActivations), tf.expandDims(dead, -2)), most);
      const left = stopGradient(tf.neg(error));
      const missed = meanSquare(tf.sub(tf.matMul(activations, decoder), left), lastTwo(input));
      const scale = tf.div(variance(input), tf.maximum(variance(left), TINY));
      return tf.mul(tf.mul(tf.mul(missed, scale), tf.max(dead, -1)), coefficient);
    },
  };
}

/** mean (x − its batch's mean)² over batch and width, of [..., batch, width]. */
function variance(x: tf.Tensor): tf.Tensor {
  return tf.mean(tf.square(tf.sub(x, tf.mean(x, -2, true))), lastTwo(x));
}

function lastTwo({ rank }: tf.Tensor): number[] {
  return [rank - 2, rank - 1];
}
