/** What makes one sparse autoencoder different from another: how pre-activations become features. */
import type * as tf from '@tensorflow/tfjs';
import type { HostTensors, Shape } from '../../tensor.ts';
import type { Mode, Tensors } from '../model.ts';

export interface Activated {
  /** The shape of the pre-activations. */
  readonly features: tf.Tensor;
  /** The buffers after this batch. */
  readonly buffers: Tensors;
  /** Further tensors that a frozen graph names, such as the sparse code. */
  readonly named?: Tensors;
}

/** How a frozen file computes the features, in SAELens's terms. */
export interface FrozenForm {
  readonly architecture: 'standard' | 'topk' | 'jumprelu' | 'gated';
  readonly k?: number;
  /** Initializers beside W_enc, b_enc, W_dec and b_dec. */
  readonly weights: HostTensors;
}

/**
 * Buffers of instances side by side that differ in how sparse they are, [n_instances]: how many entries each one keeps of those that
 * its activation chooses among (see `SaeActivation.kept`), and each one's weight of the L1 penalty.
 */
export const KEPT = 'kept';
export const L1 = 'l1';

/** A batch on its way through the autoencoder, in training. */
export interface Reconstructed {
  /** [...lead, batch, d_in] */
  readonly input: tf.Tensor;
  /** [...lead, batch, d_sae] */
  readonly preActivations: tf.Tensor;
  /** Reconstruction less input, [...lead, batch, d_in]. */
  readonly error: tf.Tensor;
  /** W_dec [...lead, d_sae, d_in]. */
  readonly decoder: tf.Tensor;
  /** As they were before this batch. */
  readonly buffers: Tensors;
}

export interface SaeActivation {
  /** The name in configurations and on the command line. */
  readonly kind: string;
  /** Active latents per sample that training aims at, where the activation sets it. */
  readonly k?: number;
  /** Weight of the L1 penalty on the features. */
  readonly l1: number;
  /**
   * How many entries stay of each choice, a sample's or a batch's. Where instances side by side differ in it, the activation of the one that
   * keeps most is applied to all, with the buffer `kept`. Absent where nothing is chosen.
   */
  kept?(batchSize: number): number;
  /** Buffers before training; `lead` is [] or [n_instances]. */
  initialBuffers(lead: Shape): HostTensors;
  /** Pre-activations [...lead, batch, d_sae] → features. */
  apply(preActivations: tf.Tensor, buffers: Tensors, mode: Mode): Activated;
  /**
   * The same as `apply` in mode `train` for pre-activations [...lead, d_sae, batch]: with few latents the long axis had better be last.
   * Absent where it would not be faster.
   */
  applyLatentsFirst?(preActivations: tf.Tensor, buffers: Tensors): Activated;
  /** What the loss has beside the mean square of the error and L1, [...lead]. */
  auxiliaryLoss?(given: Reconstructed): tf.Tensor;
  frozen(buffers: HostTensors, dSae: number): FrozenForm;
}
