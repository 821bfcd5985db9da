/** The options that name tensors of an autoencoder, as the library takes them. */
import type { SaeNames } from '../inference/model-options.ts';
import type { NameOptions } from './options.ts';

export function saeNames({ kind, graphInput, features, reconstruction, featureDirections }: NameOptions): SaeNames {
  return {
    ...(kind === 'sparse-autoencoder' && { kind }),
    ...(graphInput !== undefined && { input: graphInput }),
    ...(features !== undefined && { features }),
    ...(reconstruction !== undefined && { reconstruction }),
    ...(featureDirections !== undefined && { featureDirections }),
  };
}
