/** The options that name tensors of an autoencoder, as the library takes them. */
import type { SaeNames } from '../inference/model-options.ts';
import type { NameOptions } from './options.ts';

/** The names of an autoencoder's tensors among a command's options. */
export function saeNames({ kind, graphInput, features, reconstruction, featureDirections }: NameOptions): SaeNames {
  return {
    ...(kind === 'sparse-autoencoder' && { kind }),
    ...(graphInput !== undefined && { input: graphInput }),
    ...(features !== undefined && { features }),
    ...(reconstruction !== undefined && { reconstruction }),
    ...(featureDirections !== undefined && { featureDirections }),
  };
}
