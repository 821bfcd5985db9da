/** Trains the toy model whose activations the autoencoders learn from: 5→2→5, the lowest loss of several restarts. */
import { runToyModel } from '../src/experiments/toy-model-run.ts';
import { experimentCommand, runExperiment } from './experiment/command.ts';
import { describeToyModel } from './experiment/report.ts';
import { addToyModelOptions, type ToyModelOptions } from './experiment/toy-model-options.ts';

const command = experimentCommand(
  'train-toy-model-for-sae',
  'Trains toy models of superposition, out = relu(x W Wᵀ + b), and freezes the one of lowest loss to toy-model.onnx.',
);

await runExperiment<ToyModelOptions>(addToyModelOptions(command), async (options, context) => {
  const result = await runToyModel(options, context);
  context.log(describeToyModel(result));
});
