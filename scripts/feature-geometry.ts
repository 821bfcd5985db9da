/** Feature geometry over sparsity (n = 200, m = 20), and the phase diagram of two features in one dimension. */
import { type CommonOptions, experimentCommand } from '../src/cli/experiment/command.ts';
import { runExperiment } from '../src/cli/experiment/run-experiment.ts';
import { positiveInteger } from '../src/cli/options.ts';
import { FEATURE_GEOMETRY_DEFAULTS, runFeatureGeometry } from '../src/experiments/feature-geometry-run.ts';
import { PHASE_DIAGRAM_DEFAULTS, runPhaseDiagram } from '../src/experiments/phase-diagram-run.ts';
import { percent } from '../src/experiments/text-table.ts';

interface Options extends CommonOptions {
  readonly models: number;
  readonly steps: number;
  readonly cells: number;
  readonly restarts: number;
  readonly phaseSteps: number;
}

const command = experimentCommand(
  'feature-geometry',
  'Sweeps sparsity in a large toy model, and maps when two features share one dimension.',
)
  .option('--models <n>', 'sparsities of the sweep', positiveInteger, FEATURE_GEOMETRY_DEFAULTS.models)
  .option('--steps <n>', 'training steps of the sweep', positiveInteger, FEATURE_GEOMETRY_DEFAULTS.steps)
  .option('--cells <n>', 'cells along each side of the phase diagram', positiveInteger, PHASE_DIAGRAM_DEFAULTS.cells)
  .option(
    '--restarts <n>',
    'models of each cell; the lowest loss is kept',
    positiveInteger,
    PHASE_DIAGRAM_DEFAULTS.restarts,
  )
  .option('--phase-steps <n>', 'training steps of the phase diagram', positiveInteger, PHASE_DIAGRAM_DEFAULTS.steps);

await runExperiment<Options>(command, async ({ seed, models, steps, cells, restarts, phaseSteps }, context) => {
  const diagram = { ...PHASE_DIAGRAM_DEFAULTS, cells, restarts, steps: phaseSteps, seed };
  const { agreement } = await runPhaseDiagram(diagram, context);
  context.log(`phase diagram: training and theory agree in ${percent(agreement)} of ${cells * cells} cells`);
  const { plateaus } = await runFeatureGeometry({ ...FEATURE_GEOMETRY_DEFAULTS, models, steps, seed }, context);
  for (const { level, from, to, mean, sparsities } of plateaus) {
    const range = `1/(1 − S) from ${from.toFixed(2)} to ${to.toFixed(2)} (${sparsities} sparsities)`;
    context.log(`plateau at ${level}: m/‖W‖²_F is ${mean.toFixed(3)} on average over ${range}`);
  }
});
