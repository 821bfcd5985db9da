/**
 * What a sparse autoencoder is: one value that owns its parameters, its buffers, its forward pass, its loss and its frozen form. Everything
 * else (training, engines, checkpoints, the command line, freezing) knows only this interface.
 */
import type * as tf from '@tensorflow/tfjs';
import type { HostTensor, HostTensors } from '../../tensor.ts';
import type { DecoderForm } from '../decoder.ts';
import type { FrozenSae } from '../frozen-sae.ts';
import type { ModelState, Scalars, Tensors } from '../model.ts';
import type { ActivationNormalization } from '../normalisation.ts';

/** The sizes and forms that an architecture is built in; every architecture takes every one. */
export interface SaeShape {
  readonly dIn: number;
  readonly dSae: number;
  /** Width of the reconstructed tensor; it equals `dIn` unless the autoencoder is a transcoder. */
  readonly dOut: number;
  readonly decoder: DecoderForm;
  /** Whether b_dec is subtracted from the input before encoding; false for a transcoder. */
  readonly applyBDecToInput: boolean;
  /** Whether the reconstruction has a term input · W_skipᵀ. */
  readonly skip: boolean;
  /** Whether the squared error is averaged or summed over d_out. It is averaged over the batch either way. */
  readonly reconstructionLoss: 'mean' | 'sum';
  /** How each sample is normalised before it is encoded; its reconstruction is denormalised. Default `none`. */
  readonly normalize?: ActivationNormalization;
  /** The least cosine between each decoder row and its start. Default 0: no limit. */
  readonly leastDecoderCosine?: number;
}

/** Values with which the linear parameters start. */
export interface LinearStart {
  /** Decoder rows [d_sae, d_out]. */
  readonly decoder: HostTensor;
  /** [d_in, d_sae]. */
  readonly encoder: HostTensor;
  /** b_dec [d_out]. */
  readonly bias: HostTensor;
}

/** The inputs of a forward pass. `lead` is [] or [n_instances] in every shape. */
export interface ForwardInputs extends ModelState<Tensors> {
  readonly shape: SaeShape;
  /** [...lead, batch, d_in] */
  readonly input: tf.Tensor;
  /**
   * The tensor that the reconstruction is compared with, [...lead, batch, d_out]. It is the very tensor `input` unless
   * the autoencoder is a transcoder.
   */
  readonly target: tf.Tensor;
  readonly scalars: Scalars;
  /** The input before normalisation, which a skip connection reads; only where samples are normalised. */
  readonly raw?: tf.Tensor;
  /** Denormalises a reconstruction, [...lead, batch, d_out] each; only where samples are normalised. */
  readonly undo?: (reconstruction: tf.Tensor) => tf.Tensor;
  /** Whether the loss reads `preActivations`, so that the batch must be laid out first. Default false. */
  readonly readsPreActivations?: boolean;
}

/** The results of a forward pass. */
export interface Forward {
  /** [...lead, batch, d_sae] */
  readonly features: tf.Tensor;
  /** The features as [...lead, d_sae, batch], where latents were laid out first. */
  readonly batchLast?: tf.Tensor;
  /** [...lead, batch, d_out] */
  readonly reconstruction: tf.Tensor;
  /**
   * Reconstruction minus target, [...lead, batch, d_out]; the last two dimensions are exchanged where that is faster.
   */
  readonly error: tf.Tensor;
  /** [...lead, batch, d_sae]; absent where latents were laid out first. */
  readonly preActivations?: tf.Tensor;
  /** W_dec, the matrix that multiplied the features, [...lead, d_sae, d_out]. */
  readonly decoder: tf.Tensor;
  /** The buffers after this batch. */
  readonly buffers: Tensors;
}

/** A number of the architecture that may change from step to step and differ among instances side by side. */
export interface ScalarSetting {
  /** Its value in the configuration. */
  readonly value: number;
  /** Its path in the configuration: `k`, `auxK.coefficient`. */
  readonly setting: string;
  /**
   * The number that the step takes for a value of the setting, such as ⌊k · batch⌋ for a BatchTopK's k. Default: the
   * value itself.
   */
  perStep?(value: number, batchSize: number): number;
}

/** One setting as an option of the command line. */
export interface SettingFlag {
  /** The option in commander's notation: `--l0-coefficient <weight>`. */
  readonly flag: string;
  readonly says: string;
  readonly takes: 'a positive number' | 'a number of at least 0' | 'a count' | 'a name' | 'nothing';
  /** The names that the option takes, where there are few; the first is the default. */
  readonly choices?: readonly string[];
}

/** Values that the command line gave, by the camel-cased names of their flags; `true` for a flag without a value. */
export type FlagValues = Readonly<Record<string, number | string | boolean | undefined>>;

/** A kind of sparse autoencoder with its settings. */
export interface SaeArchitecture {
  /** The name in configurations and on the command line. */
  readonly kind: string;
  /** The whole configuration with its defaults. Accelerators match on it and files record it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Active latents per sample; only for architectures that fix this number. */
  readonly k?: number;
  readonly scalars: Readonly<Record<string, ScalarSetting>>;
  /** Settings that follow from the number of training steps where the configuration leaves them open. */
  trainingDefaults?(steps: number): Readonly<Record<string, unknown>>;
  parameters(shape: SaeShape, start: LinearStart): HostTensors;
  /** Names of the encoder's biases, which stay 0 in a training without biases. Default `b_enc`. */
  readonly biases?: readonly string[];
  /** State that is not trained, of one instance. */
  buffers(shape: SaeShape): HostTensors;
  forward(inputs: ForwardInputs): Forward;
  /** Weight of `mse` in the loss. Default 1. */
  readonly mseWeight?: number;
  /** Names of the terms that `losses` gives. Default none. */
  readonly terms?: readonly string[];
  /**
   * The terms of the loss beside `mse`, by name, each [...lead], in the unit that `shape.reconstructionLoss` names; `inputs.buffers` are as
   * they were before the batch.
   */
  losses?(inputs: ForwardInputs, forward: Forward): Tensors;
  /** Whether its loss reads when each latent last fired (the buffer `silent`, in samples). Default false. */
  readonly asksForFiring?: boolean;
  /**
   * Its loss reads how often each latent fires (the buffer `firing_rate`, a share of samples), counted over windows of
   * this many steps. Default: it does not.
   */
  readonly firingWindow?: number;
  /** Maps the parameters to those of a forward pass. Default: the same. */
  project?(parameters: Tensors): Tensors;
  /** The frozen form. It applies b_dec, and the decoder's norm is folded into the weights. */
  freeze(shape: SaeShape, state: ModelState<HostTensors>): FrozenSae;
}
