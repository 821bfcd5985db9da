/** Trains an autoencoder as a file of test/reference/saelens-training says, and compares every step with SAELens's own trainer. */
import { expect } from 'chai';
import { createRandomSource } from '../../../src/data/random-source.ts';
import { createOnnxRuntimeEngine } from '../../../src/engines/onnxruntime.ts';
import type { ActivationConfig } from '../../../src/models/architectures/registry.ts';
import { SparseAutoencoder } from '../../../src/models/sparse-autoencoder.ts';
import { loadNodeRuntime } from '../../../src/sessions/node.ts';
import { filled, fromNested, type HostTensors, type NestedArray } from '../../../src/tensor.ts';
import { saeStep } from '../../../src/training/train-sae.ts';
import { LEARNING_RATE, modelState } from '../../../src/training/training-step.ts';
import { expectClose, readReference } from '../tensors.ts';

/** SAELens computes in float64, we in float32; Adam makes whole steps of the smallest gradients. */
const TOLERANCE = 2e-5;

export interface SaelensTraining {
  readonly config: { readonly d_in: number; readonly d_sae: number } & Readonly<Record<string, unknown>>;
  /** Steps without firing beyond which a latent is dead. */
  readonly dead_feature_window: number;
  readonly gradient_clip_norm: number;
  readonly optimizer: { readonly betas: [number, number]; readonly eps: number };
  readonly inputs: { readonly start: Readonly<Record<string, NestedArray>>; readonly batches: readonly NestedArray[] };
  readonly expected: {
    readonly steps: readonly {
      readonly learning_rate: number;
      readonly coefficients: Readonly<Record<string, number>>;
      readonly loss: number;
      readonly losses: Readonly<Record<string, number>>;
    }[];
    readonly parameters_after: Readonly<Record<string, Readonly<Record<string, NestedArray>>>>;
  };
}

/** Compares losses of all steps by `terms` (our names → SAELens's), and parameters where the file has them. */
export async function expectAsSaelens(
  name: string,
  activationOf: (training: SaelensTraining) => ActivationConfig,
  terms: Readonly<Record<string, string>>,
): Promise<void> {
  const training = readReference(`saelens-training/${name}`) as SaelensTraining;
  const { config, inputs, expected, optimizer, gradient_clip_norm: clip } = training;
  const parameters: HostTensors = Object.fromEntries(
    Object.entries(inputs.start).map(([parameter, values]) => [parameter, fromNested(values)]),
  );
  const settings = {
    dIn: config.d_in,
    dSae: config.d_sae,
    activation: activationOf(training),
    decoder: 'free',
    reconstructionLoss: 'sum',
  } as const;
  const { state } = new SparseAutoencoder(settings, createRandomSource(0));
  const sae = new SparseAutoencoder(settings, createRandomSource(0), {
    state: {
      parameters,
      buffers: { ...state.buffers, ...(state.buffers['silent'] && { silent: filled([config.d_sae], 0) }) },
    },
  });
  const batchSize = inputs.batches[0]!.length;
  const scheduled = Object.keys(expected.steps[0]!.coefficients);
  const constants = Object.fromEntries(
    Object.entries(sae.architecture.scalars).map(([scalar, { value, perStep }]) => [
      scalar,
      perStep?.(value, batchSize) ?? value,
    ]),
  );
  const scalars = Object.fromEntries([LEARNING_RATE, ...scheduled].map(scalar => [scalar, []]));
  const { program } = saeStep({ batchSize, optimizer, start: {}, clip }, [sae], { constants, scalars });
  const runner = await createOnnxRuntimeEngine(await loadNodeRuntime()).prepare(program, { maxSteps: 1 });
  try {
    for (const [at, step] of expected.steps.entries()) {
      const reported = await runner.run(1, {
        activations: fromNested(inputs.batches[at % inputs.batches.length]!).data,
        [LEARNING_RATE]: Float32Array.of(step.learning_rate),
        ...Object.fromEntries(scheduled.map(scalar => [scalar, Float32Array.of(step.coefficients[scalar]!)])),
      });
      const compare = (ours: string, value: number): void => {
        expect(reported[ours]![0], `${ours} at step ${at}`).to.be.closeTo(value, TOLERANCE * Math.max(1, value));
      };
      compare('loss', step.loss);
      for (const [ours, theirs] of Object.entries(terms)) compare(`losses.${ours}`, step.losses[theirs]!);
      const after = expected.parameters_after[at + 1];
      if (!after) continue;
      const { parameters: trained } = modelState(await runner.read());
      for (const parameter of Object.keys(parameters)) {
        expectClose(trained[parameter], fromNested(after[parameter]!), TOLERANCE);
      }
    }
  } finally {
    await runner.dispose();
  }
}
