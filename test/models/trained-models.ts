/** Small models of every kind, trained for some steps and frozen, as files and as classes. */
import { createRandomSource } from '../../src/data/random-source.ts';
import type { StepProgram } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { freezeSae, freezeToyModel } from '../../src/export/freeze.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { DECODER_FORMS } from '../../src/models/decoder.ts';
import { ParallelToyModel } from '../../src/models/parallel-toy-model.ts';
import { SparseAutoencoder } from '../../src/models/sparse-autoencoder.ts';
import { ToyModel } from '../../src/models/toy-model.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { filled, type HostTensor, type HostTensors, type Shape } from '../../src/tensor.ts';
import { toyModelTrainable } from '../../src/training/losses.ts';
import { adam } from '../../src/training/optimizers.ts';
import { modelState, trainingStep } from '../../src/training/training-step.ts';
import { saeProgram } from '../training/sae-program.ts';
import { normals } from './tensors.ts';

export interface TrainedModel {
  readonly name: string;
  readonly model: ToyModel | ParallelToyModel | SparseAutoencoder;
  readonly bytes: Uint8Array;
  readonly inputName: string;
  readonly sampleShape: Shape;
  /** The model's own outputs, by the names of the graph's. */
  forward(input: HostTensor): HostTensors;
}

const STEPS = 30;
const BATCH = 16;
const TRAINING = { seed: 1, steps: STEPS };

export async function trainedModels(): Promise<TrainedModel[]> {
  const random = createRandomSource(3);
  const toys = [
    { name: 'toy model', model: new ToyModel({ nFeatures: 5, nHidden: 2 }, random) },
    { name: 'parallel toy model', model: new ParallelToyModel({ nInstances: 3, nFeatures: 5, nHidden: 2 }, random) },
  ];
  const activations: ActivationConfig[] = [
    { kind: 'relu', l1: 0.01 },
    { kind: 'topk', k: 3 },
    { kind: 'batchtopk', k: 2.5 },
    { kind: 'jumprelu', l0: 0.01, bandwidth: 0.5, threshold: 0.2 },
    { kind: 'gated', l1: 0.01 },
    { kind: 'matryoshka', k: 2.5, widths: [3, 6] },
  ];
  const autoencoders = activations.flatMap(activation =>
    DECODER_FORMS.map(decoder => ({ activation, decoder, name: `${activation.kind}, ${decoder}` })),
  );
  return [
    ...(await Promise.all(toys.map(({ name, model }) => trainedToyModel(name, model)))),
    ...(await Promise.all(autoencoders.map(trainedAutoencoder))),
  ];
}

async function trainedToyModel(name: string, model: ToyModel | ParallelToyModel): Promise<TrainedModel> {
  const program = trainingStep({
    model: toyModelTrainable(model, filled([5], 1)),
    state: model.state,
    optimizer: adam({ learningRate: 0.02 }),
    batch: { features: [BATCH, ...model.sampleShape] },
  });
  model.state = await train(program, 'features');
  return {
    name,
    model,
    bytes: freezeToyModel(model, TRAINING),
    inputName: 'features',
    sampleShape: model.sampleShape,
    forward: input => ({ ...model.forward(input) }),
  };
}

async function trainedAutoencoder(config: {
  activation: ActivationConfig;
  decoder: (typeof DECODER_FORMS)[number];
  name: string;
}): Promise<TrainedModel> {
  const { activation, decoder, name } = config;
  const sizes = { dIn: 4, dSae: 12 };
  const model = new SparseAutoencoder({ ...sizes, activation, decoder }, createRandomSource(4), {
    bias: [1, -1, 0.5, 0],
  });
  model.state = await train(saeProgram({ batchSize: BATCH, steps: STEPS }, [model]).program, 'activations');
  return {
    name,
    model,
    bytes: freezeSae(model, { training: TRAINING, init: 'gaussian', trainedOn: 'a'.repeat(64) }),
    inputName: 'activations',
    sampleShape: [sizes.dIn],
    forward: input => ({ ...model.forward(input) }),
  };
}

async function train(program: StepProgram, input: string) {
  const engine = createOnnxRuntimeEngine(await loadNodeRuntime());
  const runner = await engine.prepare(program, { maxSteps: STEPS });
  await runner.run(STEPS, { [input]: normals([STEPS, ...program.batch[input]!], 6).data });
  const state = modelState(await runner.read());
  await runner.dispose();
  return state;
}
