/**
 * Sparse autoencoders: f = activation((x − b_dec) W_enc + b_enc), x̂ = f W_dec + b_dec, with one tied bias before and after
 * (Bricken et al., "Towards Monosemanticity", 2023). What differs between architectures is in architectures/, what keeps the decoder's
 * norm in decoder.ts. Names and shapes are SAELens's.
 */
import * as tf from '@tensorflow/tfjs';
import { createRandomSource, type RandomSource } from '../data/random-source.ts';
import { InvalidShapeError, InvalidTypeError, InvalidValueError } from '../errors.ts';
import { filled, type HostTensor, type HostTensors, sameShape, transposed, zeros } from '../tensor.ts';
import type { SaeArchitecture, SaeShape } from './architectures/architecture.ts';
import { FEW_LATENTS } from './architectures/linear-coder.ts';
import { type ActivationConfig, createArchitecture } from './architectures/registry.ts';
import { DECODER_FORMS, type DecoderForm, decoderParameter, decoderRows } from './decoder.ts';
import { requirePositiveInteger } from './dimensions.ts';
import { requireSamples, runEagerly } from './eager.ts';
import { firingRateBuffers } from './firing-rate.ts';
import { foldActivationScale } from './fold-activation-scale.ts';
import { applyFrozenSae, decoderInputsOf, type FrozenSae } from './frozen-sae.ts';
import type { ModelState } from './model.ts';
import { ACTIVATION_NORMALIZATIONS, type ActivationNormalization } from './normalisation.ts';
import { forwardOf, STARTED, saeTrainable, scalarsAt } from './sae-trainable.ts';
import { unitRows } from './unit-rows.ts';

/** Sizes, architecture and decoder of a sparse autoencoder. */
export interface SparseAutoencoderConfig {
  readonly dIn: number;
  readonly dSae: number;
  /** Width of the reconstructed tensor. Another width than `dIn` makes a transcoder. Default `dIn`. */
  readonly dOut?: number;
  readonly activation: ActivationConfig;
  /** The form of the decoder. Default `reparametrise`. */
  readonly decoder?: DecoderForm;
  /**
   * Whether the autoencoder is a transcoder: it reconstructs another tensor than its input, and b_dec is not subtracted
   * from the input. Default: whether dOut differs from dIn.
   */
  readonly transcoder?: boolean;
  /** Whether the reconstruction has a linear term of the input, W_skip. Default false. */
  readonly skip?: boolean;
  /**
   * Whether the squared error is averaged (`mean`) or summed over d_out. Every coefficient of the loss is relative to
   * it. Default `mean`.
   */
  readonly reconstructionLoss?: 'mean' | 'sum';
  /**
   * How each sample is normalised before it is encoded; its reconstruction is denormalised. Not with AuxK, as in
   * SAELens. Default `none`.
   */
  readonly normalize?: ActivationNormalization;
  /** The factor by which activations are multiplied in training; freezing folds it into the weights. Default 1. */
  readonly inputScale?: number;
  /**
   * The least cosine between each decoder row and its start, in [0, 1); training turns rows back to it. Default 0: no
   * limit.
   */
  readonly leastDecoderCosine?: number;
  /**
   * Whether training counts the samples since each latent last fired. Default: where the architecture needs it, or
   * there are more than 64 latents.
   */
  readonly countsFiring?: boolean;
}

/** Values with which the parameters start. */
export interface SparseAutoencoderStart {
  /** b_dec [d_out], best the geometric median of the activations. Default zeros. */
  readonly bias?: ArrayLike<number>;
  /** Decoder rows [d_sae, d_out], scaled to `decoderNorm` here (see initialDirections). Default Gaussian draws. */
  readonly directions?: HostTensor;
  /** Norm of the decoder's rows, above 0; a norm other than 1 needs `decoder: 'free'`. Default 1. */
  readonly decoderNorm?: number;
  /** Norm of the encoder's columns, which start along the decoder's rows. Default: the decoder's norm. */
  readonly encoderNorm?: number;
  /** A whole state, which is taken unchanged instead of the other options. */
  readonly state?: ModelState<HostTensors>;
}

/** How many samples are encoded at once while a threshold is calibrated. */
const CALIBRATION_BATCH = 4096;

/**
 * A sparse autoencoder or transcoder in training: an architecture with its sizes, the decoder's form, and the
 * parameters.
 */
export class SparseAutoencoder {
  readonly config: Required<SparseAutoencoderConfig>;
  readonly shape: SaeShape;
  readonly architecture: SaeArchitecture;
  /**
   * The parameters `V` or `W_dec` [d_sae, d_out], `W_enc` [d_in, d_sae], `b_enc` [d_sae], `b_dec` [d_out], and those
   * that the architecture adds; its buffers, and `silent` [d_sae], the samples since each latent last fired, where that
   * is counted.
   */
  state: ModelState<HostTensors>;

  /**
   * An autoencoder at its start.
   * @param random where the directions are drawn from, unless they are given
   * @throws InvalidValueError where a dimension is no positive integer, or a setting is out of its range
   * @throws InvalidShapeError where the bias is not [d_out] or the directions are not [d_sae, d_out]
   */
  constructor(config: SparseAutoencoderConfig, random: RandomSource, start: SparseAutoencoderStart = {}) {
    const { dIn, dSae, dOut = dIn, decoder = 'reparametrise', transcoder = dOut !== dIn, skip = false } = config;
    const { reconstructionLoss = 'mean', normalize = 'none', inputScale = 1, leastDecoderCosine = 0 } = config;
    for (const [name, size] of Object.entries({ dIn, dSae, dOut })) requirePositiveInteger(size, name);
    requireChoice('decoder', decoder, DECODER_FORMS);
    requireChoice('reconstructionLoss', reconstructionLoss, ['mean', 'sum']);
    requireChoice('normalize', normalize, ACTIVATION_NORMALIZATIONS);
    if (!(inputScale > 0 && Number.isFinite(inputScale))) {
      throw new InvalidValueError(`inputScale must be positive, got ${inputScale}`);
    }
    if (!(leastDecoderCosine >= 0 && leastDecoderCosine < 1)) {
      throw new InvalidValueError(`leastDecoderCosine must lie in [0, 1), got ${leastDecoderCosine}`);
    }
    if (normalize !== 'none' && 'auxK' in config.activation && config.activation.auxK) {
      throw new InvalidValueError(
        `auxK does not go with normalize ${normalize}: its reconstruction is of normalised activations, the error is not`,
      );
    }
    if (!transcoder && dOut !== dIn) {
      throw new InvalidValueError(`d_out is ${dOut} and d_in ${dIn}: only a transcoder reconstructs another width`);
    }
    this.architecture = createArchitecture(config.activation, dSae);
    const asks = this.architecture.asksForFiring === true || dSae > FEW_LATENTS;
    const forms = { dOut, decoder, skip, reconstructionLoss, normalize, leastDecoderCosine };
    this.config = { ...config, ...forms, transcoder, inputScale, countsFiring: asks || config.countsFiring === true };
    this.shape = { dIn, dSae, ...forms, applyBDecToInput: !transcoder };
    this.state = start.state ?? this.#initial(random, start);
  }

  /** The same autoencoder with another state, as training leaves it. */
  withState(state: ModelState<HostTensors>): SparseAutoencoder {
    return new SparseAutoencoder(this.config, createRandomSource(0), { state });
  }

  /**
   * Whether training counts the samples since each latent last fired. With few latents it does not: the count would
   * take a tenth of their step.
   */
  get countsFiring(): boolean {
    return this.config.countsFiring;
  }

  /** Decoder rows of one norm, W_enc their transpose, b_enc zero, b_dec the given bias. */
  #initial(random: RandomSource, start: SparseAutoencoderStart): ModelState<HostTensors> {
    const { dIn, dSae, dOut, decoder } = this.config;
    const { bias, directions, decoderNorm = 1, encoderNorm = decoderNorm } = start;
    if (bias && bias.length !== dOut) {
      throw new InvalidShapeError(`the initial bias must have shape [${dOut}], got [${bias.length}]`);
    }
    if (directions && !sameShape(directions.shape, [dSae, dOut])) {
      throw new InvalidShapeError(
        `directions must have shape [${dSae}, ${dOut}], got [${directions.shape.join(', ')}]`,
      );
    }
    for (const [name, norm] of Object.entries({ decoderNorm, encoderNorm })) {
      if (!(norm > 0 && Number.isFinite(norm))) throw new InvalidValueError(`${name} must be positive, got ${norm}`);
    }
    if (decoder !== 'free' && decoderNorm !== 1) {
      throw new InvalidValueError(
        `decoder ${decoder} keeps rows of norm 1; a norm of ${decoderNorm} needs decoder free`,
      );
    }
    const rows = unitRows(directions ?? gaussian([dSae, dOut], random), decoderNorm);
    const encoderRows = dIn === dOut ? rows : unitRows(gaussian([dSae, dIn], random), decoderNorm);
    return {
      parameters: this.architecture.parameters(this.shape, {
        decoder: rows,
        encoder: transposed(encoderNorm === decoderNorm ? encoderRows : unitRows(encoderRows, encoderNorm)),
        bias: bias ? { data: Float32Array.from(bias), shape: [dOut] } : zeros([dOut]),
      }),
      buffers: {
        ...this.architecture.buffers(this.shape),
        ...(this.countsFiring && { silent: filled([dSae], 0) }),
        ...(this.architecture.firingWindow !== undefined && firingRateBuffers(dSae)),
        ...(this.config.leastDecoderCosine > 0 && { [STARTED]: unitRows(rows) }),
      },
    };
  }

  /** The frozen form: plain weights and options, from which the autoencoder encodes, is exported and is converted. */
  freeze(): FrozenSae {
    const frozen = this.architecture.freeze(this.shape, this.state);
    const { inputScale, transcoder } = this.config;
    if (inputScale === 1) return frozen;
    return { ...frozen, weights: foldActivationScale(frozen.weights, inputScale, { transcoder }) };
  }

  /** The features of `activations`, as the frozen model gives them: […, d_in] → […, d_sae]. */
  encode(activations: HostTensor): HostTensor {
    return this.forward(activations).features;
  }

  /**
   * The reconstruction of `features`: […, d_sae] → […, d_out].
   * @throws InvalidTypeError where the reconstruction also needs the activations (a skip connection, for example)
   */
  decode(features: HostTensor): HostTensor {
    requireSamples(features, [this.config.dSae], 'features');
    const frozen = this.freeze();
    const beside = decoderInputsOf(frozen);
    if (beside.length > 0) {
      throw new InvalidTypeError(`decoding needs ${beside.join(', ')} beside the features: use forward(activations)`);
    }
    const { reconstruction } = runEagerly(
      ({ input, W_dec, b_dec }) => {
        const decoded = tf.add(tf.matMul(tf.reshape(input!, [-1, this.config.dSae]), W_dec!), b_dec!);
        return { reconstruction: tf.reshape(decoded, [...features.shape.slice(0, -1), this.config.dOut]) };
      },
      { W_dec: frozen.weights['W_dec']!, b_dec: frozen.weights['b_dec']!, input: features },
    );
    return reconstruction!;
  }

  /**
   * The features and the reconstruction of `activations` […, d_in], as the frozen model gives them: […, d_sae] and […,
   * d_out].
   */
  forward(activations: HostTensor): { readonly features: HostTensor; readonly reconstruction: HostTensor } {
    requireSamples(activations, [this.config.dIn], 'activations');
    const lead = activations.shape.slice(0, -1);
    const { weights, ...options } = this.freeze();
    const { features, reconstruction } = runEagerly(
      ({ input, ...constants }) => {
        const outputs = applyFrozenSae(options, constants, tf.reshape(input!, [-1, this.config.dIn]));
        return {
          features: tf.reshape(outputs['features']!, [...lead, this.config.dSae]),
          reconstruction: tf.reshape(outputs['reconstruction']!, [...lead, this.config.dOut]),
        };
      },
      { ...weights, input: activations },
    );
    return { features: features!, reconstruction: reconstruction! };
  }

  /**
   * The forward pass of one training batch: the features in their training form (BatchTopK chooses among the whole
   * batch), the reconstruction, and each term of the loss by name.
   * @param activations [batch, d_in]
   * @param target [batch, d_out], for a transcoder
   */
  trainingForward(activations: HostTensor, target: HostTensor = activations) {
    requireSamples(activations, [this.config.dIn], 'activations');
    requireSamples(target, [this.config.dOut], 'target');
    const { architecture } = this;
    const scalars = scalarsAt(architecture, activations.shape[0]!);
    const buffers = Object.keys(this.state.buffers);
    const results = runEagerly(
      ({ input, output, ...all }) => {
        const state = {
          parameters: architecture.project?.(all) ?? all,
          buffers: Object.fromEntries(buffers.map(name => [name, all[`buffer.${name}`]!])),
        };
        const scaledInput = this.config.inputScale === 1 ? input! : tf.mul(input!, this.config.inputScale);
        const wanted = target === activations ? scaledInput : output!;
        const { features, reconstruction } = forwardOf(this, state, scaledInput, wanted);
        const batch = { activations: scaledInput, ...(target !== activations && { target: wanted }) };
        const { losses } = saeTrainable(this).losses({ ...state, batch, scalars });
        const named = Object.fromEntries(Object.entries(losses).map(([name, value]) => [`loss.${name}`, value]));
        return { features, reconstruction, ...named };
      },
      {
        ...this.state.parameters,
        ...Object.fromEntries(Object.entries(this.state.buffers).map(([name, value]) => [`buffer.${name}`, value])),
        input: activations,
        output: target,
      },
    );
    const { features, reconstruction, ...losses } = results;
    return {
      features: features!,
      reconstruction: reconstruction!,
      losses: Object.fromEntries(Object.entries(losses).map(([name, { data }]) => [name.slice(5), data[0]!])),
    };
  }

  /**
   * Sets BatchTopK's threshold so that held-out `activations` [n, d_in] have k active features on average: ⌊k · n⌋ in
   * all where no two are equal, every positive one where there are fewer.
   * @returns the threshold
   * @throws InvalidTypeError for an architecture without such a threshold
   */
  calibrateThreshold(activations: HostTensor): number {
    const { k, kind } = this.architecture;
    if (!this.state.buffers['threshold'] || k === undefined) {
      throw new InvalidTypeError(`activation ${kind} has no threshold to calibrate; batchtopk and matryoshka have`);
    }
    requireSamples(activations, [this.config.dIn], 'activations');
    this.#setThreshold(0);
    const samples = activations.data.length / this.config.dIn;
    const positive = Float32Array.from(this.#positiveFeatures(activations, samples)).sort();
    // Features above the threshold fire, so the threshold is the largest feature that must not.
    const threshold = positive.at(-1 - Math.floor(k * samples)) ?? 0;
    this.#setThreshold(threshold);
    return threshold;
  }

  #setThreshold(value: number): void {
    this.state = { ...this.state, buffers: { ...this.state.buffers, threshold: filled([], value) } };
  }

  *#positiveFeatures({ data }: HostTensor, samples: number): Generator<number> {
    const { dIn } = this.config;
    for (let start = 0; start < samples; start += CALIBRATION_BATCH) {
      const part = data.subarray(start * dIn, Math.min(start + CALIBRATION_BATCH, samples) * dIn);
      const features = this.encode({ data: part, shape: [part.length / dIn, dIn] });
      for (const value of features.data) if (value > 0) yield value;
    }
  }

  /** The direction of each latent: the rows of W_dec, [d_sae, d_out]; of unit norm unless the decoder is `free`. */
  featureDirections(): HostTensor {
    return decoderRows(this.config.decoder, this.state.parameters);
  }

  /** The name of the parameter whose rows are the decoder's. */
  get decoderParameter(): 'V' | 'W_dec' {
    return decoderParameter(this.config.decoder);
  }
}

function gaussian(shape: readonly [number, number], random: RandomSource): HostTensor {
  return { data: Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal()), shape };
}

function requireChoice(name: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new InvalidValueError(`${name} "${value}" does not exist; choose from ${choices.join(', ')}`);
}
