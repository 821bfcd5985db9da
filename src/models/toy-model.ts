/**
 * The toy model of superposition: out = relu(x W Wᵀ + b), after Elhage et al., "Toy Models of Superposition" (2022), section 2.
 * It packs n_features sparse features into n_hidden dimensions and reads them out again.
 */
import * as tf from '@tensorflow/tfjs';
import type { RandomSource } from '../data/random-source.ts';
import { type HostTensor, type HostTensors, zeros } from '../tensor.ts';
import { requirePositiveInteger } from './dimensions.ts';
import { requireSamples, runEagerly } from './eager.ts';
import type { Applied, ModelDefinition, ModelState, Tensors } from './model.ts';

/** Sizes of a toy model. */
export interface ToyModelConfig {
  readonly nFeatures: number;
  readonly nHidden: number;
}

/** The toy model of superposition (Elhage et al. 2022): x̂ = ReLU(x W Wᵀ + b), with W [n_features, n_hidden]. */
export class ToyModel implements ModelDefinition {
  readonly kind = 'toy-model';
  readonly inputName = 'features';
  readonly sampleShape: readonly [number];
  readonly config: ToyModelConfig;
  /** `weight` [n_features, n_hidden] and `bias` [n_features]. */
  state: ModelState<HostTensors>;

  /**
   * A toy model with Xavier-normal weight and zero bias.
   * @throws InvalidValueError for dimensions that are not positive integers
   */
  constructor(config: ToyModelConfig, random: RandomSource) {
    requirePositiveInteger(config.nFeatures, 'nFeatures');
    requirePositiveInteger(config.nHidden, 'nHidden');
    this.config = config;
    this.sampleShape = [config.nFeatures];
    this.state = this.init(random);
  }

  /** Draws `weight` with standard deviation √(2 / (n_features + n_hidden)) (Glorot & Bengio 2010). */
  init(random: RandomSource): ModelState<HostTensors> {
    const { nFeatures, nHidden } = this.config;
    return {
      parameters: { weight: xavierNormal([nFeatures, nHidden], random), bias: zeros([nFeatures]) },
      buffers: {},
    };
  }

  /**
   * Applies the model to `input` [batch, n_features]: gives `reconstruction` [batch, n_features] and `hidden` = input ·
   * weight, [batch, n_hidden].
   */
  apply({ parameters, buffers }: ModelState<Tensors>, input: tf.Tensor): Applied {
    const { weight, bias } = parameters as { weight: tf.Tensor; bias: tf.Tensor };
    const hidden = tf.matMul(input, weight);
    const reconstruction = tf.relu(tf.add(tf.matMul(hidden, weight, false, true), bias));
    return { outputs: { reconstruction, hidden }, buffers };
  }

  /**
   * Applies the model to `features` […, n_features].
   * @returns `reconstruction` […, n_features] and `hidden` […, n_hidden]
   */
  forward(features: HostTensor): { readonly reconstruction: HostTensor; readonly hidden: HostTensor } {
    requireSamples(features, this.sampleShape, 'features');
    const lead = features.shape.slice(0, -1);
    const { reconstruction, hidden } = runEagerly(
      ({ features: input, ...parameters }) => {
        const flat = tf.reshape(input!, [-1, this.config.nFeatures]);
        const { outputs } = this.apply({ parameters, buffers: {} }, flat);
        return {
          reconstruction: tf.reshape(outputs['reconstruction']!, [...lead, this.config.nFeatures]),
          hidden: tf.reshape(outputs['hidden']!, [...lead, this.config.nHidden]),
        };
      },
      { ...this.state.parameters, features },
    );
    return { reconstruction: reconstruction!, hidden: hidden! };
  }

  /** The direction of each feature in the hidden space: the rows of `weight`, [n_features, n_hidden]. */
  featureDirections(): HostTensor {
    return this.state.parameters['weight']!;
  }
}

/** Draws a matrix [rows, columns] of normals with standard deviation √(2 / (rows + columns)). */
export function xavierNormal(shape: readonly [number, number], random: RandomSource): HostTensor {
  const deviation = Math.sqrt(2 / (shape[0] + shape[1]));
  return { data: Float32Array.from({ length: shape[0] * shape[1] }, () => random.normal() * deviation), shape };
}
