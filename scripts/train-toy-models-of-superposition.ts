/** Ten toy models, 5→2→5, from dense to sparse features: the figure that opens "Toy Models of Superposition". */
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { superpositionExperiment } from '../src/cli/experiment/superposition.ts';
import { SUPERPOSITION_DEFAULTS } from '../src/experiments/superposition-run.ts';

const { command, run } = superpositionExperiment('train-toy-models-of-superposition', SUPERPOSITION_DEFAULTS);
await runExperiment(command, run);
