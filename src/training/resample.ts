/**
 * Resampling: latents that have died begin anew along activations that are reconstructed badly (Bricken et al. 2023,
 * "Towards Monosemanticity", in the form of saprmarks/dictionary_learning, trainers/standard.py). Architectures that
 * have no other way to revive a latent need it most, such as ReLU with L1.
 */
import * as tf from '@tensorflow/tfjs';
import { distinctIndices } from '../data/shuffle.ts';
import { randomStream } from '../data/streams.ts';
import type { Engine, StepProgram } from '../engines/engine.ts';
import { InvalidValueError } from '../errors.ts';
import { ACTIVATIONS, forwardOf } from '../models/sae-trainable.ts';
import type { SparseAutoencoder } from '../models/sparse-autoencoder.ts';
import { type HostTensor, type HostTensors, hostTensor, rowNorms, rowsAt, sameShape } from '../tensor.ts';
import { joinedName, joinState, modelState } from './training-step.ts';

/** How and when dead latents begin anew. */
export interface ResampleOptions {
  /** Steps from one resampling to the next, at least 2. The learning rate's warm-up begins again after each. */
  readonly every: number;
  /** A latent is dead after more than this many steps without firing, at least 1. Default: half of `every`. */
  readonly deadAfter?: number;
  /** Norm of a new encoder column divided by the mean norm of the living columns, above 0. Default .2. */
  readonly encoderShare?: number;
}

/**
 * Fills in the defaults.
 * @throws InvalidValueError for a value out of its range
 */
export function resolveResampling({
  every,
  deadAfter,
  encoderShare = 0.2,
}: ResampleOptions): Required<ResampleOptions> {
  if (!(Number.isSafeInteger(every) && every >= 2)) {
    throw new InvalidValueError(`resample.every must be a whole number from 2, got ${every}`);
  }
  const resolved = { every, deadAfter: deadAfter ?? Math.floor(every / 2), encoderShare };
  if (!(Number.isSafeInteger(resolved.deadAfter) && resolved.deadAfter >= 1)) {
    throw new InvalidValueError(`resample.deadAfter must be a whole number from 1, got ${deadAfter}`);
  }
  if (!(encoderShare > 0 && Number.isFinite(encoderShare))) {
    throw new InvalidValueError(`resample.encoderShare must be positive, got ${encoderShare}`);
  }
  return resolved;
}

/** One autoencoder whose dead latents are resampled. */
export interface ResampledRun {
  readonly sae: SparseAutoencoder;
  readonly seed: number;
  readonly batchSize: number;
  /** Rows from which latents begin anew, [n, d_in]: as they are fed, and as the encoder sees them. */
  readonly rows: { readonly fed: HostTensor; readonly encoded: HostTensor };
}

/**
 * The state of one autoencoder after `step` steps in which its dead latents have begun anew.
 *
 * Seed and step draw a batch of `rows`; from it one row for each dead latent is drawn without return, with a
 * probability proportional to the norm of its error. The latent's decoder row becomes the row minus b_dec, at the mean
 * norm of the living decoder rows; its encoder column has the same direction, at `encoderShare` of the living columns'
 * mean norm; its biases and moments become 0. Where more latents are dead than the batch has rows, the first ones are
 * taken.
 * @param state a whole training state of this autoencoder alone
 * @returns the new state and how many latents have begun anew; the given state where none was dead or none is alive
 */
export async function resampled(
  run: ResampledRun,
  state: HostTensors,
  step: number,
  options: Required<ResampleOptions>,
  engine: Engine,
): Promise<{ readonly state: HostTensors; readonly count: number }> {
  const { sae, batchSize } = run;
  const { dSae } = sae.config;
  const silent = state[joinedName('buffers', 'silent')]!.data;
  const limit = options.deadAfter * batchSize;
  const isDead = Array.from(silent, samples => samples > limit);
  const dead = isDead.flatMap((is, latent) => (is ? [latent] : []));
  if (dead.length === 0 || dead.length === dSae) return { state, count: 0 };

  const random = randomStream(run.seed + step, 'resampling');
  const batch = [...distinctIndices(run.rows.fed.shape[0]!, batchSize, random)];
  const errors = await errorNorms(sae, state, rowsAt(run.rows.fed, batch), engine);
  const chosen = drawnByWeight(errors, dead.length, () => random.uniform()).map(i => batch[i]!);
  const latents = dead.slice(0, chosen.length);

  const { parameters } = modelState(state);
  const decoder = sae.decoderParameter;
  const width = sae.config.dIn;
  const next: Record<string, HostTensor> = { ...state };
  /**
   * Sets the entries of `parameter`, or of one of its moments, that belong to each latent: a column of W_enc, a row of
   * the decoder, an entry of a vector.
   */
  const write = (name: string, parameter: string, valueAt: (i: number, j: number) => number): void => {
    const { data, shape } = state[name]!;
    const copy = Float32Array.from(data);
    const length = parameter === 'W_enc' || parameter === decoder ? width : 1;
    const [perLatent, perEntry] = parameter === 'W_enc' ? [1, dSae] : [length, 1];
    for (const [i, latent] of latents.entries()) {
      for (let j = 0; j < length; j++) copy[latent * perLatent + j * perEntry] = valueAt(i, j);
    }
    next[name] = hostTensor(copy, shape);
  };
  const mean = (norms: ArrayLike<number>): number => {
    const alive = isDead.flatMap((is, latent) => (is ? [] : [norms[latent]!]));
    return alive.reduce((sum, norm) => sum + norm, 0) / alive.length;
  };
  const directions = unitDirections(rowsAt(run.rows.encoded, chosen), parameters['b_dec']!);
  const along = (norm: number) => (i: number, j: number) => norm * directions[i * width + j]!;
  const nothing = (): number => 0;
  const encoderNorm = options.encoderShare * mean(columnNorms(parameters['W_enc']!));
  write(joinedName('parameters', 'W_enc'), 'W_enc', along(encoderNorm));
  write(joinedName('parameters', decoder), decoder, along(mean(rowNorms(parameters[decoder]!))));
  for (const name of sae.architecture.biases ?? ['b_enc']) write(joinedName('parameters', name), name, nothing);
  write(joinedName('buffers', 'silent'), 'silent', nothing);
  for (const [name, { shape }] of Object.entries(parameters)) {
    const isOfLatents = name === 'W_enc' || name === decoder || (name !== 'b_dec' && sameShape(shape, [dSae]));
    const moments = ['m', 'v'].map(moment => joinedName('optimizer', `${moment}.${name}`));
    for (const moment of moments) if (isOfLatents && state[moment]) write(moment, name, nothing);
  }
  return { state: next, count: latents.length };
}

/** ‖x − x̂‖ of each row with the parameters in training, computed on the training's engine. */
async function errorNorms(
  sae: SparseAutoencoder,
  state: HostTensors,
  rows: HostTensor,
  engine: Engine,
): Promise<Float32Array> {
  const { parameters, buffers } = modelState(state);
  const held = joinState({ parameters, buffers }, {});
  const program: StepProgram = {
    state: held,
    batch: { [ACTIVATIONS]: rows.shape },
    metrics: ['loss', 'errors'],
    step(inputs) {
      const { parameters, buffers } = modelState(inputs);
      const input = inputs[ACTIVATIONS]!;
      const { reconstruction } = forwardOf(sae, { parameters, buffers }, input);
      const errors = tf.sqrt(tf.sum(tf.square(tf.sub(reconstruction, input)), -1));
      const kept = Object.fromEntries(Object.keys(held).map(name => [name, inputs[name]!]));
      return { ...kept, loss: tf.mean(errors), errors };
    },
  };
  const runner = await engine.prepare(program);
  try {
    const { errors } = await runner.run(1, { [ACTIVATIONS]: rows.data as Float32Array });
    return errors!;
  } finally {
    await runner.dispose();
  }
}

/**
 * Up to `count` different indices, each next one with a probability in proportion to its weight among those that are
 * left: the largest u^(1/w) (Efraimidis & Spirakis 2006). An index of weight 0 is never drawn.
 */
function drawnByWeight(weights: ArrayLike<number>, count: number, uniform: () => number): number[] {
  const keys = Array.from(weights, (weight, index) => ({ index, key: Math.log(1 - uniform()) / weight }));
  return keys
    .filter(({ key }) => Number.isFinite(key))
    .sort((a, b) => b.key - a.key)
    .slice(0, count)
    .map(({ index }) => index);
}

/** (row − bias) / ‖row − bias‖ of each row; 0 for a row that equals the bias. */
function unitDirections({ data, shape }: HostTensor, { data: bias }: HostTensor): Float32Array {
  const width = shape[1]!;
  const centred = hostTensor(
    Float32Array.from(data, (value, i) => value - bias[i % width]!),
    shape,
  );
  const norms = rowNorms(centred);
  return centred.data.map((value, i) => value / (norms[Math.floor(i / width)]! || 1));
}

/** The norms of the columns of [d_in, d_sae]. */
function columnNorms({ data, shape }: HostTensor): Float64Array {
  const columns = shape[1]!;
  const squares = new Float64Array(columns);
  for (let i = 0; i < data.length; i++) squares[i % columns]! += data[i]! ** 2;
  return squares.map(Math.sqrt);
}
