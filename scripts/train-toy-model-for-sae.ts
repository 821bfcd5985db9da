/** Trains the toy model whose activations the autoencoders learn from: 5→2→5, the lowest loss of several restarts. */
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { toyModelExperiment } from '../src/cli/experiment/toy-model.ts';

const { command, run } = toyModelExperiment('train-toy-model-for-sae');
await runExperiment(command, run);
