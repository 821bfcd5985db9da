/** All experiments at the settings that models/ and the README show, and what of them is published. */
import type { Publication } from '../../src/experiments/publish.ts';

export interface ListedExperiment {
  /** Its folder in runs/. */
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** Those of a later stage use what an earlier one has frozen. */
  readonly stage: 1 | 2;
}

const TOY_MODEL = 'runs/train-toy-model-for-sae/toy-model.onnx';
const TOY_MODEL_BIG = 'runs/train-toy-model-for-sae-big/toy-model.onnx';

/** The longest first, so that the last to end does not end alone. */
export const EXPERIMENTS: readonly ListedExperiment[] = [
  experiment('train-toy-model-for-sae-big', 1),
  experiment('train-toy-model-for-sae', 1, '--restarts', '16'),
  experiment('recovery', 2, '--toy-model', TOY_MODEL),
  experiment('feature-geometry', 2),
  {
    ...experiment('recovery', 2, '--toy-model', TOY_MODEL, '--hold-bias', '--out', 'runs/recovery-bias-held'),
    name: 'recovery-bias-held',
  },
  experiment('train-sae-big', 2, '--toy-model', TOY_MODEL_BIG),
  experiment('sparsity', 2, '--toy-model', TOY_MODEL_BIG),
  experiment('train-toy-models-of-superposition', 2, '--restarts', '20'),
  experiment('train-toy-models-of-superposition-big', 2),
  experiment('train-sae', 2, '--toy-model', TOY_MODEL),
];

function experiment(name: string, stage: 1 | 2, ...args: readonly string[]): ListedExperiment {
  return { name, script: `scripts/${name}.ts`, args, stage };
}

/** The command that made the run called `name`. */
function commandOf(name: string): string {
  const { script, args } = EXPERIMENTS.find(experiment => experiment.name === name)!;
  return ['npx tsx', script, ...args].join(' ');
}

/** What is published; `collapsed` is the seed of the recovery study's Gaussian autoencoder that found fewest directions. */
export function publication(collapsed: number): Publication {
  return {
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
        command: `${commandOf('recovery')}, seed ${collapsed}`,
        from: `recovery/gaussian/seed-${collapsed}.onnx`,
        to: 'sae-collapsed.onnx',
        beside: [{ from: `recovery/gaussian/seed-${collapsed}.history.json`, to: 'sae-collapsed.history.json' }],
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
        command: commandOf('train-sae-big'),
        from: 'train-sae-big/topk-spread.onnx',
        to: 'sae-big.onnx',
      },
      {
        title: 'BatchTopK SAE on the clustered toy model',
        command: commandOf('train-sae-big'),
        from: 'train-sae-big/batchtopk-spread.onnx',
        to: 'sae-big-batchtopk.onnx',
      },
      {
        title: 'ReLU SAE on the clustered toy model',
        command: commandOf('train-sae-big'),
        from: 'train-sae-big/relu-spread.onnx',
        to: 'sae-big-relu.onnx',
      },
    ],
    results: [
      { from: 'train-toy-model-for-sae/toy-model.json', to: 'toy-model.json' },
      { from: 'recovery/results.csv', to: 'recovery.csv' },
      { from: 'recovery/summary.json', to: 'recovery.json' },
      { from: 'recovery-bias-held/results.csv', to: 'recovery-bias-held.csv' },
      { from: 'recovery-bias-held/summary.json', to: 'recovery-bias-held.json' },
      { from: 'train-toy-models-of-superposition/results.csv', to: 'superposition.csv' },
      { from: 'train-toy-models-of-superposition-big/results.csv', to: 'superposition-big.csv' },
      { from: 'train-sae-big/results.csv', to: 'sae-big.csv' },
      { from: 'sparsity/results.csv', to: 'sparsity.csv' },
      { from: 'feature-geometry/results.csv', to: 'feature-geometry.csv' },
      { from: 'feature-geometry/phase-diagram.csv', to: 'phase-diagram.csv' },
    ],
    figures: [
      { from: 'train-toy-model-for-sae/toy-model-directions', to: 'toy-model-directions' },
      { from: 'train-sae/sae-directions', to: 'sae-directions' },
      { from: 'recovery/recovery-rates', to: 'recovery-rates' },
      { from: 'recovery/recovery-curves', to: 'recovery-curves' },
      { from: 'recovery/gaussian-found', to: 'sae-found' },
      { from: 'recovery/gaussian-fewest', to: 'sae-collapsed' },
      { from: 'train-toy-models-of-superposition/feature-directions', to: 'superposition' },
      { from: 'train-toy-models-of-superposition/feature-analysis', to: 'superposition-analysis' },
      { from: 'train-toy-models-of-superposition-big/feature-analysis', to: 'superposition-big' },
      { from: 'feature-geometry/feature-geometry', to: 'feature-geometry' },
      { from: 'feature-geometry/phase-diagram', to: 'phase-diagram' },
      { from: 'train-sae-big/recovery', to: 'sae-big-recovery' },
      { from: 'train-sae-big/cosines', to: 'sae-big-cosines' },
      { from: 'sparsity/sparsity-sweep', to: 'sparsity-sweep' },
    ],
  };
}
