/** `npm start`: the whole line at its real settings — toy models, an autoencoder, both frozen, loaded again, probed and drawn. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommonOptions, experimentCommand } from '../src/cli/experiment/command.ts';
import { describeSae, describeToyModel } from '../src/cli/experiment/report.ts';
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { probe, recoveryTable } from '../src/experiments/probe.ts';
import { runSae, SAE_DEFAULTS } from '../src/experiments/sae-run.ts';
import { runToyModel, TOY_MODEL_DEFAULTS } from '../src/experiments/toy-model-run.ts';
import { readToyModel } from '../src/experiments/toy-model-truth.ts';

const command = experimentCommand(
  'demo',
  'Trains toy models and a sparse autoencoder, freezes, loads, probes and draws them.',
);

await runExperiment<CommonOptions>(command, async ({ seed }, context) => {
  const toyModel = await runToyModel({ ...TOY_MODEL_DEFAULTS, restarts: 16, seed }, context);
  context.log(describeToyModel(toyModel));
  const sae = await runSae({ ...SAE_DEFAULTS, seed }, await readToyModel(toyModel.file), context);
  context.log(describeSae(sae));
  const found = await probe({ toyModel: toyModel.file, sae: sae.file }, { sparsity: SAE_DEFAULTS.sparsity, seed });
  context.log(`\nBoth files loaded again with onnxruntime-node alone, on fresh features:\n\n${recoveryTable(found)}\n`);
  context.log(`recovered (cosine > .98): ${sae.before.recovered} of 5 at step 0, ${found.recovered} of 5 at the end\n`);
  const files = (await readdir(context.folder)).filter(name => !name.includes('checkpoint'));
  context.log(files.map(name => join(context.folder, name)).join('\n'));
});
