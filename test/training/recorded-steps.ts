/** The training steps that this package records: every model, activation and decoder form, alone and side by side. */
import { createRandomSource } from '../../src/data/random-source.ts';
import type { StepProgram } from '../../src/engines/engine.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { DECODER_FORMS, type DecoderForm } from '../../src/models/decoder.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { toyModelTrainable } from '../../src/training/losses.ts';
import { adam } from '../../src/training/optimizers.ts';
import { LEARNING_RATE, trainingStep } from '../../src/training/training-step.ts';
import { normals } from '../models/tensors.ts';
import { saeProgram, scalarInputs } from './sae-program.ts';

export const SAE_ACTIVATIONS: readonly ActivationConfig[] = [
  { kind: 'relu', l1: 0.01 },
  { kind: 'topk', k: 1 },
  { kind: 'topk', k: 3 },
  { kind: 'batchtopk', k: 1.5, restartThresholdAt: 2 },
  { kind: 'topk', k: 2, auxK: { k: 3, deadAfter: 1 } },
  { kind: 'topk', k: 2, auxK: { k: 3, deadAfter: 2, deadBelow: 0.3 } },
  { kind: 'jumprelu', l0: 0.01, bandwidth: 0.5, threshold: 0.2 },
  { kind: 'jumprelu', sparsityLoss: 'tanh', l0: 0.1, preActivationLoss: 0.01, deadAfter: 1 },
  { kind: 'jumprelu', sparsityLoss: 'quadratic', targetL0: 2, l0: 0.01, bandwidth: 0.5, threshold: 0.2 },
  { kind: 'relu', l1: 0.01, targetL0: 3 },
  { kind: 'jumprelu', l0: 0.01, bandwidth: 0.5, threshold: 0.2, targetL0: 2 },
  { kind: 'gated', l1: 0.01 },
  { kind: 'gated', l1: 0.01, detachDecoder: false },
  { kind: 'matryoshka', k: 1.5, widths: [3, 6], prefixLosses: 'mean', restartThresholdAt: 2 },
  { kind: 'matryoshka', k: 2, widths: [5], auxK: { k: 3, deadAfter: 1 }, auxKPerBlock: true },
];

/** Side by side, as sparse as each is. */
const MIXED_ACTIVATIONS: readonly (readonly ActivationConfig[])[] = [
  [0, 0.01, 0.1].map(l1 => ({ kind: 'relu', l1 })),
  [1, 3, 2].map(k => ({ kind: 'topk', k })),
  [0.5, 1.5, 1].map(k => ({ kind: 'batchtopk', k, restartThresholdAt: 2 })),
  [0.01, 0, 0.1].map(l0 => ({ kind: 'jumprelu', l0, bandwidth: 0.5, threshold: 0.2 })),
  [0.01, 0, 0.1].map(l1 => ({ kind: 'gated', l1 })),
  [0.5, 1.5, 1].map(k => ({ kind: 'matryoshka', k, widths: [3, 6] })),
];

const BATCH = 8;
/**
 * With a first moment, which after one step is a tenth of the gradient. And with an ε that leaves gradients alone that are 0 but for
 * rounding, as those of a latent that is active alone: Adam makes a full step of however small a gradient.
 */
const OPTIMIZER = { learningRate: 0.005, betas: [0.9, 0.999], eps: 1e-3 } as const;

export interface RecordedStep {
  readonly name: string;
  readonly program: StepProgram;
  /** What `steps` steps are given: batches of normals, and the numbers that the step takes. */
  inputs(steps: number, seed: number): Record<string, Float32Array>;
}

function recorded(
  name: string,
  program: StepProgram,
  numbers: (steps: number) => Record<string, Float32Array>,
): RecordedStep {
  const drawn = Object.entries(program.batch).filter(([input]) => !program.scalars?.includes(input));
  return {
    name,
    program,
    inputs: (steps, seed) => ({
      ...Object.fromEntries(drawn.map(([input, shape], i) => [input, normals([steps, ...shape], seed + i).data])),
      ...numbers(steps),
    }),
  };
}

function toyStep(name: string, model: ToyModel | ParallelToyModel, scheduled = false): RecordedStep {
  const importance = normals([model.config.nFeatures], 1);
  const program = trainingStep({
    model: toyModelTrainable(model, { ...importance, data: importance.data.map(Math.abs) }),
    state: model.state,
    optimizer: adam({ name: 'adamw' }),
    batch: { features: [BATCH, ...model.sampleShape] },
    ...(scheduled && { scalars: { [LEARNING_RATE]: [] } }),
    nInstances: model instanceof ParallelToyModel ? model.config.nInstances : undefined,
    instanceAxis: 1,
  });
  return recorded(name, program, steps =>
    scheduled ? { [LEARNING_RATE]: Float32Array.from({ length: steps }, (_, step) => 0.001 / (1 + step)) } : {},
  );
}

/** Steps on batches of eight samples. */
export function recordedSteps(): RecordedStep[] {
  const parallel = (nInstances: number, nFeatures: number) =>
    new ParallelToyModel({ nInstances, nFeatures, nHidden: 2 }, createRandomSource(2));
  const toys = [
    toyStep('toy model', new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(1))),
    toyStep('toy model, scheduled', new ToyModel({ nFeatures: 5, nHidden: 2 }, createRandomSource(1)), true),
    toyStep('parallel toy model', parallel(3, 5)),
    toyStep('parallel toy model, several blocks', parallel(24, 20)),
    toyStep('parallel toy model, large', parallel(2, 150)),
  ];
  const autoencoders = DECODER_FORMS.flatMap(decoder => [
    ...SAE_ACTIVATIONS.flatMap(activation => [
      saeStep(decoder, [activation]),
      saeStep(decoder, [activation, activation, activation]),
    ]),
    ...MIXED_ACTIVATIONS.map(activations => saeStep(decoder, activations)),
  ]);
  return [...toys, ...autoencoders];
}

/** Autoencoders side by side that differ in how sparse they are, and with a loss that revives dead latents. */
export function sparsitySteps(): RecordedStep[] {
  const withAuxK = SAE_ACTIVATIONS.filter(activation => 'auxK' in activation).map(activation => [
    activation,
    activation,
  ]);
  return [...MIXED_ACTIVATIONS, ...withAuxK].map(activations => saeStep('reparametrise', activations));
}

/** One autoencoder for each of `activations`, side by side. */
function saeStep(decoder: DecoderForm, activations: readonly ActivationConfig[]): RecordedStep {
  const [activation] = activations as [ActivationConfig];
  const sizes = { dIn: 4, dSae: 10, decoder };
  const saes = activations.map(
    (own, seed) => new SparseAutoencoder({ ...sizes, activation: own }, createRandomSource(seed)),
  );
  const settings = [...new Set(activations.map(({ kind, ...own }) => ` ${JSON.stringify(own)}`))];
  const count = activations.length > 1 ? `, ${activations.length} side by side` : '';
  const { program, numbers } = saeProgram({ batchSize: BATCH, optimizer: OPTIMIZER }, saes);
  return recorded(`${activation.kind}${settings.join(',')}, ${decoder}${count}`, program, steps =>
    scalarInputs(numbers, steps),
  );
}
