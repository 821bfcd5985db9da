/** The options of `loadSae` and `loadToyModel`, sorted into what names tensors and what says how to run. */
import type { LoadRequest } from './load.ts';
import type { RunOptions, SaeNames, ToyModelNames } from './model-options.ts';

const runOptions = ({ provider, threads, batchSize }: RunOptions): RunOptions => ({
  ...(provider !== undefined && { provider }),
  ...(threads !== undefined && { threads }),
  ...(batchSize !== undefined && { batchSize }),
});

/** The options of `loadSae` as a request. */
export function saeRequest(options: SaeNames & RunOptions): LoadRequest {
  const { kind, input, features, reconstruction, featureDirections } = options;
  return {
    wanted: 'sparse-autoencoder',
    names: { kind, input, code: features, reconstruction, featureDirections },
    run: runOptions(options),
  };
}

/** The options of `loadToyModel` as a request. */
export function toyModelRequest(options: ToyModelNames & RunOptions): LoadRequest {
  const { kind, input, hidden, reconstruction, featureDirections } = options;
  return {
    wanted: 'toy-model',
    names: { kind, input, code: hidden, reconstruction, featureDirections },
    run: runOptions(options),
  };
}
