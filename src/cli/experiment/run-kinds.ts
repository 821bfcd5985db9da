/** The kinds of runs that a sweep can train, with the settings of `train toy` and `train sae`. */
import type { ToyModelSettings } from '../../experiments/toy-model-run.ts';
import { activationSaeTask, toyModelSaeTask } from '../../sweeps/sae-task.ts';
import type { RunKinds } from '../../sweeps/sweep.ts';
import { toyModelTask } from '../../sweeps/toy-model-task.ts';
import { planFields } from './plan-fields.ts';
import { activationSae, contentsOfData, type SaeOptions, saeExperiment, toyModelSaeSettings } from './sae.ts';
import { toyModelExperiment } from './toy-model.ts';

/** All kinds of runs, by the name that a plan gives. */
export const RUN_KINDS: RunKinds = {
  toy: {
    name: 'toy',
    ...planFields(toyModelExperiment('toy').command),
    task: async settings => toyModelTask(settings as unknown as ToyModelSettings),
  },
  sae: {
    name: 'sae',
    ...planFields(saeExperiment('sae').command),
    async task(settings) {
      const options = settings as unknown as SaeOptions;
      if (options.activations === undefined && options.model === undefined) {
        return await toyModelSaeTask(toyModelSaeSettings(options), options.toyModel);
      }
      const { settings: own, withData } = activationSae(options);
      return activationSaeTask(own, await contentsOfData(options), withData);
    },
  },
};
