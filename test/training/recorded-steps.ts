/** The training steps that this package records: every model, activation and decoder form, alone and side by side. */
import { createRandomSource } from '../../src/data/random-source.ts';
import type { StepProgram } from '../../src/engines/engine.ts';
import type { ActivationConfig } from '../../src/models/activations/registry.ts';
import { DECODER_FORMS, type DecoderForm } from '../../src/models/decoder.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { toyModelObjective } from '../../src/training/losses.ts';
import { adam } from '../../src/training/optimizers.ts';
import { saeProgram } from '../../src/training/train-sae.ts';
import { trainingStep } from '../../src/training/training-step.ts';
import { normals } from '../models/tensors.ts';

export const SAE_ACTIVATIONS: readonly ActivationConfig[] = [
  { kind: 'relu', l1: 0.01 },
  { kind: 'topk', k: 1 },
  { kind: 'topk', k: 3 },
  { kind: 'batchtopk', k: 1.5, restartThresholdAt: 2 },
  { kind: 'topk', k: 2, auxK: { k: 3, deadAfter: 1 } },
];

/** Side by side, as sparse as each is. */
const MIXED_ACTIVATIONS: readonly (readonly ActivationConfig[])[] = [
  [0, 0.01, 0.1].map(l1 => ({ kind: 'relu', l1 })),
  [1, 3, 2].map(k => ({ kind: 'topk', k })),
  [0.5, 1.5, 1].map(k => ({ kind: 'batchtopk', k, restartThresholdAt: 2 })),
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
}

function toyStep(name: string, model: ToyModel | ParallelToyModel, scheduled = false): RecordedStep {
  const importance = normals([model.config.nFeatures], 1);
  const program = trainingStep({
    model,
    state: model.state,
    objective: toyModelObjective({ ...importance, data: importance.data.map(Math.abs) }),
    optimizer: adam({ name: 'adamw' }),
    batchShape: [BATCH, ...model.sampleShape],
    scheduled,
    nInstances: model instanceof ParallelToyModel ? model.config.nInstances : undefined,
  });
  return { name, program };
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
  const settings = { ...sizes, activation, optimizer: OPTIMIZER, batchSize: BATCH, steps: 10, seed: 1 };
  const saes = activations.map(
    (own, seed) => new SparseAutoencoder({ ...sizes, activation: own }, createRandomSource(seed)),
  );
  const numbers = [...new Set(activations.map(own => ('k' in own ? ` k = ${own.k}` : ` l1 = ${own.l1}`)))];
  const count = activations.length > 1 ? `, ${activations.length} side by side` : '';
  return { name: `${activation.kind}${numbers.join(',')}, ${decoder}${count}`, program: saeProgram(settings, saes) };
}
