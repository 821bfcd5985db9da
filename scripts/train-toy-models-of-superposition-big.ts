/** Ten toy models, 80→20→80, from dense to very sparse features, with the feature analysis of "Toy Models of Superposition". */
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { superpositionExperiment } from '../src/cli/experiment/superposition.ts';
import { SUPERPOSITION_BIG_DEFAULTS } from '../src/experiments/superposition-run.ts';

const { command, run } = superpositionExperiment('train-toy-models-of-superposition-big', SUPERPOSITION_BIG_DEFAULTS);
await runExperiment(command, run);
