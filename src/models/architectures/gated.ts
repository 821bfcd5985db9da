/**
 * The Gated SAE (Rajamanoharan et al. 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders", eq. 6 to
 * 8): a gate decides which latents fire, and a magnitude of its own how strongly, so that the L1 penalty on the gate
 * does not shrink features. With x̃ = x − b_dec and π [batch, d_sae]:
 *
 * π = x̃ W_enc + b_gate f = [π > 0] · relu(x̃ (W_enc · exp(r_mag)) + b_mag)
 * loss = |x − x̂|² + l1 · Σ relu(π) · ‖W_dec‖ + |x − (relu(π) W_dec + b_dec)|²
 *
 * No gradient reaches the gate through [π > 0]; the last term, `via_gate`, trains it. The formulas are SAELens's.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidTypeError, InvalidValueError } from '../../errors.ts';
import { zeros } from '../../tensor.ts';
import { meanSquare } from '../mean-square.ts';
import { scaled } from '../scaled.ts';
import { stopGradient } from '../stop-gradient.ts';
import type { FlagValues, Forward, ForwardInputs, SaeArchitecture, SettingFlag } from './architecture.ts';
import { withL0Controller } from './l0-controller.ts';
import { finished, frozenLinear, linearForward, linearParameters, rowOf, weightedFeatureSums } from './linear-coder.ts';
import { reluFlags, reluFromFlags } from './relu.ts';

/** Settings of the gated SAE. */
export interface GatedConfig {
  /** Weight of mean over batch of Σ_j relu(π_j) · ‖W_dec_j‖ in the loss, ≥ 0, in the unit of the reconstruction loss. Default 0. */
  readonly l1?: number;
  /**
   * A number of active latents per sample, in (0, d_sae], to which the weight is steered (see withL0Controller).
   * Default: the weight is constant.
   */
  readonly targetL0?: number;
  /** The gain of that steering, in (0, 1). Default: from the number of steps. */
  readonly l0Gain?: number;
  /**
   * Whether the term `via_gate` trains the gate alone, without gradients of the decoder and b_dec. Default true, as in
   * the paper and in dictionary_learning; SAELens lets these gradients through.
   */
  readonly detachDecoder?: boolean;
}

/**
 * The gated SAE. Its parameters `b_gate`, `r_mag` and `b_mag` [d_sae] replace b_enc and start at 0.
 * @throws InvalidValueError where `l1` is negative or not finite
 * @throws InvalidTypeError where `detachDecoder` is no boolean
 */
export function gated({ l1 = 0, targetL0, l0Gain, detachDecoder = true }: GatedConfig, dSae: number): SaeArchitecture {
  if (!(l1 >= 0 && Number.isFinite(l1))) throw new InvalidValueError(`l1 must be a number of at least 0, got ${l1}`);
  if (typeof detachDecoder !== 'boolean') {
    throw new InvalidTypeError(`detachDecoder must be true or false, got ${detachDecoder}`);
  }
  const architecture: SaeArchitecture = {
    kind: 'gated',
    config: { kind: 'gated', l1, detachDecoder },
    scalars: { l1: { value: l1, setting: 'l1' } },
    parameters(shape, start) {
      const { b_enc: _, ...linear } = linearParameters(shape, start);
      const { dSae } = shape;
      return { ...linear, b_gate: zeros([dSae]), r_mag: zeros([dSae]), b_mag: zeros([dSae]) };
    },
    biases: ['b_gate', 'b_mag'],
    buffers: () => ({}),
    forward(inputs) {
      const { parameters } = inputs;
      // The linear coder's pre-activations are π: the gate's bias stands where other architectures have b_enc.
      return linearForward(
        { ...inputs, parameters: { ...parameters, b_enc: parameters['b_gate']! } },
        { rows: gate => ({ features: openFeatures(gate, parameters) }) },
      );
    },
    terms: ['l1', 'via_gate'],
    losses(inputs, forward) {
      const open = tf.relu(forward.preActivations!);
      const penalty = tf.mean(weightedFeatureSums(inputs, { ...forward, features: open }), -1);
      return {
        l1: scaled(penalty, inputs.scalars['l1']!),
        via_gate: viaGate(inputs, forward, open, detachDecoder),
      };
    },
    freeze: (shape, state) => frozenLinear(shape, state, { architecture: 'gated', weights: {} }),
  };
  return targetL0 === undefined ? architecture : withL0Controller(architecture, 'l1', { targetL0, l0Gain }, dSae);
}

/** [π > 0] · relu(magnitude), from `gate` = π [...lead, batch, d_sae]. */
function openFeatures(gate: tf.Tensor, parameters: ForwardInputs['parameters']): tf.Tensor {
  const gain = tf.exp(parameters['r_mag']!);
  // x̃ W_enc exp(r_mag) + b_mag = π exp(r_mag) + (b_mag − b_gate exp(r_mag)): gate and magnitude share one matrix product.
  const bias = tf.sub(parameters['b_mag']!, tf.mul(parameters['b_gate']!, gain));
  const magnitude = tf.relu(tf.add(tf.mul(gate, rowOf(gain)), rowOf(bias)));
  return whereOpen(magnitude, gate);
}

/** x · [gate > 0], whose gradient goes to x alone. */
function whereOpen(x: tf.Tensor, gate: tf.Tensor): tf.Tensor {
  return tf.customGrad((given, save) => {
    const isOpen = tf.step(gate);
    (save as tf.GradSaveFunc)([isOpen]);
    return {
      value: tf.mul(given as tf.Tensor, isOpen),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.mul(dy, saved[0]!),
    };
  })(x);
}

/** The squared error of relu(π) W_dec + b_dec, in the unit of the reconstruction loss, [...lead]; `open` is relu(π). */
function viaGate(inputs: ForwardInputs, { decoder }: Forward, open: tf.Tensor, detachDecoder: boolean): tf.Tensor {
  const { shape, parameters, target } = inputs;
  const decode = (codes: tf.Tensor): tf.Tensor => tf.add(tf.matMul(codes, decoder), rowOf(parameters['b_dec']!));
  // The skip connection is detached together with the decoder.
  const { W_skip, ...linear } = parameters;
  const apart =
    W_skip && detachDecoder ? { ...inputs, parameters: { ...linear, W_skip: stopGradient(W_skip) } } : inputs;
  const reconstruction = finished(apart, detachDecoder ? detached(decode, decoder)(open) : decode(open));
  const { rank } = reconstruction;
  const missed = meanSquare(tf.sub(reconstruction, target), [rank - 2, rank - 1]);
  return shape.reconstructionLoss === 'sum' ? tf.mul(missed, shape.dOut) : missed;
}

/** `decode`, whose gradient goes to the codes alone. */
function detached(decode: (codes: tf.Tensor) => tf.Tensor, decoder: tf.Tensor): (codes: tf.Tensor) => tf.Tensor {
  return tf.customGrad((codes, save) => {
    (save as tf.GradSaveFunc)([decoder]);
    return {
      value: decode(codes as tf.Tensor),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.matMul(dy, saved[0]!, false, true),
    };
  });
}

/** The options of the gated SAE. */
export const gatedFlags: readonly SettingFlag[] = [
  ...reluFlags,
  {
    flag: '--through-decoder',
    says: 'let the auxiliary loss of the gate reach the decoder, as SAELens does (gated)',
    takes: 'nothing',
  },
];

/** The settings of the gated SAE from the command line's options. */
export function gatedFromFlags(flags: FlagValues): GatedConfig {
  return { ...reluFromFlags(flags), ...(flags['throughDecoder'] === true && { detachDecoder: false }) };
}
