/** Many toy models of one size side by side, trained as one: instances for sparsities, seeds or restarts. */
import * as tf from '@tensorflow/tfjs';
import type { RandomSource } from '../data/random-source.ts';
import { type HostTensor, type HostTensors, zeros } from '../tensor.ts';
import { requirePositiveInteger } from './dimensions.ts';
import { requireSamples, runEagerly } from './eager.ts';
import type { Applied, Mode, ModelDefinition, ModelState, Tensors } from './model.ts';
import { xavierNormal } from './toy-model.ts';

/** Sizes of toy models that train side by side. */
export interface ParallelToyModelConfig {
  readonly nInstances: number;
  readonly nFeatures: number;
  readonly nHidden: number;
  /**
   * How weights are drawn. `instance`: Xavier-normal for each instance by itself. `torch3d`: as PyTorch's
   * xavier_normal_ draws the 3-d tensor, with a standard deviation √(2 / (n_hidden·n_features + n_hidden·n_instances))
   * that depends on the number of instances. Default `instance`.
   */
  readonly init?: 'instance' | 'torch3d';
}

/** Instances are joined into block-diagonal matrices of up to this many columns: fewer, larger products beat many small ones. */
const BLOCK_DIAGONAL_COLUMNS = 64;

/** Toy models side by side: `ToyModel` with a leading dimension of instances, each with weights of its own. */
export class ParallelToyModel implements ModelDefinition {
  readonly kind = 'parallel-toy-model';
  readonly inputName = 'features';
  readonly sampleShape: readonly [number, number];
  readonly config: ParallelToyModelConfig;
  /** `weight` [n_instances, n_features, n_hidden] and `bias` [n_instances, n_features]. */
  state: ModelState<HostTensors>;

  /**
   * Toy models with Xavier-normal weights and zero biases.
   * @throws InvalidValueError for dimensions that are not positive integers
   */
  constructor(config: ParallelToyModelConfig, random: RandomSource) {
    requirePositiveInteger(config.nInstances, 'nInstances');
    requirePositiveInteger(config.nFeatures, 'nFeatures');
    requirePositiveInteger(config.nHidden, 'nHidden');
    this.config = config;
    this.sampleShape = [config.nInstances, config.nFeatures];
    this.state = this.init(random);
  }

  init(random: RandomSource): ModelState<HostTensors> {
    const { nInstances, nFeatures, nHidden, init = 'instance' } = this.config;
    const shape = [nInstances, nFeatures, nHidden];
    const size = nFeatures * nHidden;
    const weight = new Float32Array(nInstances * size);
    if (init === 'torch3d') {
      const deviation = Math.sqrt(2 / (nHidden * nFeatures + nHidden * nInstances));
      for (let i = 0; i < weight.length; i++) weight[i] = random.normal() * deviation;
    } else {
      for (let i = 0; i < nInstances; i++) weight.set(xavierNormal([nFeatures, nHidden], random).data, i * size);
    }
    return { parameters: { weight: { data: weight, shape }, bias: zeros([nInstances, nFeatures]) }, buffers: {} };
  }

  /**
   * Applies the models to `input` [batch, n_instances, n_features]: gives `reconstruction` of the same shape and
   * `hidden` [batch, n_instances, n_hidden]. Each instance sees only its own features.
   */
  apply({ parameters, buffers }: ModelState<Tensors>, input: tf.Tensor, mode: Mode): Applied {
    const { weight, bias } = parameters as { weight: tf.Tensor; bias: tf.Tensor };
    // The weight says how many instances there are, not the configuration: engines may run only some at a time.
    const [nInstances, nFeatures] = weight.shape as [number, number, number];
    // Frozen graphs keep `weight` in the shape that the contract names, and the batch symbolic.
    const joined = mode === 'train' ? instancesPerBlock(nInstances, nFeatures) : 1;
    const outputs =
      joined > 1 ? this.#applyBlockDiagonal(weight, bias, input, joined) : applyBatched(weight, bias, input);
    return { outputs, buffers };
  }

  /**
   * Joins `joined` instances as the blocks of one matrix. The result is exact, because products with zeros add nothing.
   */
  #applyBlockDiagonal(weight: tf.Tensor, bias: tf.Tensor, input: tf.Tensor, joined: number): Tensors {
    const [nInstances, n, m] = weight.shape as [number, number, number];
    const groups = nInstances / joined;
    const identity = tf.reshape(tf.eye(joined), [1, joined, 1, joined, 1]);
    const blocks = tf.mul(tf.reshape(weight, [groups, joined, n, 1, m]), identity);
    const diagonal = tf.reshape(blocks, groups === 1 ? [joined * n, joined * m] : [groups, joined * n, joined * m]);
    const x = toGroups(input, groups, joined * n);
    const hidden = tf.matMul(x, diagonal);
    const offset = tf.reshape(bias, groups === 1 ? [joined * n] : [groups, 1, joined * n]);
    const out = tf.relu(tf.add(tf.matMul(hidden, diagonal, false, true), offset));
    return {
      reconstruction: fromGroups(out, groups, [-1, nInstances, n]),
      hidden: fromGroups(hidden, groups, [-1, nInstances, m]),
    };
  }

  /**
   * Applies the models to `features` […, n_instances, n_features].
   * @returns `reconstruction` of the same shape, and `hidden` […, n_instances, n_hidden]
   */
  forward(features: HostTensor): { readonly reconstruction: HostTensor; readonly hidden: HostTensor } {
    requireSamples(features, this.sampleShape, 'features');
    const lead = features.shape.slice(0, -2);
    const { nInstances, nFeatures, nHidden } = this.config;
    const { reconstruction, hidden } = runEagerly(
      ({ features: input, ...parameters }) => {
        const flat = tf.reshape(input!, [-1, nInstances, nFeatures]);
        const { outputs } = this.apply({ parameters, buffers: {} }, flat, 'frozen');
        return {
          reconstruction: tf.reshape(outputs['reconstruction']!, [...lead, nInstances, nFeatures]),
          hidden: tf.reshape(outputs['hidden']!, [...lead, nInstances, nHidden]),
        };
      },
      { ...this.state.parameters, features },
    );
    return { reconstruction: reconstruction!, hidden: hidden! };
  }

  /** The rows of each instance's `weight`, [n_instances, n_features, n_hidden]. */
  featureDirections(): HostTensor {
    return this.state.parameters['weight']!;
  }

  /**
   * One instance's parameters, as a ToyModel holds them.
   * @throws RangeError for an index outside the instances
   */
  instance(index: number): HostTensors {
    const { nInstances, nFeatures, nHidden } = this.config;
    if (!Number.isInteger(index) || index < 0 || index >= nInstances) {
      throw new RangeError(`instance ${index} does not exist: there are ${nInstances}`);
    }
    const { weight, bias } = this.state.parameters as { weight: HostTensor; bias: HostTensor };
    const size = nFeatures * nHidden;
    return {
      weight: { data: weight.data.slice(index * size, (index + 1) * size), shape: [nFeatures, nHidden] },
      bias: { data: bias.data.slice(index * nFeatures, (index + 1) * nFeatures), shape: [nFeatures] },
    };
  }
}

function applyBatched(weight: tf.Tensor, bias: tf.Tensor, input: tf.Tensor): Tensors {
  const hidden = tf.transpose(tf.matMul(tf.transpose(input, [1, 0, 2]), weight), [1, 0, 2]);
  // The product reads the very tensor that leaves as `hidden`: a frozen graph is cut there into encoder and decoder.
  const out = tf.relu(tf.add(tf.matMul(tf.transpose(hidden, [1, 0, 2]), weight, false, true), tf.expandDims(bias, 1)));
  return { reconstruction: tf.transpose(out, [1, 0, 2]), hidden };
}

/** How many instances share a block-diagonal matrix: the largest divisor that stays within the limit. */
function instancesPerBlock(nInstances: number, nFeatures: number): number {
  let joined = 1;
  for (let candidate = 2; candidate <= nInstances; candidate++) {
    if (nInstances % candidate === 0 && candidate * nFeatures <= BLOCK_DIAGONAL_COLUMNS) joined = candidate;
  }
  return joined;
}

/** [batch, n_instances, n] → [groups, batch, columns], or [batch, columns] for one group. */
function toGroups(input: tf.Tensor, groups: number, columns: number): tf.Tensor {
  if (groups === 1) return tf.reshape(input, [-1, columns]);
  return tf.transpose(tf.reshape(input, [-1, groups, columns]), [1, 0, 2]);
}

function fromGroups(x: tf.Tensor, groups: number, shape: number[]): tf.Tensor {
  return tf.reshape(groups === 1 ? x : tf.transpose(x, [1, 0, 2]), shape);
}
