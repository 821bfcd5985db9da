/** Several independent random sources from one seed, so that what one part of an experiment draws never shifts another's draws. */
import { createRandomSource, type RandomSource } from './random-source.ts';

/**
 * The random streams of a seed, by their purpose. The numbers must not change, so that a seed goes on giving the same
 * run.
 */
export const STREAMS = {
  /** Parameters of a toy model before its first step. */
  toyModel: 0,
  /** Training batches. */
  batches: 1,
  /** Rows seen before training. */
  sample: 2,
  /** Rows that training never sees. */
  heldOut: 3,
  /** The topics of clustered features. */
  topics: 5,
  /**
   * Parameters of an autoencoder before its first step. Not a toy model's: of the same seed and shape, an autoencoder would start with the
   * very draws that the model's directions grew from, and seem to have recovered many before its first step.
   */
  autoencoder: 7,
  /**
   * Training batches of a toy model's activations. Not `batches`: an autoencoder of the same seed would train on the very samples that the
   * toy model was trained on.
   */
  toyModelActivations: 8,
  /** The dictionary and bias of dictionary features. */
  dictionary: 9,
  /** The factors of correlated features. */
  correlation: 10,
  /** Spreads of the magnitudes of SynthSAEBench's features. */
  magnitudes: 11,
  /** The rows that dead latents begin anew from. */
  resampling: 12,
} as const;

/** Names of the independent streams of random numbers that one seed gives. */
export type StreamName = keyof typeof STREAMS;

/**
 * A random source of `seed` that is independent of the seed's other streams.
 * @param seed any safe integer
 * @param index the stream's purpose, or its number from 0
 * @throws InvalidValueError where the seed is not a safe integer
 */
export function randomStream(seed: number, index: number | StreamName): RandomSource {
  const number = typeof index === 'number' ? index : STREAMS[index];
  const root = createRandomSource(seed);
  let child = 0;
  for (let i = 0; i <= number; i++) child = Math.floor(root.uniform() * Number.MAX_SAFE_INTEGER);
  return createRandomSource(child);
}

/**
 * The random source of a restart of `seed`: restarts train side by side from one seed, each on batches of its own.
 * @param restart the number of the restart, from 0. Without one, the source is the stream itself
 */
export function batchStream(seed: number, restart?: number, name: StreamName = 'batches'): RandomSource {
  const stream = randomStream(seed, name);
  if (restart === undefined) return stream;
  let child = 0;
  for (let i = 0; i <= restart; i++) child = stream.integer(Number.MAX_SAFE_INTEGER);
  return createRandomSource(child);
}
