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
  /** Width of what is reconstructed: `dIn`, but for a transcoder. */
  readonly dOut: number;
  readonly decoder: DecoderForm;
  /** Whether b_dec is subtracted from the input before encoding; false for a transcoder. */
  readonly applyBDecToInput: boolean;
  /** Whether the reconstruction has a term input · W_skipᵀ. */
  readonly skip: boolean;
  /** Whether the squared error is averaged or summed over d_out. It is averaged over the batch either way. */
  readonly reconstructionLoss: 'mean' | 'sum';
  /** What happens to each sample before it is encoded and is undone in its reconstruction. Default `none`. */
  readonly normalize?: ActivationNormalization;
  /** The least cosine of decoder rows with where they started. Default 0. */
  readonly leastDecoderCosine?: number;
}

/** Where the linear parameters start. */
export interface LinearStart {
  /** Decoder rows [d_sae, d_out]. */
  readonly decoder: HostTensor;
  /** [d_in, d_sae]. */
  readonly encoder: HostTensor;
  /** b_dec [d_out]. */
  readonly bias: HostTensor;
}

/** What a forward pass is given. `lead` is [] or [n_instances] in every shape. */
export interface ForwardInputs extends ModelState<Tensors> {
  readonly shape: SaeShape;
  /** [...lead, batch, d_in] */
  readonly input: tf.Tensor;
  /** What the reconstruction is compared with, [...lead, batch, d_out]; the very tensor `input` unless it is a transcoder's. */
  readonly target: tf.Tensor;
  readonly scalars: Scalars;
  /** Where samples are normalised: the input as it was before, which a skip connection reads. */
  readonly raw?: tf.Tensor;
  /** Where samples are normalised: gives a reconstruction of the input as one of the target, [...lead, batch, d_out] each. */
  readonly undo?: (reconstruction: tf.Tensor) => tf.Tensor;
  /** Whether the loss reads `preActivations`, so that the batch must be laid out first. Default false. */
  readonly readsPreActivations?: boolean;
}

/** A batch that went through the autoencoder. */
export interface Forward {
  /** [...lead, batch, d_sae] */
  readonly features: tf.Tensor;
  /** The features as [...lead, d_sae, batch], where latents were laid out first. */
  readonly batchLast?: tf.Tensor;
  /** [...lead, batch, d_out] */
  readonly reconstruction: tf.Tensor;
  /** Reconstruction less target, [...lead, batch, d_out], or with its last two dimensions exchanged where that is faster. */
  readonly error: tf.Tensor;
  /** [...lead, batch, d_sae]; absent where latents were laid out first. */
  readonly preActivations?: tf.Tensor;
  /** The matrix that multiplied the features, [...lead, d_sae, d_out]. */
  readonly decoder: tf.Tensor;
  /** The buffers after this batch. */
  readonly buffers: Tensors;
}

/** A number of the architecture's that may change from step to step and differ among instances side by side. */
export interface ScalarSetting {
  /** As the configuration has it. */
  readonly value: number;
  /** Where the configuration has it: `k`, `auxK.coefficient`. */
  readonly setting: string;
  /** What the step takes for a value of the setting, such as ⌊k · batch⌋ for a BatchTopK's k. Default the value. */
  perStep?(value: number, batchSize: number): number;
}

/** How the command line asks for one setting. */
export interface SettingFlag {
  /** As commander writes it: `--l0-coefficient <weight>`. */
  readonly flag: string;
  readonly says: string;
  readonly takes: 'a positive number' | 'a number of at least 0' | 'a count' | 'a name' | 'nothing';
  /** The names that may be given, where they are few; the first is the default. */
  readonly choices?: readonly string[];
}

/** Values that the command line gave, by the camel-cased names of their flags; `true` for a flag without a value. */
export type FlagValues = Readonly<Record<string, number | string | boolean | undefined>>;

/** A kind of sparse autoencoder with its settings. */
export interface SaeArchitecture {
  /** The name in configurations and on the command line. */
  readonly kind: string;
  /** The whole configuration, defaults filled in: what an accelerator matches on and a file records. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Active latents per sample that training aims at, where the architecture sets it. */
  readonly k?: number;
  readonly scalars: Readonly<Record<string, ScalarSetting>>;
  /** Settings that follow from the number of training steps, where the configuration leaves them open. */
  trainingDefaults?(steps: number): Readonly<Record<string, unknown>>;
  parameters(shape: SaeShape, start: LinearStart): HostTensors;
  /** The parameters that are biases of the encoder; training without biases leaves them at 0. Default `b_enc`. */
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
  /** Whether its loss asks for when each latent last fired (the buffer `silent`, in samples). Default false. */
  readonly asksForFiring?: boolean;
  /** Steps of a window over which its loss asks how often each latent fires (the buffer `firing_rate`, a share of samples). Default none. */
  readonly firingWindow?: number;
  /** Parameters as each forward pass takes them. Default as they are. */
  project?(parameters: Tensors): Tensors;
  /** The frozen form, in which b_dec is applied and the decoder's norm folded. */
  freeze(shape: SaeShape, state: ModelState<HostTensors>): FrozenSae;
}
