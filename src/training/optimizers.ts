/**
 * Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019) as pure functions of tensors: TensorFlow.js's own hide their state in
 * variables, and it has no AdamW. Agrees with torch.optim's.
 */
import * as tf from '@tensorflow/tfjs';
import { InvalidValueError } from '../errors.ts';
import type { Tensors } from '../models/model.ts';
import { type HostTensor, type HostTensors, zeros } from '../tensor.ts';

/** Settings of Adam and AdamW, named and meant as in torch.optim. */
export interface AdamOptions {
  /** Which optimizer; `adamw` decouples the weight decay from the gradient. Default `adam`. */
  readonly name?: 'adam' | 'adamw';
  /** The learning rate, above 0. Default 1e-3. */
  readonly learningRate?: number;
  /** β₁ and β₂, in [0, 1). With β₁ = 0 no first moment is kept. Default [.9, .999]. */
  readonly betas?: readonly [number, number];
  /** ε, above 0: added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** The weight decay of every parameter, at least 0; only for `adamw`. Default .01. */
  readonly weightDecay?: number;
}

/** An optimizer as pure functions of tensors. */
export interface Optimizer {
  readonly options: Required<AdamOptions>;
  /** The state before the first step: `m.NAME` (unless β₁ = 0), `v.NAME`, and the scalars `c1` and `c2`. */
  init(parameters: HostTensors): HostTensors;
  /** Computes one step. `learningRate`, [] or [n_instances], replaces the option where a schedule changes it. */
  update(
    parameters: Tensors,
    gradients: Tensors,
    state: Tensors,
    learningRate?: tf.Tensor,
  ): { readonly parameters: Tensors; readonly state: Tensors };
}

/**
 * Adam or AdamW with these settings.
 * @throws InvalidValueError for a learning rate or ε that is not positive, betas outside [0, 1), or a negative weight
 *   decay
 */
export function adam(options: AdamOptions = {}): Optimizer {
  const { name = 'adam', learningRate = 1e-3, betas = [0.9, 0.999], eps = 1e-8 } = options;
  const { weightDecay = name === 'adamw' ? 0.01 : 0 } = options;
  const [beta1, beta2] = betas;
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new InvalidValueError(`${name}: ${what}`);
  };
  check(learningRate > 0 && Number.isFinite(learningRate), `learning rate must be positive, got ${learningRate}`);
  check(
    betas.every(beta => beta >= 0 && beta < 1),
    `betas must lie in [0, 1), got ${betas.join(', ')}`,
  );
  check(eps > 0, `eps must be positive, got ${eps}`);
  check(weightDecay >= 0, `weight decay must be at least 0, got ${weightDecay}`);
  check(
    name === 'adamw' || weightDecay === 0,
    `weight decay is decoupled: choose adamw for weight decay ${weightDecay}`,
  );

  return {
    options: { name, learningRate, betas, eps, weightDecay },

    init(parameters) {
      const state: Record<string, HostTensor> = { c2: zeros([]) };
      if (beta1 > 0) state['c1'] = zeros([]);
      for (const [parameter, { shape }] of Object.entries(parameters)) {
        if (beta1 > 0) state[`m.${parameter}`] = zeros(shape);
        state[`v.${parameter}`] = zeros(shape);
      }
      return state;
    },

    update(parameters, gradients, state, scheduledRate) {
      const rate = scheduledRate ?? tf.scalar(learningRate);
      // 1 − βᵗ as the same moving average taken of ones: in float32 the power is inexact early on.
      const c2 = movingAverage(state['c2']!, beta2, tf.scalar(1));
      const next: Tensors = { c2 };
      let c1: tf.Tensor = tf.scalar(1);
      if (beta1 > 0) next['c1'] = c1 = movingAverage(state['c1']!, beta1, tf.scalar(1));
      // p − lr (m/c1) / (√(v/c2) + ε), with both corrections in two scalars: this needs fewer passes over the
      // parameters.
      const rootC2 = tf.sqrt(c2);
      const stepSize = tf.div(tf.mul(rate, rootC2), c1);
      const epsilon = tf.mul(rootC2, eps);
      const updated: Tensors = {};
      for (const [parameter, value] of Object.entries(parameters)) {
        const own = (number: tf.Tensor): tf.Tensor => alongInstances(number, value.rank);
        const gradient = gradients[parameter]!;
        let direction = gradient;
        if (beta1 > 0) next[`m.${parameter}`] = direction = movingAverage(state[`m.${parameter}`]!, beta1, gradient);
        const v = movingAverage(state[`v.${parameter}`]!, beta2, tf.square(gradient));
        next[`v.${parameter}`] = v;
        const decayed = weightDecay > 0 ? tf.mul(value, tf.sub(1, tf.mul(own(rate), weightDecay))) : value;
        updated[parameter] = tf.sub(decayed, tf.div(tf.mul(direction, own(stepSize)), tf.add(tf.sqrt(v), epsilon)));
      }
      return { parameters: updated, state: next };
    },
  };
}

/** A number as it is; one number for each instance as [n_instances, 1, …] with `rank` dimensions. */
function alongInstances(number: tf.Tensor, rank: number): tf.Tensor {
  return number.rank === 0 ? number : tf.reshape(number, [...number.shape, ...Array<number>(rank - 1).fill(1)]);
}

function movingAverage(old: tf.Tensor, beta: number, value: tf.Tensor): tf.Tensor {
  return tf.add(tf.mul(old, beta), tf.mul(value, 1 - beta));
}
