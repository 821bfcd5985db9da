/**
 * Sparse autoencoders: f = activation((x − b_dec) W_enc + b_enc), x̂ = f W_dec + b_dec, with one tied bias before and after
 * (Bricken et al., "Towards Monosemanticity", 2023). What differs between architectures is in activations/, what keeps the decoder's
 * norm in decoder.ts. Names and shapes are SAELens's.
 */
import * as tf from '@tensorflow/tfjs';
import { createRandomSource, type RandomSource } from '../data/random-source.ts';
import { InvalidShapeError, InvalidTypeError, InvalidValueError } from '../errors.ts';
import { type HostTensor, type HostTensors, sameShape, zeros } from '../tensor.ts';
import type { SaeActivation } from './activations/activation.ts';
import { type ActivationConfig, createActivation } from './activations/registry.ts';
import { centredProduct, centredProductBatchLast } from './centred-product.ts';
import { DECODER_FORMS, type DecoderForm, decoderMatrix, decoderParameter } from './decoder.ts';
import { requirePositiveInteger } from './dimensions.ts';
import { requireSamples, runEagerly } from './eager.ts';
import type { Applied, Mode, ModelDefinition, ModelState, Tensors } from './model.ts';

/** Up to this many latents a training step lays them out first and the batch last. */
const FEW_LATENTS = 64;

export interface SparseAutoencoderConfig {
  readonly dIn: number;
  readonly dSae: number;
  readonly activation: ActivationConfig;
  /** Default `reparametrise`. */
  readonly decoder?: DecoderForm;
}

/** Where the parameters start. */
export interface SparseAutoencoderStart {
  /** b_dec [d_in], best the geometric median of the activations. Default zeros. */
  readonly bias?: ArrayLike<number>;
  /** Decoder rows [d_sae, d_in], scaled to unit norm here (see initialDirections). Default Gaussian draws. */
  readonly directions?: HostTensor;
  /** A whole state instead, taken as it is. */
  readonly state?: ModelState<HostTensors>;
}

/** Samples encoded at once while a threshold is calibrated. */
const CALIBRATION_BATCH = 4096;

export class SparseAutoencoder implements ModelDefinition {
  readonly kind = 'sparse-autoencoder';
  readonly inputName = 'activations';
  readonly sampleShape: readonly [number];
  readonly config: Required<SparseAutoencoderConfig>;
  readonly activation: SaeActivation;
  /** `V` or `W_dec` [d_sae, d_in], `W_enc` [d_in, d_sae], `b_enc` [d_sae], `b_dec` [d_in]; buffers of the activation. */
  state: ModelState<HostTensors>;

  /**
   * InvalidValueError: dimensions "must be positive", k and l1 in their ranges. InvalidShapeError: the bias "must have shape" [d_in],
   * the directions [d_sae, d_in].
   */
  constructor(config: SparseAutoencoderConfig, random: RandomSource, start: SparseAutoencoderStart = {}) {
    requirePositiveInteger(config.dIn, 'dIn');
    requirePositiveInteger(config.dSae, 'dSae');
    const { decoder = 'reparametrise' } = config;
    if (!DECODER_FORMS.includes(decoder)) {
      throw new InvalidValueError(`decoder "${decoder}" does not exist; choose from ${DECODER_FORMS.join(', ')}`);
    }
    this.config = { ...config, decoder };
    this.sampleShape = [config.dIn];
    this.activation = createActivation(config.activation, config.dSae);
    this.state = start.state ?? this.init(random, start);
  }

  /** The same autoencoder with another state, as training leaves it. */
  withState(state: ModelState<HostTensors>): SparseAutoencoder {
    return new SparseAutoencoder(this.config, createRandomSource(0), { state });
  }

  /** Unit decoder rows, W_enc their transpose, b_enc zero, b_dec the given bias. */
  init(random: RandomSource, { bias, directions }: SparseAutoencoderStart = {}): ModelState<HostTensors> {
    const { dIn, dSae, decoder } = this.config;
    if (bias && bias.length !== dIn) {
      throw new InvalidShapeError(`the initial bias must have shape [${dIn}], got [${bias.length}]`);
    }
    if (directions && !sameShape(directions.shape, [dSae, dIn])) {
      throw new InvalidShapeError(`directions must have shape [${dSae}, ${dIn}], got [${directions.shape.join(', ')}]`);
    }
    const rows = unitRows(
      directions?.data ?? Float32Array.from({ length: dSae * dIn }, () => random.normal()),
      dSae,
      dIn,
    );
    return {
      parameters: {
        [decoderParameter(decoder)]: rows,
        W_enc: transposed(rows),
        b_enc: zeros([dSae]),
        b_dec: bias ? { data: Float32Array.from(bias), shape: [dIn] } : zeros([dIn]),
      },
      buffers: this.activation.initialBuffers([]),
    };
  }

  /**
   * input [batch, d_in] → `features` [batch, d_sae], `reconstruction` [batch, d_in], and what the activation names.
   * In mode `train` also `error` and `auxiliary_loss`, where the activation has one.
   * With parameters of a leading dimension, input [n_instances, batch, d_in] and so on: instances side by side.
   */
  apply({ parameters, buffers }: ModelState<Tensors>, input: tf.Tensor, mode: Mode): Applied {
    if (mode === 'train' && this.config.dSae <= FEW_LATENTS && this.activation.applyLatentsFirst) {
      return this.#applyLatentsFirst(parameters, buffers, input);
    }
    const bias = rowOf(parameters['b_dec']!);
    const product = centredProduct(input, parameters['b_dec']!, parameters['W_enc']!);
    const preActivations = tf.add(product, rowOf(parameters['b_enc']!));
    const { features, buffers: next, named } = this.activation.apply(preActivations, buffers, mode);
    const decoder = decoderMatrix(this.config.decoder, parameters);
    const reconstruction = tf.add(tf.matMul(features, decoder), bias);
    const outputs = { ...named, features, reconstruction };
    const { auxiliaryLoss } = this.activation;
    if (mode === 'frozen' || !auxiliaryLoss) return { outputs, buffers: next };
    const error = tf.sub(reconstruction, input);
    const auxiliary_loss = auxiliaryLoss({ input, preActivations, error, decoder, buffers });
    return { outputs: { ...outputs, error, auxiliary_loss }, buffers: next };
  }

  /**
   * The same with the batch along the last axis, where engines add biases and compare latents several times as fast. `error`, the
   * reconstruction's [..., d_in, batch], spares the loss two transpositions.
   */
  #applyLatentsFirst(parameters: Tensors, buffers: Tensors, input: tf.Tensor): Applied {
    const bias = columnOf(parameters['b_dec']!);
    const target = swapLastTwo(input);
    const product = centredProductBatchLast(target, parameters['b_dec']!, parameters['W_enc']!);
    const preActivations = tf.add(product, columnOf(parameters['b_enc']!));
    const { features, buffers: next } = this.activation.applyLatentsFirst!(preActivations, buffers);
    const decoded = tf.matMul(decoderMatrix(this.config.decoder, parameters), features, true);
    const reconstruction = tf.add(decoded, bias);
    const outputs = {
      features: swapLastTwo(features),
      reconstruction: swapLastTwo(reconstruction),
      error: tf.sub(reconstruction, target),
    };
    return { outputs, buffers: next };
  }

  /** activations […, d_in] → features […, d_sae], as the frozen model gives them. */
  encode(activations: HostTensor): HostTensor {
    return this.forward(activations).features;
  }

  /** features […, d_sae] → reconstruction […, d_in]. */
  decode(features: HostTensor): HostTensor {
    requireSamples(features, [this.config.dSae], 'features');
    const { reconstruction } = runEagerly(
      ({ input, ...parameters }) => {
        const flat = tf.reshape(input!, [-1, this.config.dSae]);
        const decoded = tf.add(tf.matMul(flat, decoderMatrix(this.config.decoder, parameters)), parameters['b_dec']!);
        return { reconstruction: tf.reshape(decoded, [...features.shape.slice(0, -1), this.config.dIn]) };
      },
      { ...this.state.parameters, input: features },
    );
    return reconstruction!;
  }

  /** activations […, d_in] → features […, d_sae] and reconstruction […, d_in]. */
  forward(activations: HostTensor): { readonly features: HostTensor; readonly reconstruction: HostTensor } {
    requireSamples(activations, this.sampleShape, 'activations');
    const lead = activations.shape.slice(0, -1);
    const buffers = Object.entries(this.state.buffers).map(([name, value]) => [`buffer.${name}`, value] as const);
    const { features, reconstruction } = runEagerly(
      inputs => {
        const flat = tf.reshape(inputs['input']!, [-1, this.config.dIn]);
        const state = {
          parameters: inputs,
          buffers: Object.fromEntries(buffers.map(([name]) => [name.slice(7), inputs[name]!])),
        };
        const { outputs } = this.apply(state, flat, 'frozen');
        return {
          features: tf.reshape(outputs['features']!, [...lead, this.config.dSae]),
          reconstruction: tf.reshape(outputs['reconstruction']!, activations.shape as number[]),
        };
      },
      { ...this.state.parameters, ...Object.fromEntries(buffers), input: activations },
    );
    return { features: features!, reconstruction: reconstruction! };
  }

  /**
   * Sets BatchTopK's threshold so that held-out `activations` [n, d_in] have k active features on average: ⌊k · n⌋ in all where no two are equal,
   * every positive one where there are fewer. Gives the threshold. InvalidTypeError for an activation without one.
   */
  calibrateThreshold(activations: HostTensor): number {
    const { k } = this.activation;
    if (!this.state.buffers['threshold'] || k === undefined) {
      throw new InvalidTypeError(`activation ${this.activation.kind} has no threshold to calibrate; batchtopk has`);
    }
    requireSamples(activations, this.sampleShape, 'activations');
    this.#setThreshold(0);
    const samples = activations.data.length / this.config.dIn;
    const positive = Float32Array.from(this.#positiveFeatures(activations, samples)).sort();
    // Features above the threshold fire: it is the largest one that must not.
    const threshold = positive.at(-1 - Math.floor(k * samples)) ?? 0;
    this.#setThreshold(threshold);
    return threshold;
  }

  #setThreshold(value: number): void {
    const threshold = { data: Float32Array.of(value), shape: [] };
    this.state = { ...this.state, buffers: { ...this.state.buffers, threshold } };
  }

  *#positiveFeatures({ data }: HostTensor, samples: number): Generator<number> {
    const { dIn } = this.config;
    for (let start = 0; start < samples; start += CALIBRATION_BATCH) {
      const part = data.subarray(start * dIn, Math.min(start + CALIBRATION_BATCH, samples) * dIn);
      const features = this.encode({ data: part, shape: [part.length / dIn, dIn] });
      for (const value of features.data) if (value > 0) yield value;
    }
  }

  /** The direction of each latent: the rows of W_dec, [d_sae, d_in]; of unit norm unless the decoder is `free`. */
  featureDirections(): HostTensor {
    const { dIn, dSae, decoder } = this.config;
    const rows = this.state.parameters[decoderParameter(decoder)]!;
    return decoder === 'reparametrise' ? unitRows(rows.data, dSae, dIn) : rows;
  }
}

/** A bias as a row under each batch: [d] stays, [n_instances, d] becomes [n_instances, 1, d]. */
function rowOf(bias: tf.Tensor): tf.Tensor {
  return bias.rank === 1 ? bias : tf.expandDims(bias, -2);
}

/** A bias as a column beside each batch: [d] becomes [d, 1], [n_instances, d] becomes [n_instances, d, 1]. */
function columnOf(bias: tf.Tensor): tf.Tensor {
  return tf.expandDims(bias, -1);
}

function swapLastTwo(x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, x.rank === 2 ? [1, 0] : [0, 2, 1]);
}

/** Rows scaled to unit norm; a zero row stays zero. */
export function unitRows(data: ArrayLike<number>, rows: number, columns: number): HostTensor {
  const out = Float32Array.from(data);
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) squares += out[i]! ** 2;
    const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) out[i]! *= scale;
  }
  return { data: out, shape: [rows, columns] };
}

function transposed({ data, shape }: HostTensor): HostTensor {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { data: out, shape: [columns, rows] };
}
