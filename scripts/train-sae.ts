/** Trains a sparse autoencoder on a frozen toy model's activations, and scores it against the model's own directions. */
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { saeExperiment } from '../src/cli/experiment/sae.ts';

const { command, run } = saeExperiment('train-sae');
await runExperiment(command, run);
