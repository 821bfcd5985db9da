/** The experiment that trains toy models: `train toy`, and the script that makes the one that SAEs learn from. */
import { runToyModel } from '../../experiments/toy-model-run.ts';
import { type Experiment, experimentCommand } from './command.ts';
import { describeToyModel } from './report.ts';
import { addToyModelOptions, type ToyModelOptions } from './toy-model-options.ts';

/** The experiment under `name`, which is also its folder in `runs/`. */
export function toyModelExperiment(name: string): Experiment<ToyModelOptions> {
  const description =
    'Trains toy models of superposition, out = relu(x W Wᵀ + b), and freezes the one of lowest loss to toy-model.onnx.';
  return {
    command: addToyModelOptions(experimentCommand(name, description)),
    async run(options, context) {
      const result = await runToyModel(options, context);
      context.log(describeToyModel(result));
      const { file, loss, losses, stars, run } = result;
      return { file, loss, losses, stars, engine: run.engine };
    },
  };
}
