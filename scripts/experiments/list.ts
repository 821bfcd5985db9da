/** All experiments at the settings that models/ and the README show, and what of them is published. */
import type { Publication } from '../../src/experiments/publish.ts';

/** An experiment and the command that runs it. */
export interface ListedExperiment {
  /** Its folder in runs/. */
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** Those of a later stage use what an earlier one has frozen. */
  readonly stage: 1 | 2;
}

const TOY_MODEL = 'runs/train-toy-model-for-sae/toy-model.onnx';

/** All experiments, the longest first, so that the last one to end does not run alone. */
export const EXPERIMENTS: readonly ListedExperiment[] = [
  experiment('train-toy-model-for-sae-big', 1),
  experiment('train-toy-model-for-sae', 1, '--restarts', '16'),
  study('recovery'),
  study('sae-big'),
  study('sparsity'),
  experiment('feature-geometry', 2),
  experiment('train-toy-models-of-superposition', 2, '--restarts', '20'),
  experiment('train-toy-models-of-superposition-big', 2),
  experiment('train-sae', 2, '--toy-model', TOY_MODEL),
];

function experiment(name: string, stage: 1 | 2, ...args: readonly string[]): ListedExperiment {
  return { name, script: `scripts/${name}.ts`, args, stage };
}

/** A sweep of examples/plans/, on the toy models in models/, and its figures. */
function study(name: string): ListedExperiment {
  return { name, script: 'scripts/study.ts', args: [name], stage: 2 };
}

/** The command that made the run called `name`. */
function commandOf(name: string): string {
  const { script, args } = EXPERIMENTS.find(experiment => experiment.name === name)!;
  return ['npx tsx', script, ...args].join(' ');
}

/** What is published. */
export const PUBLICATION: Publication = {
  models: [
    {
      title: 'Star: five features in two dimensions',
      command: commandOf('train-toy-model-for-sae'),
      from: 'train-toy-model-for-sae/toy-model.onnx',
      to: 'toy-model.onnx',
    },
    {
      title: 'TopK SAE on the star',
      command: commandOf('train-sae'),
      from: 'train-sae/sae.onnx',
      to: 'sae.onnx',
      beside: [{ from: 'train-sae/history.json', to: 'sae.history.json' }],
    },
    {
      title: 'TopK SAE on the star that collapsed',
      command: `${commandOf('recovery')}, the Gaussian start that found fewest`,
      from: 'recovery/report/gaussian-fewest.onnx',
      to: 'sae-collapsed.onnx',
      beside: [{ from: 'recovery/report/gaussian-fewest.history.json', to: 'sae-collapsed.history.json' }],
    },
    {
      title: 'Ten toy models from dense to sparse features',
      command: commandOf('train-toy-models-of-superposition'),
      from: 'train-toy-models-of-superposition/toy-models.onnx',
      to: 'toy-models-of-superposition.onnx',
    },
    {
      title: 'Ten larger toy models from dense to sparse features',
      command: commandOf('train-toy-models-of-superposition-big'),
      from: 'train-toy-models-of-superposition-big/toy-models.onnx',
      to: 'toy-models-of-superposition-big.onnx',
    },
    {
      title: 'Toy model of a hundred features clustered in topics',
      command: commandOf('train-toy-model-for-sae-big'),
      from: 'train-toy-model-for-sae-big/toy-model.onnx',
      to: 'toy-model-big.onnx',
    },
    {
      title: 'TopK SAE on the clustered toy model',
      command: commandOf('sae-big'),
      from: 'sae-big/report/topk-spread.onnx',
      to: 'sae-big.onnx',
    },
    {
      title: 'BatchTopK SAE on the clustered toy model',
      command: commandOf('sae-big'),
      from: 'sae-big/report/batchtopk-spread.onnx',
      to: 'sae-big-batchtopk.onnx',
    },
    {
      title: 'ReLU SAE on the clustered toy model',
      command: commandOf('sae-big'),
      from: 'sae-big/report/relu-spread.onnx',
      to: 'sae-big-relu.onnx',
    },
  ],
  results: [
    { from: 'train-toy-model-for-sae/toy-model.json', to: 'toy-model.json' },
    { from: 'recovery/report/runs.csv', to: 'recovery.csv' },
    { from: 'recovery/report/rates.json', to: 'recovery.json' },
    { from: 'train-toy-models-of-superposition/results.csv', to: 'superposition.csv' },
    { from: 'train-toy-models-of-superposition-big/results.csv', to: 'superposition-big.csv' },
    { from: 'sae-big/report/runs.csv', to: 'sae-big.csv' },
    { from: 'sparsity/report/runs.csv', to: 'sparsity.csv' },
    { from: 'feature-geometry/results.csv', to: 'feature-geometry.csv' },
    { from: 'feature-geometry/phase-diagram.csv', to: 'phase-diagram.csv' },
  ],
  figures: [
    { from: 'train-toy-model-for-sae/toy-model-directions', to: 'toy-model-directions' },
    { from: 'train-sae/sae-directions', to: 'sae-directions' },
    { from: 'recovery/report/recovery-rates', to: 'recovery-rates' },
    { from: 'recovery/report/recovery-curves', to: 'recovery-curves' },
    { from: 'recovery/report/gaussian-found', to: 'sae-found' },
    { from: 'recovery/report/gaussian-fewest', to: 'sae-collapsed' },
    { from: 'train-toy-models-of-superposition/feature-directions', to: 'superposition' },
    { from: 'train-toy-models-of-superposition/feature-analysis', to: 'superposition-analysis' },
    { from: 'train-toy-models-of-superposition-big/feature-analysis', to: 'superposition-big' },
    { from: 'feature-geometry/feature-geometry', to: 'feature-geometry' },
    { from: 'feature-geometry/phase-diagram', to: 'phase-diagram' },
    { from: 'sae-big/report/recovery', to: 'sae-big-recovery' },
    { from: 'sae-big/report/cosines', to: 'sae-big-cosines' },
    { from: 'sparsity/report/sparsity-sweep', to: 'sparsity-sweep' },
  ],
};
