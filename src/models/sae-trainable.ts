/** A sparse autoencoder as a training step sees it: its architecture's forward pass and loss, and the count of samples since each latent fired. */
import * as tf from '@tensorflow/tfjs';
import type { Forward, ForwardInputs, SaeArchitecture, SaeShape } from './architectures/architecture.ts';
import { constrainParameters, decoderParameter, projectGradients } from './decoder.ts';
import { countedFiring } from './firing-rate.ts';
import { meanSquare } from './mean-square.ts';
import type { ModelState, Tensors, Trainable } from './model.ts';
import { denormalizeRows, normalizeRows } from './normalisation.ts';

/** The name of a batch's input that is encoded. */
export const ACTIVATIONS = 'activations';
/** The name of a batch's input that a transcoder reconstructs. */
export const TARGET = 'target';

/** The buffer that holds the unit directions at which decoder rows started, where they are held near them. */
export const STARTED = 'started';

/** The parts of an autoencoder that training needs. */
interface TrainedSae {
  readonly architecture: SaeArchitecture;
  readonly shape: SaeShape;
}

/** Numbers that a training step reports besides its loss. */
export interface SaeReports {
  /**
   * Whether to report `l0`, the number of active latents of a sample: the mean over the first 64 samples of the batch.
   * Default false.
   */
  readonly l0?: boolean;
  /**
   * Reports `dead`, the number of latents that fired in none of so many samples before the step. Needs the buffer
   * `silent`. Default: not reported.
   */
  readonly deadAfter?: number | undefined;
}

/**
 * How many samples of a batch are counted for `l0`. Counting all of them would take a pass over [batch, d_sae]; the
 * mean over steps is as good.
 */
const L0_SAMPLES = 64;
/** The least divisor of a division by a norm. */
const TINY = 1e-30;

/**
 * The loss `mse`, the mean over the batch, and the mean or sum over d_out, of (ŷ − y)², times the architecture's weight for it, beside its own terms. For instances side
 * by side each input has them first: [n_instances, batch, d_in].
 */
export function saeTrainable(
  { architecture, shape }: TrainedSae,
  { l0 = false, deadAfter }: SaeReports = {},
): Trainable {
  return {
    reports: [...(l0 ? ['l0'] : []), ...(deadAfter === undefined ? [] : ['dead'])],
    terms: ['mse', ...(architecture.terms ?? [])],
    losses({ parameters, buffers, batch, scalars }) {
      const input = batch[ACTIVATIONS]!;
      const target = batch[TARGET] ?? input;
      const given = { ...normalized(shape, input), shape, parameters, buffers, target, scalars };
      const forward = architecture.forward(given);
      const { rank } = forward.error;
      const mean = meanSquare(forward.error, [rank - 2, rank - 1]);
      const weight = (shape.reconstructionLoss === 'sum' ? shape.dOut : 1) * (architecture.mseWeight ?? 1);
      const mse = weight === 1 ? mean : tf.mul(mean, weight);
      const { firingWindow } = architecture;
      const next = {
        ...(buffers['silent'] && { silent: silentSamples(buffers['silent'], forward.features) }),
        ...(firingWindow !== undefined && countedFiring(buffers, forward.features, firingWindow)),
      };
      const reports = {
        ...(l0 && { l0: activeLatents(forward) }),
        ...(deadAfter !== undefined && { dead: latentsSilentFor(deadAfter, buffers['silent']!) }),
      };
      return {
        losses: { mse, ...architecture.losses?.(given, forward) },
        buffers: { ...forward.buffers, ...next },
        reports,
      };
    },
    ...(architecture.project && { project: parameters => architecture.project!(parameters) }),
    projectGradients: (parameters: Tensors, gradients: Tensors) =>
      projectGradients(shape.decoder, parameters, gradients),
    constrain: (parameters: Tensors, buffers: Tensors) => {
      const kept = withinCone(shape, parameters, buffers[STARTED]);
      return constrainParameters(shape.decoder, kept);
    },
  };
}

/** The forward pass of one batch `input` [batch, d_in] in its training form, with every number at its setting. */
export function forwardOf(
  { architecture, shape }: TrainedSae,
  { parameters, buffers }: ModelState<Tensors>,
  input: tf.Tensor,
  target: tf.Tensor = input,
): Forward {
  const scalars = scalarsAt(architecture, input.shape[0]!);
  const projected = architecture.project?.(parameters) ?? parameters;
  return architecture.forward({ shape, parameters: projected, buffers, ...normalized(shape, input), target, scalars });
}

/** The value of every number of the architecture for a batch of so many samples. */
export function scalarsAt({ scalars }: SaeArchitecture, batchSize: number): Record<string, { readonly value: number }> {
  return Object.fromEntries(
    Object.entries(scalars).map(([name, { value, perStep }]) => [
      name,
      { value: perStep?.(value, batchSize) ?? value },
    ]),
  );
}

/**
 * The input that is encoded, and how its reconstruction is denormalised. A transcoder's target is another tensor, which
 * is not.
 */
export function normalized(
  { normalize = 'none', applyBDecToInput }: SaeShape,
  input: tf.Tensor,
): Pick<ForwardInputs, 'input' | 'raw' | 'undo'> {
  if (normalize === 'none') return { input };
  const { x, statistics } = normalizeRows(normalize, input);
  if (!applyBDecToInput) return { input: x, raw: input };
  return { input: x, raw: input, undo: decoded => denormalizeRows(normalize, statistics, decoded) };
}

/**
 * Turns every decoder row whose cosine with its start is below the limit of `shape` back to that limit, in the plane of
 * both; its norm stays.
 */
function withinCone(
  { decoder, leastDecoderCosine: least }: SaeShape,
  parameters: Tensors,
  started: tf.Tensor | undefined,
): Tensors {
  if (!least || !started) return parameters;
  const name = decoderParameter(decoder);
  const rows = parameters[name]!;
  const norms = tf.sqrt(tf.sum(tf.square(rows), -1, true));
  const along = tf.sum(tf.mul(rows, started), -1, true);
  const across = tf.sub(rows, tf.mul(started, along));
  const acrossNorm = tf.maximum(tf.sqrt(tf.sum(tf.square(across), -1, true)), TINY);
  const turned = tf.add(tf.mul(started, least), tf.mul(across, tf.div(Math.sqrt(1 - least ** 2), acrossNorm)));
  const isWithin = tf.cast(tf.greaterEqual(along, tf.mul(norms, least)), 'float32');
  return {
    ...parameters,
    [name]: tf.add(tf.mul(rows, isWithin), tf.mul(tf.mul(turned, norms), tf.sub(1, isWithin))),
  };
}

/** Samples since each latent last fired, [...lead, d_sae]: 0 for those that fired in this batch. */
function silentSamples(before: tf.Tensor, features: tf.Tensor): tf.Tensor {
  const fired = tf.step(tf.max(features, -2));
  return tf.mul(tf.add(before, features.shape.at(-2)!), tf.sub(1, fired));
}

/** Active latents of a sample, the mean over the first ones: [...lead]. */
function activeLatents({ features, batchLast }: Pick<Forward, 'features' | 'batchLast'>): tf.Tensor {
  // Takes the tensor that exists before a transposition.
  const given = batchLast ?? features;
  const axis = given.rank - (batchLast ? 1 : 2);
  const samples = Math.min(L0_SAMPLES, given.shape[axis]!);
  const size = given.shape.map((length, i) => (i === axis ? samples : length));
  const some = tf.slice(
    given,
    size.map(() => 0),
    size,
  );
  return tf.div(tf.sum(tf.step(some), [-2, -1]), samples);
}

/** Latents that have been silent for at least `samples`: [...lead, d_sae] → [...lead]. */
function latentsSilentFor(samples: number, silent: tf.Tensor): tf.Tensor {
  return tf.sum(tf.cast(tf.greaterEqual(silent, samples), 'float32'), -1);
}
